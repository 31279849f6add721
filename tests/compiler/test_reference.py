"""The reference executor: exact accumulation, honest bounds, and differences that are ties or errors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from gatewright.compiler.frontend import import_model, import_proto
from gatewright.compiler.frontend.ops import OPERATORS as IMPORTED
from gatewright.compiler.reference import explain, run_exact, run_plain
from gatewright.compiler.reference_ops import OPERATORS, execute
from gatewright.compiler.reference_tensor import Frames, Integers
from gatewright.errors import MismatchError, UserError


def frames(rng, count, size):
    return rng.normal(size=(count, size)).astype(np.float32)


def test_exact_accumulation_on_a_layer(builder):
    """Ten terms of +-0.1 that cancel are exactly 0, and so +1; a float32 sum of them may be anything near it."""
    scale = np.float32(0.1)
    net = builder((1, 10)).sign(scale).gemm(np.ones((1, 10)), scale).sign().gemm(np.ones((2, 1)))
    imported = import_proto(net.model())
    codes = np.array([[1, -1] * 5, [-1] * 5 + [1] * 5, [1] * 10, [-1] * 10])
    exact = run_exact(imported.model, codes, imported.graph.spec)
    assert exact.accumulators["t2"].tolist() == [[0], [0], [10], [-10]]
    assert exact.codes["t3"].tolist() == [[1], [1], [1], [-1]]
    assert exact.turns["t3"].tolist() == [[2], [2], [0], [0]]
    assert exact.tie_counts() == {"t0": 0, "t3": 2}
    assert exact.integers("t2") is exact.accumulators["t2"]
    with pytest.raises(KeyError):
        exact.integers("x")


def test_one_rounding_of_the_accumulator(builder):
    """The output of a bare layer is the accumulator times both scales, in float64, rounded once."""
    rng = np.random.default_rng(1)
    a, b = np.float32(0.3), np.float32([[0.1], [0.7], [1e-3]])
    imported = import_proto(builder((1, 50)).sign(a).gemm(rng.normal(size=(3, 50)), b).model())
    x = frames(rng, 200, 50)
    exact = run_exact(imported.model, x)
    accumulators = exact.accumulators["t2"]
    expected = [[np.float32(float(acc) * (float(a) * float(s))) for acc, s in zip(row, b[:, 0], strict=True)]
                for row in accumulators]
    np.testing.assert_array_equal(exact.output, np.array(expected))


def test_inputs_in_three_forms(builder):
    """Floats in the model's units, declared codes, and codes of the first quantiser."""
    rng = np.random.default_rng(3)
    net = builder((1, 8)).node("Sub", ..., np.float32(0.4)).sign().gemm(rng.normal(size=(5, 8))).sign()
    model = net.gemm(rng.normal(size=(3, 5))).model()
    declared = import_proto(model, input_type="uint8", input_scale=Fraction(1, 255))
    encoded = import_proto(model)
    codes = rng.integers(0, 256, size=(40, 8)).astype(np.uint8)
    x = declared.graph.spec.decode(codes)
    np.testing.assert_array_equal(declared.graph.spec.encode(x), codes)
    first = encoded.graph.spec.encode(x)
    for runner in (run_exact, run_plain):
        runs = [runner(declared.model, x), runner(declared.model, codes, declared.graph.spec),
                runner(encoded.model, first, encoded.graph.spec)]
        for run in runs:
            np.testing.assert_array_equal(run.output, runs[0].output)
            assert list(run.codes) == ["t1", "t4"]
            for name in run.codes:
                np.testing.assert_array_equal(run.codes[name], runs[0].codes[name])
        with pytest.raises(ValueError, match="integer inputs need an InputSpec that says what they are worth"):
            runner(declared.model, codes)


def test_plain_is_qonnx_frame_by_frame(network):
    from qonnx.core.onnx_exec import execute_onnx

    rng = np.random.default_rng(4)
    imported = import_proto(network(rng, (8, 6, 4)).model())
    x = frames(rng, 12, 8)
    together = run_plain(imported.model, x)
    for place in range(len(x)):
        context = execute_onnx(imported.model, {"x": x[place:place + 1]}, return_full_exec_context=True)
        for name, codes in together.codes.items():
            np.testing.assert_array_equal(np.where(context[name] >= 0, 1, -1)[0], codes[place])


def test_batches_do_not_matter(network, monkeypatch):
    rng = np.random.default_rng(5)
    imported = import_proto(network(rng, (8, 6, 4)).model())
    x = frames(rng, 20, 8)
    whole, plain = run_exact(imported.model, x), run_plain(imported.model, x)
    monkeypatch.setattr("gatewright.compiler.reference.BATCH", 7)
    monkeypatch.setattr("gatewright.compiler.reference_plain.BATCH", 3)
    parts, plain_parts = run_exact(imported.model, x), run_plain(imported.model, x)
    np.testing.assert_array_equal(whole.output, parts.output)
    assert explain(parts, plain.codes, plain.output).frames == 20
    assert explain(parts, plain_parts.codes, plain_parts.output).frames == 20


def in_some_order(rng, terms: np.ndarray) -> np.ndarray:
    """A float32 sum over the last axis as some runtime may make it: any order, any tree."""
    terms = list(np.moveaxis(terms[..., rng.permutation(terms.shape[-1])], -1, 0))
    while len(terms) > 1:
        left, right = terms.pop(rng.integers(len(terms))), terms.pop(rng.integers(len(terms)))
        terms.append(left + right)
    return terms[0]


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 40), reciprocal=st.booleans(), folded=st.booleans(),
       power=st.booleans(), bias=st.booleans())
def test_bounds_hold_for_any_float32_evaluation(builder, seed, size, reciprocal, folded, power, bias):
    """Another order of the sum, another form of batch normalisation: always within the bound."""
    rng = np.random.default_rng(seed)
    s, w = (np.float32(0.5), np.float32(0.25)) if power else np.float32(rng.uniform(0.01, 2, size=2))
    latent = rng.choice([-1.0, 1.0], size=(3, size))
    gamma, beta, mean = (np.float32(rng.normal(size=3) * 10.0 ** rng.integers(-3, 4)) for _ in range(3))
    variance = np.float32(rng.uniform(0, 1, size=3) * 10.0 ** rng.integers(-6, 6))
    offset = np.float32(rng.normal(size=3)) if bias else None
    net = builder((1, size)).sign(s).gemm(latent, w, offset).norm(gamma, beta, mean, variance)
    exact = run_exact(import_proto(net.model()).model, x := frames(rng, 8, size))
    terms = np.where(x >= 0, s, -s)[:, None, :] * np.where(latent >= 0, w, -w).astype(np.float32)
    if offset is not None:
        terms = np.concatenate([terms, np.broadcast_to(offset[None, :, None], (8, 3, 1))], axis=-1)
    total = in_some_order(rng, terms.astype(np.float32))
    spread = np.sqrt(variance + np.float32(1e-5))
    if folded:
        slope = (np.float32(1) / spread) * gamma if reciprocal else gamma / spread
        y = total * slope + (beta - mean * slope)
    else:
        y = ((total - mean) * (np.float32(1) / spread) if reciprocal else (total - mean) / spread) * gamma + beta
    assert y.dtype == np.float32
    assert (np.abs(y.astype(np.float64) - exact.output_real) <= exact.output_bound).all()
    assert (np.abs(exact.output.astype(np.float64) - exact.output_real) <= exact.output_bound).all()


def test_bounds_are_tight_enough_to_mean_something(network):
    """On random constants hardly any code is a tie: a bound that excused everything would prove nothing."""
    rng = np.random.default_rng(6)
    exact = run_exact(import_proto(network(rng, (64, 128, 10)).model()).model, frames(rng, 200, 64))
    assert sum(exact.tie_counts().values()) <= 3


@pytest.fixture
def pair(network):
    rng = np.random.default_rng(7)
    imported = import_proto(network(rng, (8, 6, 4)).model())
    x = frames(rng, 10, 8)
    return run_exact(imported.model, x), run_plain(imported.model, x)


def test_equal_runs(pair):
    exact, plain = pair
    found = explain(exact, plain.codes, plain.output)
    assert (found.frames, found.outputs_compared, len(found.differing)) == (10, 10, 0)
    assert found.parted == found.turned == {"t0": 0, "t4": 0}
    assert found.largest < 1e-5
    assert explain(exact, plain.codes).outputs_compared == 0


def test_a_turned_code_that_is_no_tie(pair):
    exact, plain = pair
    codes = {name: array.copy() for name, array in plain.codes.items()}
    codes["t4"][3, 5] *= -1
    with pytest.raises(MismatchError) as error:
        explain(exact, codes, plain.output)
    expected = exact.codes["t4"][3, 5]
    assert str(error.value) == (f"tensor 't4', frame 3, index 5: exact accumulation gives {expected}, the run "
                                f"{-expected}, and it is no tie")


def test_an_output_beyond_rounding(pair):
    exact, plain = pair
    output = plain.output.copy()
    output[2, 1] = np.nextafter(output[2, 1] + np.float32(1e-3), np.float32(np.inf))
    with pytest.raises(MismatchError, match=r"^output, frame 2, index 1: exact accumulation gives .*, the run .*, "
                                            r"beyond float32 rounding$"):
        explain(exact, plain.codes, output)
    with pytest.raises(MismatchError, match=r"^output, frame 2, index 1"):
        explain(exact, plain.codes, np.where(output == output[2, 1], np.nan, plain.output))


def test_what_cannot_be_compared(pair):
    exact, plain = pair
    with pytest.raises(ValueError, match="codes must hold every quantiser's tensor, but 't4' is missing"):
        explain(exact, {"t0": plain.codes["t0"]})
    with pytest.raises(ValueError, match=r"codes of 't0' must have the shape \(10, 8\), not \(9, 8\)"):
        explain(exact, {**plain.codes, "t0": plain.codes["t0"][1:]})
    with pytest.raises(ValueError, match=r"outputs must have the shape \(10, 4\), not \(10, 3\)"):
        explain(exact, plain.codes, plain.output[:, 1:])


def test_a_tie_excuses_what_follows_it_and_nothing_before(builder):
    """Frame 0 ties in the first layer, so its later codes are free; frame 1 does not."""
    scale = np.float32(0.1)
    net = builder((1, 4)).sign(scale).gemm(np.ones((1, 4)), scale).sign().gemm(np.ones((2, 1))).sign()
    imported = import_proto(net.gemm(np.ones((2, 2))).model())
    exact = run_exact(imported.model, np.array([[1, -1, 1, -1], [1, 1, 1, 1]]), imported.graph.spec)
    codes = {name: array.copy() for name, array in exact.codes.items()}
    codes["t3"][0] *= -1
    codes["t6"][0] *= -1
    output = exact.output.copy()
    output[0] = 99
    found = explain(exact, codes, output)
    assert found.parted == {"t0": 0, "t3": 1, "t6": 0}
    assert found.differing.tolist() == [0]
    assert found.outputs_compared == 1
    codes["t6"][1, 0] *= -1
    with pytest.raises(MismatchError, match=r"^tensor 't6', frame 1, index 0: exact accumulation gives 1, the run -1"):
        explain(exact, codes, output)


def test_zoo_model_has_no_ties(zoo, mnist):
    """Its scales are powers of two, so float32 sums are exact, and plain qonnx gives the very same numbers."""
    imported = import_model(zoo / "TFC_1W1A.onnx", input_type="uint8", input_scale=Fraction(1, 255))
    exact = run_exact(imported.model, mnist, imported.graph.spec)
    plain = run_plain(imported.model, mnist, imported.graph.spec)
    found = explain(exact, plain.codes, plain.output)
    assert set(found.ties.values()) == {0}
    assert (found.outputs_compared, found.largest) == (1000, 0.0)


def test_every_operator_that_can_be_imported_has_a_meaning():
    assert set(IMPORTED) - set(OPERATORS) == set()


def test_a_sum_of_branches_is_rounded_once(builder):
    """0.1 a + 0.3 b over integers: whatever the order, and whatever three float32 roundings make of it."""
    net = builder((1, 6)).quantise(0.1, 8)
    left = net.last
    net.node("Neg").quantise(0.3, 8)
    net.node("Add", left, net.last)
    imported = import_proto(net.gemm(np.eye(6), bits=2).model())
    x = frames(np.random.default_rng(0), 50, 6) * 5
    exact = run_exact(imported.model, x)
    first, second = (exact.codes[name].astype(np.int64) for name in ("t0", "t2"))
    a, b = Fraction(float(np.float32(0.1))), Fraction(float(np.float32(0.3)))
    unit = Fraction(1, 1 << 27)
    expected = first * int(a / unit) + second * int(b / unit)
    divisor = np.gcd(int(a / unit), int(b / unit))
    np.testing.assert_array_equal(exact.accumulators["t3"], expected // divisor)
    worth = [[np.float32(float(unit * int(v))) for v in row] for row in expected]
    np.testing.assert_array_equal(exact.output, np.array(worth))


@pytest.mark.parametrize(("kernel", "odd"), [(2, 1), (3, 3)])
def test_a_mean_is_a_sum_times_the_scale_rounded_once(builder, kernel, odd):
    net = builder((1, 2, 6)).quantise(0.1, 8)
    net.node("AveragePool", kernel_shape=[kernel], strides=[kernel])
    imported = import_proto(net.node("Flatten").gemm(np.eye(12 // kernel), bits=2).model())
    x = frames(np.random.default_rng(0), 50, 12) * 5
    exact = run_exact(imported.model, x.reshape(50, 2, 6))
    sums = exact.codes["t0"].astype(np.int64).reshape(50, 2, -1, kernel).sum(axis=-1).reshape(50, -1)
    np.testing.assert_array_equal(exact.accumulators["t1"], sums)
    scale = float(np.float32(0.1))
    np.testing.assert_array_equal(exact.output, (sums * (scale * odd / kernel) / odd).astype(np.float32))


def test_ties_of_many_levels(builder):
    """A sum of 0.1 at 5 / 2 steps may be 2 or 3, and nothing else; a sum at 2 steps is 2."""
    scale = np.float32(0.1)
    net = builder((1, 3)).quantise(scale, 4).gemm(np.ones((1, 3)), scale, bits=2).quantise(np.float32(0.02), 6)
    imported = import_proto(net.gemm(np.ones((1, 1)), bits=2).model())
    exact = run_exact(imported.model, np.array([[1, 2, 2], [1, 2, 1]]), imported.graph.spec)
    assert exact.turns["t3"].tolist() == [[1], [0]]
    assert exact.codes["t3"].tolist() in ([[2], [2]], [[3], [2]])
    codes = {name: array.copy() for name, array in exact.codes.items()}
    codes["t3"][0] = 5 - codes["t3"][0]
    assert explain(exact, codes).parted == {"t0": 0, "t3": 1}
    codes["t3"][0] = 4
    with pytest.raises(MismatchError, match=r"^tensor 't3', frame 0, index 0: exact accumulation gives .*, the run 4"):
        explain(exact, codes)
    codes["t3"][:] = exact.codes["t3"]
    codes["t3"][1] = 3
    with pytest.raises(MismatchError, match=r"^tensor 't3', frame 1, index 0: exact accumulation gives 2, the run 3"):
        explain(exact, codes)


def test_codes_of_the_first_quantiser_come_in_the_order_of_the_input(builder):
    """Also where the model transposes its input before it quantises it."""
    rng = np.random.default_rng(2)
    net = builder((1, 2, 3, 4)).node("Transpose", perm=[0, 3, 1, 2]).quantise(0.5, 4).node("Flatten")
    imported = import_proto(net.gemm(rng.integers(-3, 4, size=(5, 24)), bits=3).model())
    spec, x = imported.graph.spec, rng.normal(size=(20, 2, 3, 4)).astype(np.float32)
    codes = spec.encode(x)[:, spec.order]
    for runner in (run_exact, run_plain):
        whole, coded = runner(imported.model, x), runner(imported.model, codes, spec)
        np.testing.assert_array_equal(coded.codes["t1"], whole.codes["t1"])
        np.testing.assert_array_equal(coded.output, whole.output)


def test_large_images_go_in_batches(builder, monkeypatch):
    rng = np.random.default_rng(8)
    net = builder((1, 2, 6, 6)).quantise(0.1, 4).conv(rng.integers(-3, 4, size=(4, 2, 3, 3)), 0.1, bits=3)
    net.quantise(0.2, 4).node("Flatten").gemm(rng.integers(-1, 2, size=(3, 64)), bits=2)
    imported = import_proto(net.model())
    x = rng.normal(size=(20, 2, 6, 6)).astype(np.float32)
    whole, plain = run_exact(imported.model, x), run_plain(imported.model, x)
    monkeypatch.setattr("gatewright.compiler.reference.BATCH_ELEMENTS", 500)
    monkeypatch.setattr("gatewright.compiler.reference_plain.BATCH_ELEMENTS", 900)
    np.testing.assert_array_equal(whole.output, run_exact(imported.model, x).output)
    for name, codes in run_plain(imported.model, x).codes.items():
        np.testing.assert_array_equal(codes, plain.codes[name])


def test_declared_floats_are_codes(builder):
    """A layer on the input itself counts in the input's codes, whether they come as codes or as what they are worth."""
    rng = np.random.default_rng(9)
    net = builder((1, 1, 4, 4)).conv(rng.integers(-3, 4, size=(3, 1, 3, 3)), 0.1, bits=3).quantise(0.25, 4)
    model = net.node("Flatten").gemm(rng.integers(-1, 2, size=(3, 12)), bits=2).model()
    imported = import_proto(model, input_type="uint8", input_scale=Fraction(1, 255))
    codes = rng.integers(0, 256, size=(9, 16))
    spec = imported.graph.spec
    exact, floats = run_exact(imported.model, codes, spec), run_exact(imported.model, spec.decode(codes), spec)
    np.testing.assert_array_equal(exact.output, floats.output)
    plain = run_plain(imported.model, codes, spec)
    explain(exact, plain.codes, plain.output)


def test_a_trained_model_of_two_bits(zoo):
    """The zoo's UNSW-NB15 network: weights and activations of two bits, a bipolar input shifted to 0 and 1."""
    imported = import_model(zoo / "unsw_nb15-mlp-w2a2.onnx", input_type="bipolar")
    codes = np.random.default_rng(0).choice([-1, 1], size=(500, 600))[:, :imported.graph.input.elements]
    exact = run_exact(imported.model, codes, imported.graph.spec)
    plain = run_plain(imported.model, codes, imported.graph.spec)
    assert explain(exact, plain.codes, plain.output).frames == 500


def test_what_onnxruntime_refuses_is_one_line(builder):
    """ONNX allows an output padding below the dilation; onnxruntime does not."""
    net = builder((1, 2, 4)).conv(np.ones((2, 1, 3)), op="ConvTranspose", dilations=[3], output_padding=[2])
    imported = import_proto(net.model(), input_type="int4")
    x = np.zeros((1, 2, 4), dtype=np.float32)
    assert run_exact(imported.model, x, imported.graph.spec).output.shape == (1, 12)
    with pytest.raises(UserError, match=r"^net: plain qonnx cannot execute the model, to compare with \(.*; write the "
                                        "node that it names in another way$"):
        run_plain(imported.model, x, imported.graph.spec)


def test_scales_that_say_the_same_for_every_pixel_are_one(builder):
    """A file may spell a scale out for each place of a row: what is pooled over these is in one scale still."""
    rng = np.random.default_rng(0)
    net = builder((1, 2, 3, 4)).quantise(0.5, 4).quantise(np.full((1, 1, 1, 4), 0.25), 4).node("GlobalMaxPool")
    imported = import_proto(net.node("Flatten").gemm(rng.normal(size=(3, 2))).model())
    x = rng.normal(size=(5, 2, 3, 4)).astype(np.float32)
    exact, plain = (run(imported.model, x) for run in (run_exact, run_plain))
    explain(exact, plain.codes, plain.output)
    net = builder((1, 2, 3, 4)).quantise(np.arange(1, 5).reshape(1, 1, 1, 4), 4).node("GlobalMaxPool")
    with pytest.raises(UserError, match=r"^node 'Quant_0' \(Quant\): has constants of shape \[1, 1, 1, 4\] that differ "
                                        "from pixel to pixel; use one value for all elements, or one for each "
                                        "channel$"):
        import_proto(net.model())


def test_what_has_no_meaning_is_one_line_that_names_the_node():
    codes = np.arange(4).reshape(1, 1, 4)
    integers = Integers(codes, np.arange(1, 5).reshape(1, 1, 4) / 4, 0, 3)
    x = Frames(codes.astype(np.float32), codes.astype(np.float64), np.zeros((1, 1, 4)), integers)
    node = helper.make_node("GlobalMaxPool", ["x"], ["y"], name="pool")
    with pytest.raises(UserError, match=r"^node 'pool' \(GlobalMaxPool\): its meaning is not defined here: pooling of "
                                        "values that are computed differently from pixel to pixel; quantise per tensor "
                                        "in front of it, so that it computes with integers times one scale$"):
        execute(node, {"x": x})
