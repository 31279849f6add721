"""Lowering of single nodes that need more than one unit."""

import numpy as np
import pytest

import gatewright
from gatewright.errors import UserError


def made(net, folder, kind):
    return gatewright.compile(gatewright.load(net.save(folder / "net.onnx"), input=kind))


def proven(net, folder, kind, frames=12):
    design = made(net, folder, kind)
    spec = design.graph.spec
    codes = np.random.default_rng(0).integers(spec.type.lo, spec.type.hi + 1, size=(frames, *spec.shape))
    assert design.verify(np.where(codes > 0, 1, -1) if spec.type.bipolar else codes).mismatches == 0
    return design


def test_streams_of_different_types_are_concatenated(builder, tmp_path):
    """Two and five bits of one scale side by side."""
    rng = np.random.default_rng(0)
    net = builder((1, 2, 3, 3)).conv(rng.integers(-2, 3, (2, 2, 1, 1)), 0.5).quantise(0.5, 2, signed=False)
    few = net.last
    net.at("x").conv(rng.integers(-2, 3, (4, 2, 1, 1)), 0.5).quantise(0.5, 5)
    net.node("Concat", ..., few, axis=1).node("Flatten").gemm(rng.normal(size=(3, 54)))
    design = proven(net, tmp_path, "uint3")
    assert any(stage.name.endswith("_cast") for stage in design.dataflow.stages)


def test_the_input_may_have_several_quantisers(builder, tmp_path):
    """A declared input, read with two resolutions."""
    rng = np.random.default_rng(0)
    net = builder((1, 6)).quantise(2.0, 3).gemm(rng.integers(-3, 4, (3, 6)), bits=3)
    coarse = net.last
    net.at("x").quantise(0.5, 4).gemm(rng.integers(-3, 4, (3, 6)), bits=3)
    design = proven(net.node("Add", ..., coarse), tmp_path, "int4")
    assert {"quantise", "threshold0"} <= {stage.name for stage in design.dataflow.stages}


@pytest.mark.parametrize("kind", ["bipolar", "uint2"])
def test_zeros_are_put_around_any_type(builder, tmp_path, kind):
    """A Pad of its own, in front of a pooling window that sees its zeros as numbers."""
    rng = np.random.default_rng(0)
    net = builder((1, 2, 3, 3)).node("Pad", ..., np.array([0, 0, 1, 0, 0, 0, 0, 2]), mode="constant")
    net.node("MaxPool", kernel_shape=[2, 2]).node("Flatten").gemm(rng.normal(size=(3, 24)))
    proven(net, tmp_path, kind)


@pytest.mark.parametrize(("stride", "pixels", "interval"), [(1, 1, 64), (2, 4, 16), (4, 8, 8)])
def test_several_pixels_come_a_cycle_where_layers_are_faster_than_pixels(builder, tmp_path, stride, pixels, interval):
    """A first layer of a cycle a position on 8 x 8 pixels: with a pixel a cycle, all strides would need 64."""
    rng = np.random.default_rng(0)
    net = builder((1, 1, 8, 8)).conv(rng.integers(-1, 2, (2, 1, 3, 3)), 0.5, bits=2, narrow=True,
                                     strides=[stride, stride], pads=[1, 1, 1, 1])
    features = 2 * (8 // stride) ** 2
    net.quantise(1.0, 2).node("Flatten").gemm(rng.normal(size=(3, features)))
    model = gatewright.load(net.save(tmp_path / "net.onnx"), input="uint3")
    design = gatewright.compile(model, folding=f"2x9,3x{features}")
    assert design.dataflow.edges[0].lanes == pixels
    assert design.prediction.interval == interval
    assert design.verify(rng.integers(0, 8, size=(12, 1, 8, 8))).mismatches == 0


def test_words_that_see_padding_alone_may_leave_before_their_frame_comes(builder, tmp_path):
    """A 1 x 1 kernel with padding, as the last layer: the first words of a frame depend on none of it."""
    rng = np.random.default_rng(0)
    net = builder((1, 2, 4, 4)).conv(rng.integers(-3, 4, (3, 2, 1, 1)), bits=3, pads=[1, 1, 1, 1])
    design = proven(net, tmp_path, "int3")
    assert design.graph.value(design.graph.output).shape == (6, 6, 3)


def test_a_layer_that_sees_only_padding_is_refused(builder, tmp_path):
    """Its output would be a constant, which streams without waiting for any input."""
    net = builder((1, 1, 1)).conv(np.ones((1, 1, 1)), strides=[2], pads=[1, 0]).quantise(1.0, 2).node("Flatten")
    model = gatewright.load(net.gemm(np.ones((3, 1))).save(tmp_path / "net.onnx"), input="uint3")
    with pytest.raises(UserError, match="sees nothing but padding at every position, so that its output is a constant; "
                                        "use less padding or a smaller stride"):
        gatewright.compile(model)


SHUFFLE = np.array([1, 2, 2, 3, 3]), [0, 2, 1, 3, 4], np.array([1, 4, 3, 3])
CHANNELS = {
    "words": (None, (0, 2, 4), ["split0"]),
    "pixels": (None, (0, 1, 4), ["split0"]),
    "shuffled": (SHUFFLE, (0, 2, 4), ["split0"]),
    "read twice": (None, (0, 2, 3), ["fork0"]),
}


@pytest.mark.parametrize("case", CHANNELS)
def test_channels_that_go_different_ways_are_split(builder, tmp_path, case):
    """A unit of ShuffleNet v2: one part of the channels goes through a layer, the other waits for it."""
    shuffle, (begin, end, last), units = CHANNELS[case]
    rng = np.random.default_rng(0)
    net = builder((1, 2, 3, 3)).conv(rng.integers(-2, 3, (4, 2, 1, 1)), 0.5).quantise(0.5, 3)
    if shuffle is not None:
        net.node("Reshape", ..., shuffle[0]).node("Transpose", perm=shuffle[1]).node("Reshape", ..., shuffle[2])
    whole, layer = net.last, rng.integers(-2, 3, (2, last - end, 1, 1))
    ends = [np.array([place]) for place in (begin, end, last, 1)]
    left = net.node("Slice", whole, ends[0], ends[1], ends[3]).last
    net.node("Slice", whole, ends[1], ends[2], ends[3]).conv(layer, 0.25).quantise(0.5, 3)
    net.node("Concat", ..., left, axis=1).node("Flatten").gemm(rng.normal(size=(3, 9 * (2 + end - begin))))
    design = (proven if case in ("words", "shuffled") else made)(net, tmp_path, "uint3")
    assert [stage.name for stage in design.dataflow.stages if stage.name in ("split0", "fork0")] == units
    assert any(stage.name.startswith("split0_width") for stage in design.dataflow.stages) == (case == "shuffled")


@pytest.mark.parametrize(("kind", "strides", "pads", "dilations", "fold", "cycles"), [
    ("bipolar", (2, 1), (1, 2, 0, 1), (1, 2), "2x9", 3 * 5 * 2),
    ("int3", (2, 2), (1, 1, 1, 1), (1, 1), "4x9", 3 * 3),
])
def test_a_depthwise_layer_sees_all_taps_at_once(builder, tmp_path, kind, strides, pads, dilations, fold, cycles):
    """A position of a word of channels in each cycle; padding beside signs is 0."""
    rng = np.random.default_rng(0)
    net = builder((1, 4, 6, 6)).conv(rng.integers(-2, 3, (4, 1, 3, 3)), 0.25, group=4, strides=strides, pads=pads,
                                     dilations=dilations).quantise(0.5, 3)
    net.node("GlobalAveragePool").quantise(0.125, 4).node("Flatten").gemm(rng.normal(size=(3, 4)))
    model = gatewright.load(net.save(tmp_path / "net.onnx"), input=kind)
    design = gatewright.compile(model, folding=f"{fold},3x4")
    codes = rng.integers(-4, 4, size=(12, 4, 6, 6))
    assert design.verify(np.where(codes > 0, 1, -1) if kind == "bipolar" else codes).mismatches == 0
    assert design.dataflow.layers[0].schedule.phases == cycles


@pytest.mark.parametrize(("fold", "strides", "message"), [
    ("4x9", None, "4x9 works on all taps of the depthwise layer 'Conv_1', whose window is spread; take SIMD 1"),
    ("3x9", (1, 1), "PE 3 does not divide the 4 channels of the depthwise layer 'Conv_1'; take one of 1, 2, 4"),
    ("2x3", (1, 1), "SIMD 3 is neither one nor all 9 taps of the depthwise layer 'Conv_1'; take SIMD 1 or 9"),
    ("2x9", (2, 2), "2x9 works on all taps of some channels of the depthwise layer 'Conv_1', whose window moves by "
                    "more than a pixel; take SIMD 1, or 4x9"),
])
def test_foldings_that_a_depthwise_layer_has_not_are_refused(builder, tmp_path, fold, strides, message):
    how = {"strides": [2, 2], "op": "ConvTranspose", "name": "Conv_1"} if strides is None else {"strides": strides}
    net = builder((1, 4, 6, 6)).conv(np.ones((4, 1, 3, 3)), bits=2, group=4, **how).quantise(0.5, 3)
    net.node("GlobalAveragePool").quantise(0.125, 4).node("Flatten").gemm(np.ones((3, 4)))
    model = gatewright.load(net.save(tmp_path / "net.onnx"), input="int3")
    with pytest.raises(UserError, match=f"^--folding: {message}$"):
        gatewright.compile(model, folding=f"{fold},3x4")


def test_codes_of_the_same_bits_need_no_unit(builder, tmp_path):
    """Signs behind a ReLU are 0 and 1; so is the largest of signs, and it may be what leaves."""
    rng = np.random.default_rng(0)
    net = builder((1, 2, 4, 4)).node("Relu").conv(rng.integers(-1, 2, (3, 2, 1, 1)), bits=2).sign()
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).node("Relu").quantise(1.0, 1, signed=False)
    design = proven(net, tmp_path, "bipolar")
    assert [type(node).__name__ for node in design.graph.nodes] == ["Table", "Dense", "Pool", "Table"]
    assert [stage.name for stage in design.dataflow.stages] == ["conv0_fifo", "conv0", "pool0_window", "pool0"]
    assert [str(design.dataflow.edges[place].type) for place in (0, -1)] == ["bipolar", "uint1"]


@pytest.mark.parametrize("memory", ["rom", "loadable"])
def test_codes_of_other_bits_and_those_that_may_be_loaded_need_one(builder, tmp_path, memory):
    net = builder((1, 6)).node("Mul", ..., np.float32(1 if memory == "loadable" else -1)).node("Relu")
    model = gatewright.load(net.gemm(np.ones((3, 6))).save(tmp_path / "net.onnx"), input="bipolar")
    assert gatewright.compile(model, memory=memory).dataflow.stages[0].name == "table0"
