"""Branches that meet, against plain ``qonnx``: sums of streams with different scales, channels side by side."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.frontend import import_proto
from gatewright.compiler.frontend.dyadic import common_unit, exact_product, grid
from gatewright.compiler.ir import BIPOLAR, IntType

RNG = np.random.default_rng(11)


def small(*shape):
    return RNG.integers(-3, 4, size=shape)


def kinds(graph):
    return [type(node).__name__ for node in graph.nodes]


def two_branches(net, left, right):
    """Both branches from the input; ``left`` and ``right`` are functions of the builder. The tensors at their ends."""
    start = net.last
    first = left(net).last
    return first, right(net.at(start)).last


def quantised(scale, bits=4, channels=2, **options):
    return lambda net: net.conv(small(channels, 2, 1, 1), 0.5).quantise(scale, bits, **options)


@pytest.mark.parametrize(("op", "signs"), [("Add", (1, 1)), ("Sub", (1, -1)), ("Sum", (1, 1))])
def test_sums_of_different_scales(builder, agrees, op, signs):
    net = builder((1, 2, 3, 4))
    graph = agrees(net.node(op, *two_branches(net, quantised(0.75), quantised(0.5, 6, signed=False))))
    node = graph.nodes[-1]
    assert node.multipliers == (3 * signs[0], 2 * signs[1])
    assert node.output.origin == net.last
    np.testing.assert_array_equal(graph.final.scale, [0.25])


def test_residual_block(builder, agrees):
    net = builder((1, 4, 4, 4)).quantise(0.5, 4)
    skip = net.last
    net.conv(small(4, 4, 3, 3), 0.25, pads=[1] * 4).norm([1] * 4, [0, 1, 2, 3], [0] * 4, [3] * 4, epsilon=1.0)
    net.quantise(0.5, 4).node("Add", ..., skip).node("Relu").quantise(0.5, 4, signed=False)
    graph = agrees(net.node("GlobalAveragePool").node("Flatten").gemm(small(3, 4), 0.5, [1, 2, 3], bits=4), None)
    assert kinds(graph) == ["Conv", "Elementwise", "Quantise", "Add", "Elementwise", "Quantise", "Pool", "MatMul"]
    assert graph.nodes[3].multipliers == (1, 1)


def test_sums_of_products_without_a_quantiser_between(builder, agrees):
    net = builder((1, 2, 4, 4))
    parts = two_branches(net, lambda n: n.conv(small(3, 2, 1, 1), 0.5), lambda n: n.conv(small(3, 2, 1, 1), 0.125))
    graph = agrees(net.node("Add", *parts).quantise(1.0, 4))
    assert kinds(graph) == ["Conv", "Conv", "Add", "Elementwise", "Quantise"]
    assert graph.nodes[2].multipliers == (4, 1)


def test_sums_of_vectors_in_other_orders(builder, agrees):
    net = builder((1, 2, 2, 3))
    flat = two_branches(net, lambda n: n.node("Flatten"),
                        lambda n: n.node("Transpose", perm=[0, 2, 3, 1]).node("Flatten"))
    graph = agrees(net.node("Add", *flat))
    assert kinds(graph) == ["Rearrange", "Rearrange", "Add"]


def test_sums_of_equally_moved_streams_move_nothing(builder, agrees):
    net = builder((1, 2, 2, 3))
    moved = [lambda n, s=s: n.conv(small(2, 2, 1, 1), s).node("Transpose", perm=[0, 3, 2, 1]) for s in (0.5, 1.0)]
    graph = agrees(net.node("Add", *two_branches(net, *moved)).quantise(1.0, 5))
    assert kinds(graph) == ["Conv", "Conv", "Add", "Elementwise", "Quantise"]


def test_a_tensor_added_to_itself_is_worth_twice_as_much(builder, agrees):
    net = builder((1, 2)).quantise(0.5, 4)
    graph = agrees(net.node("Add", net.last, net.last).gemm(small(3, 2), bits=4), None)
    assert kinds(graph) == ["MatMul"]
    np.testing.assert_array_equal(graph.final.scale, [1.0])


def test_sums_per_channel_where_the_ratio_is_the_same(builder, agrees):
    net = builder((1, 2, 2, 2))
    scales = np.float32([0.5, 0.25]).reshape(1, 2, 1, 1)
    graph = agrees(net.node("Add", *two_branches(net, quantised(scales), quantised(scales * 2))))
    assert graph.nodes[-1].multipliers == (1, 2)
    np.testing.assert_array_equal(graph.final.scale, [0.5, 0.25])


def test_an_activation_of_codes_may_be_added(builder, agrees):
    """Relu of codes is codes of the same scale, whatever that scale: each is tried."""
    net = builder((1, 2)).quantise(0.5, 4)
    start = net.last
    rectified = net.node("Relu").last
    graph = agrees(net.at(start).node("Add", ..., rectified), None)
    assert kinds(graph) == ["Elementwise", "Quantise", "Add"]
    assert graph.nodes[1].output.type == IntType(3)


def test_means_of_different_windows_are_added_exactly(builder):
    net = builder((1, 2, 3, 5))
    parts = two_branches(net, lambda n: n.node("GlobalAveragePool"), lambda n: n.node("AveragePool", kernel_shape=[3, 3]
                                                                                     ).node("GlobalMaxPool"))
    graph = import_proto(net.node("Add", *parts).model(), input_type="int4").graph
    node = graph.nodes[-1]
    assert node.multipliers == (3, 5)
    assert (graph.final.scale.tolist(), graph.final.divisor) == ([1], 45)


def test_concat_of_images(builder, agrees):
    net = builder((1, 2, 3, 4))
    parts = two_branches(net, quantised(0.5, 4, 3), quantised(0.5, 3, 2, signed=False))
    tensor = net.node("Concat", *parts, axis=1).last
    graph = agrees(net.conv(small(3, 5, 2, 2), 0.5))
    assert kinds(graph)[-2:] == ["Concat", "Conv"]
    joined = graph.nodes[-2].output
    assert (joined.shape, joined.type, joined.origin) == ((3, 4, 5), IntType(4, True), tensor)


def test_concat_of_signs_and_integers(builder, agrees):
    def signs(net):
        return net.conv(small(2, 2, 1, 1)).sign(0.5)

    net = builder((1, 2, 3, 4))
    both = two_branches(net, signs, signs)
    assert agrees(net.node("Concat", *both, axis=1)).nodes[-1].output.type == BIPOLAR
    net = builder((1, 2, 3, 4))
    mixed = two_branches(net, signs, quantised(0.5, 2, signed=False))
    assert agrees(net.node("Concat", *mixed, axis=-3)).nodes[-1].output.type == IntType(3, True)


def test_concat_of_different_scales_may_be_quantised_or_convolved_depthwise(builder, agrees):
    net = builder((1, 2, 3, 4))
    net.node("Concat", *two_branches(net, quantised(0.5), quantised(0.25)), axis=1)
    start = net.last
    net.conv(small(4, 1, 2, 2), 0.5, group=4)
    graph = agrees(net)
    np.testing.assert_array_equal(graph.final.scale, [0.25, 0.25, 0.125, 0.125])
    graph = agrees(net.at(start).quantise(0.25, 4).conv(small(3, 4, 1, 1)))
    assert kinds(graph)[-4:] == ["Concat", "Elementwise", "Quantise", "Conv"]


def test_concat_of_expressions_of_one_form(builder, agrees):
    """As DenseNet has it: biased products side by side, and one quantiser behind them."""
    net = builder((1, 2, 3, 4))
    parts = two_branches(net, lambda n: n.conv(small(2, 2, 1, 1), 0.5, [1, 2]).node("Relu"),
                         lambda n: n.conv(small(3, 2, 1, 1), 0.25, [3, 4, 5]).node("Relu"))
    graph = agrees(net.node("Concat", *parts, axis=1).quantise(0.5, 4, signed=False))
    assert kinds(graph) == ["Conv", "Conv", "Concat", "Elementwise", "Quantise"]
    assert graph.nodes[2].output.origin is None


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_concat_on_any_axis(builder, agrees, axis):
    net = builder((1, 2, 2, 2))
    graph = agrees(net.node("Concat", *two_branches(net, quantised(0.5), quantised(0.5)), axis=axis).conv(
        small(3, 4 if axis == 1 else 2, 2, 2)))
    assert kinds(graph).count("Concat") == 1
    assert ("Rearrange" in kinds(graph)) == (axis > 1)


def test_concat_of_vectors_keeps_their_orders_for_the_weights(builder, agrees):
    net = builder((1, 2, 2, 3))
    flat = two_branches(net, lambda n: n.conv(small(2, 2, 1, 1)).node("Flatten"),
                        lambda n: n.node("GlobalMaxPool").node("Flatten"))
    graph = agrees(net.node("Concat", *flat, axis=1).gemm(small(4, 14), 0.5, bits=4))
    assert kinds(graph)[-1] == "MatMul"


def test_branches_may_split_before_the_quantisers(builder, agrees):
    net = builder((1, 4, 3, 3)).conv(small(4, 4, 1, 1), 0.5).node("Split", axis=1, outputs=2)
    left, right = net.last, f"{net.last}_1"
    first = net.at(left).quantise(0.5, 4).conv(small(2, 2, 1, 1)).last
    graph = agrees(net.at(right).quantise(1.0, 3).conv(small(2, 2, 1, 1), 0.5).node("Add", ..., first))
    assert [k for k in kinds(graph) if k in ("Conv", "Rearrange", "Add")] == [
        "Conv", "Rearrange", "Conv", "Rearrange", "Conv", "Add"]


def test_one_tensor_with_two_quantisers(builder, agrees):
    net = builder((1, 2, 3, 3)).conv(small(2, 2, 1, 1), 0.5, [1, 2])
    start = net.last
    fine = net.quantise(0.25, 6).last
    graph = agrees(net.at(start).quantise(1.0, 2).node("Add", ..., fine))
    assert kinds(graph) == ["Conv", "Elementwise", "Quantise", "Elementwise", "Quantise", "Add"]
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=2**-60, max_value=2**60)


@given(st.lists(FLOATS | st.just(0.0), min_size=1, max_size=8))
def test_every_float_is_an_integer_times_a_step(values):
    found = grid(np.array(values))
    if found is not None:
        integers, step = found
        assert [int(i) * Fraction(step) for i in integers] == [Fraction(v) for v in values]
        assert not integers.any() or np.gcd.reduce(integers) == 1


@given(st.lists(st.tuples(FLOATS, st.integers(1, 1000)), min_size=1, max_size=4))
def test_common_units_are_exact(parts):
    found = common_unit([np.array([scale]) for scale, _ in parts], [divisor for _, divisor in parts])
    if found is not None:
        unit, divisor, multipliers = found
        for (scale, before), multiplier in zip(parts, multipliers, strict=True):
            assert Fraction(scale) / before == multiplier * Fraction(unit[0]) / divisor
        assert np.gcd.reduce(multipliers, dtype=object) == 1


@given(FLOATS, FLOATS, FLOATS)
def test_exact_products_are(a, b, c):
    two = exact_product(np.array([a]), np.array([b]))
    assert two is not None
    assert Fraction(two[0]) == Fraction(a) * Fraction(b)
    three = exact_product(two, np.array([c]))
    assert (three is not None) == (Fraction(float(two[0] * c)) == Fraction(a) * Fraction(b) * Fraction(c))


def test_pairs_of_every_kind(builder, agrees):
    """Each way to come by integers, added to each other."""
    makers = {
        "codes": lambda n: n.quantise(0.5, 4), "product": lambda n: n.conv(small(2, 2, 1, 1), 0.25),
        "pool": lambda n: n.node("MaxPool", kernel_shape=[1, 1]),
        "mean": lambda n: n.node("AveragePool", kernel_shape=[1, 2], pads=[0, 0, 0, 1], count_include_pad=1),
        "moved": lambda n: n.node("Transpose", perm=[0, 1, 3, 2]),
    }
    for left, right in itertools.combinations(makers.values(), 2):
        net = builder((1, 2, 3, 3))
        agrees(net.node("Sub", *two_branches(net, left, right)), frames=1)
