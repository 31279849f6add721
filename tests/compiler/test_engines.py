"""Engines: what may be chosen, what is, what a report says of it, and that every integer is right on each."""

import itertools
import json
import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewright
from gatewright import cli
from gatewright.coding.lfsr import Lfsr
from gatewright.coding.xxhash32 import Hash
from gatewright.compiler import Design
from gatewright.compiler.compiled import Compiled
from gatewright.compiler.engine import (
    allowed,
    balanced,
    block_choices,
    element_choices,
    layer_cycles,
    layer_names,
    row_order,
)
from gatewright.compiler.folding import Blocks, Elements, Fold, from_json, parse, to_json, work_of
from gatewright.compiler.report import summarise
from gatewright.errors import UserError


def sparse(rng, shape, density, values=(-7, -3, 2, 5)):
    return np.where(rng.random(shape) < density, rng.choice(values, size=shape), 0)


def network(builder, seed=0, densities=(0.3, 0.2, 0.3)):
    """A convolution and two fully connected layers of few weights."""
    rng = np.random.default_rng(seed)
    net = builder((1, 2, 5, 5)).quantise(1.0, 4)
    net.conv(sparse(rng, (6, 2, 3, 3), densities[0]), 1 / 8, bits=4, pads=[1, 1, 1, 1])
    net.node("Relu").quantise(2.0, 4, signed=False)
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).node("Flatten")
    net.gemm(sparse(rng, (20, 24), densities[1]), 1 / 8, bits=4)
    net.node("Relu").quantise(2.0, 2, signed=False)
    return net.gemm(sparse(rng, (10, 20), densities[2]), 1 / 8, bits=4)


@pytest.fixture(scope="module")
def pruned(builder, tmp_path_factory):
    return gatewright.load(network(builder).save(tmp_path_factory.mktemp("engines") / "pruned.onnx"))


@pytest.fixture(scope="module")
def grouped(builder, tmp_path_factory):
    """A layer that works on groups of channels, and one on signs."""
    rng = np.random.default_rng(3)
    net = builder((1, 4, 3, 3)).quantise(1.0, 4)
    net.conv(sparse(rng, (4, 2, 2, 2), 0.4), bits=4, group=2).node("Flatten").sign()
    net.gemm(sparse(rng, (5, 16), 0.4, (-1, 1)), bits=2)
    return gatewright.load(net.save(tmp_path_factory.mktemp("engines") / "grouped.onnx"))


def frames(model, count, seed=1):
    spec = model.graph.spec
    return np.random.default_rng(seed).integers(spec.type.lo, spec.type.hi + 1, (count, *spec.shape))


# What may be chosen.

def test_layers_are_called_as_their_units(pruned, grouped):
    assert list(layer_names(pruned.graph)) == ["conv0", "fc0", "fc1"]
    design = gatewright.compile(pruned)
    assert [stage.name for stage in design.dataflow.layers] == ["conv0", "fc0", "fc1"]


@pytest.mark.parametrize(("wish", "expected"), [
    ("auto", [("dense", "static", "eie")] * 3),
    ("dense", [("dense",)] * 3),
    ("eie", [("eie",)] * 3),
    ("fc1=eie", [("dense", "static", "eie")] * 2 + [("eie",)]),
    ("dense, fc0=static,conv0=eie", [("eie",), ("static",), ("dense",)]),
])
def test_an_engine_is_said_for_all_layers_or_for_some(pruned, wish, expected):
    assert list(allowed(pruned.graph, wish)) == expected


def test_a_layer_is_named_by_its_node_too(pruned):
    name = pruned.layers[1].name
    assert allowed(pruned.graph, f"dense,{name}=eie") == (("dense",), ("eie",), ("dense",))


def test_what_a_layer_cannot_have_is_left_out_or_refused(pruned, grouped):
    assert allowed(grouped.graph, "static") == (("dense",), ("static",))
    assert allowed(pruned.graph, "auto", "streamed") == (("dense",),) * 3
    with pytest.raises(UserError, match=r"^--engine: no layer can be on eie: conv0 \(Conv_\d\) works on groups of "
                       "channels; say auto or dense$"):
        allowed(grouped.graph, "eie")
    with pytest.raises(UserError, match=r"no layer can be on static: .* has weights that are streamed, not built in"):
        gatewright.compile(pruned, engine="static", memory="streamed")
    for wish, memory, why in (("conv0=eie", "rom", "works on groups of channels"),
                              ("fc0=eie", "rom", "takes bipolar activations, which are never 0"),
                              ("fc0=static", "streamed", "has weights that are streamed, not built in")):
        with pytest.raises(UserError, match=rf"^--engine: layer \w+ \(\w+\) {why}; leave it on another engine than"):
            allowed(grouped.graph, wish, memory)


@pytest.mark.parametrize(("wish", "message"), [
    ("fast", "--engine: 'fast' is no engine; say auto, dense, static, eie, or LAYER=ENGINE for some layers"),
    ("fc0=", "--engine: '' is no engine; say"),
    ("fc7=eie", "--engine: no layer is called 'fc7'; name one of conv0, fc0, fc1"),
    ("fc0=eie,fc0=dense", "--engine: 'fc0' is named twice; say one engine for each layer"),
])
def test_what_is_no_engine_is_refused(pruned, wish, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        gatewright.compile(pruned, engine=wish)


def test_dense_networks_stay_on_dense_lanes(builder, tmp_path):
    model = gatewright.load(network(builder, densities=(0.6, 0.8, 1)).save(tmp_path / "dense.onnx"))
    assert allowed(model.graph, "auto") == (("dense",),) * 3
    said = summarise(gatewright.compile(model))
    assert [layer["engine"]["candidates"] for layer in said["layers"]] == [[], [], []]
    assert re.fullmatch(r"dense lanes: [78]\d\.\d% of the weights are not 0", said["layers"][1]["engine"]["why"])


# Choices.

choices = st.one_of(
    st.builds(Fold, st.integers(1, 999), st.integers(1, 999)),
    st.builds(Blocks, st.integers(1, 99), st.integers(1, 99)),
    st.builds(Elements, st.integers(1, 256), st.integers(1, 16), st.integers(1, 16), st.sampled_from([1, 8, 32]),
              st.integers(1, 8), st.booleans()))


@given(st.lists(choices, min_size=1, max_size=4))
def test_a_choice_is_read_as_it_is_said(given_choices):
    assert parse(",".join(map(str, given_choices))) == tuple(given_choices)
    assert [from_json(to_json(each)) for each in given_choices] == given_choices


def test_builds_before_there_were_engines_have_dense_lanes():
    assert from_json({"pe": 3, "simd": 4, "lane": None}) == Fold(3, 4)


def test_cycles_of_a_choice_are_those_of_the_unit(pruned):
    """Of static blocks exactly; of engines where no activation is 0, but for the fill of the pipeline."""
    graph, layer = pruned.graph, pruned.layers[1]
    work = work_of(graph, layer)
    for found, cycles in (block_choices(layer, work), element_choices(layer, work)):
        assert cycles.tolist() == [layer_cycles(layer, work, choice) for choice in found]
        assert len(set(found)) == len(found)
    for choice in (Blocks(4, 3), Elements(4, 8, 2, run_bits=3)):
        design = gatewright.compile(pruned, folding=[Fold(6, 18), choice, Fold(10, 20)])
        (unit,) = [stage.parameters for stage in design.dataflow.layers if stage.name == "fc0"]
        assert unit.schedule.phases == layer_cycles(layer, work, choice)


def test_balance_is_wanted_where_a_fully_connected_layer_reads_the_rows(pruned):
    given_choices = (Elements(4, 8, 1), Elements(4, 8, 1), Elements(4, 8, 1))
    assert [each.balanced for each in balanced(pruned.graph, given_choices, None)] == [False, True, False]
    assert [each.balanced for each in balanced(pruned.graph, given_choices, True)] == [True] * 3
    assert balanced(pruned.graph, given_choices, False) == given_choices
    blocks_behind = (Elements(4, 8, 1), Elements(4, 8, 1), Blocks(1, 1))
    assert not balanced(pruned.graph, blocks_behind, None)[1].balanced
    order = row_order(pruned.layers[1], Elements(4, 8, 1, balanced=True))
    assert sorted(order.tolist()) == list(range(20)) != order.tolist()


# Whole networks.

def proven(design, codes):
    verification = design.verify(codes, seed=5)
    assert verification.mismatches == 0
    return verification


@pytest.mark.parametrize("folding", [
    "static:3x6,static:4x3,static:1x1", "static:1x18,5x6,static:2x4", "eie:2x2x1,eie:4x8x2r3b,eie:2x4x1",
    "eie:3x4x1b,eie:4x1x4@2,static:2x5", "3x6,eie:8x3x4b,5x4",
])
def test_every_integer_is_right_on_every_engine(pruned, folding):
    proven(gatewright.compile(pruned, folding=folding), frames(pruned, 12))


@settings(max_examples=6)
@given(seed=st.integers(0, 999), densities=st.tuples(*[st.sampled_from([0, 0.05, 0.3, 1])] * 3), data=st.data())
def test_any_mixture_of_engines_is_proven(builder, tmp_path_factory, seed, densities, data):
    path = network(builder, seed, densities).save(tmp_path_factory.mktemp("engines") / "any.onnx")
    model = gatewright.load(path)
    engines = [data.draw(st.sampled_from(("dense", "static", "eie"))) for _ in model.layers]
    wish = ",".join(f"{name}={engine}" for name, engine in zip(layer_names(model.graph), engines, strict=True))
    design = gatewright.compile(model, engine=wish, balance=data.draw(st.sampled_from([None, True, False])))
    assert [choice.engine for choice in design.folds] == engines
    proven(design, frames(model, 6, seed))


@pytest.mark.parametrize("wish", ["auto", "static", "eie"])
def test_a_build_with_engines_is_read_back(pruned, tmp_path, wish):
    design = gatewright.compile(pruned, engine=wish)
    again = Design.open(design.write(tmp_path / wish))
    assert again.folds == design.folds
    assert again.rtl() == design.rtl()


def test_a_goal_is_reached_with_the_engines_allowed(pruned):
    codes = frames(pruned, 8)
    for wish, cycles in itertools.product(("auto", "static", "eie"), (1500, 500)):
        design: Compiled = gatewright.compile(pruned, fps=50e6 / cycles, engine=wish)
        assert design.prediction.interval <= cycles
        assert wish == "auto" or {choice.engine for choice in design.folds} == {wish}
    proven(design, codes)


def test_the_report_says_why(pruned):
    said = summarise(gatewright.compile(pruned, engine="static"))
    engine = said["layers"][1]["engine"]
    assert [each["engine"] for each in engine["candidates"]] == ["static", "dense", "eie"]
    assert re.fullmatch(
        r"[\d.]+% of the weights are not 0: static blocks \d+x\d+ \([\d,]+ cycles, [\d,]+ LUTs.*, [\d,]+ bits of "
        r"matrix\); not dense lanes \d+x\d+ \(.*\), nor a sparse engine \d+x\d+x\d\S* \(.*\) \(estimates for ecp5\)",
        engine["why"])
    assert engine["distinct"] == 4
    assert set(engine["bits"]) == {"blocks", "moves"}
    engines = summarise(gatewright.compile(pruned, engine="eie"))
    assert {"pointers", "entries", "accumulators", "queues"} <= set(engines["layers"][0]["engine"]["bits"])


def test_a_folding_says_its_engines_itself(pruned):
    with pytest.raises(UserError, match="both a folding and an engine are given"):
        gatewright.compile(pruned, folding="1x1,1x1,1x1", engine="eie")
    with pytest.raises(UserError, match=r"--folding: eie:4x8x3 does not fit layer"):
        gatewright.compile(pruned, folding="1x1,eie:4x8x3,1x1")
    with pytest.raises(UserError, match=r"--folding: eie:4x2x1@999999999 has queues of more than 65,536 items"):
        gatewright.compile(pruned, folding="1x1,eie:4x2x1@999999999,1x1")
    with pytest.raises(UserError, match=r"--folding: static:21x1 is more than layer"):
        gatewright.compile(pruned, folding="1x1,static:21x1,1x1")


# Weights whose places are not stored.

def indexed(builder, path, note, codes, **options):
    """A network of one layer more, whose weights have a note."""
    net = builder((1, codes.shape[1])).quantise(1.0, 4).gemm(codes, 1 / 8, bits=5)
    net.node("Relu").quantise(2.0, 3, signed=False)
    net.gemm(sparse(np.random.default_rng(1), (3, len(codes)), 0.5), 1 / 8, bits=4)
    model = net.model(**options)
    quantiser = next(node for node in model.graph.node if node.op_type == "Quant" and node.input[0] in [
        tensor.name for tensor in model.graph.initializer if list(tensor.dims) == list(codes.shape)])
    quantiser.metadata_props.add(key="gatewright.index", value=note)
    path.write_bytes(model.SerializeToString())
    return path


def of_register(seed=4):
    index = Lfsr(20, 30, 4, 2, seed)
    codes = np.random.default_rng(seed).choice([-9, -2, 3, 7], (20, 30)) * index.mask
    return json.dumps({"elements": 4, "kept": 2, "kind": "lfsr", "seed": seed}), codes


def of_hash(seed=4):
    codes = Hash(16, seed).matrix(np.random.default_rng(seed).integers(-15, 16, 16), 20, 30)
    return json.dumps({"kind": "hash", "seed": seed, "size": 16}), codes


@pytest.mark.parametrize("make", [of_register, of_hash])
def test_an_index_that_is_not_stored_is_found_in_the_model_and_used(builder, tmp_path, make):
    model = gatewright.load(indexed(builder, tmp_path / "net.onnx", *make()))
    assert model.layers[0].index is not None
    design = gatewright.compile(model, engine="eie")
    engine = summarise(design)["layers"][0]["engine"]
    assert "pointers" not in engine["bits"]
    assert design.folds[0].balanced is False
    proven(design, frames(model, 10))
    proven(gatewright.compile(model, engine="dense"), frames(model, 4))
    assert Design.open(design.write(tmp_path / "build")).rtl() == design.rtl()


@pytest.mark.parametrize(("note", "message"), [
    ("lfsr", "has a note 'gatewright.index' that cannot be used: 'lfsr' is no note on an index; export it anew"),
    ('{"kind": "tree"}', "has a note 'gatewright.index' that cannot be used: an index is of kind lfsr or hash, not "),
    ('{"kind": "hash", "seed": 4}', "has a note 'gatewright.index' that cannot be used: a note of kind 'hash' does"),
    ('{"kind": "lfsr", "elements": 4, "kept": 2, "seed": 5}',
     "has weights that are not those of its note 'gatewright.index': weights must be 0 where the mask is: row"),
    ('{"kind": "hash", "size": 16, "seed": 4}',
     "has weights that are not those of its note 'gatewright.index': the matrix must have one real weight behind"),
])
def test_a_note_that_disagrees_with_the_weights_is_refused(builder, tmp_path, note, message):
    with pytest.raises(UserError, match=rf"^node 'Quant_\d' \(Quant\): {re.escape(message)}"):
        gatewright.load(indexed(builder, tmp_path / "net.onnx", note, of_register()[1]))


def test_an_engine_of_another_size_than_the_register_was_trained_for_is_refused(builder, tmp_path):
    model = gatewright.load(indexed(builder, tmp_path / "net.onnx", *of_register()))
    with pytest.raises(UserError, match="--folding: layer 'Gemm_2' was trained for 4 elements, not 2; take 4 elements"):
        gatewright.compile(model, folding="eie:2x4x1,1x1")


def test_engines_on_the_command_line(builder, tmp_path, monkeypatch, capsys):
    path = network(builder).save(tmp_path / "net.onnx")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["gatewright", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, " ".join(capsys.readouterr())

    code, said = run("build", path, "-o", tmp_path / "build", "--engine", "dense,fc0=eie", "--no-balance")
    assert code == 0
    assert "of the weights are not 0: a sparse engine" in " ".join(said.split())
    layers = json.loads((tmp_path / "build" / "design.json").read_text())["layers"]
    assert [layer["engine"] for layer in layers] == ["dense", "eie", "dense"]
    assert layers[1]["balanced"] is False
    assert "Why this engine" in (tmp_path / "build" / "report.html").read_text()
    code, said = run("build", path, "-o", tmp_path / "other", "--engine", "fc0=fast")
    assert code == 2
    assert "gatewright: --engine: 'fast' is no engine" in said
