"""Convolutions, pools and products in all their forms compute what plain ``qonnx`` computes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.compiler.frontend import import_proto
from gatewright.compiler.ir import BIPOLAR, ArgMax, Conv, IntType, MatMul, Pool, Rearrange

RNG = np.random.default_rng(5)


def small(*shape, low=-3, high=4):
    return RNG.integers(low, high, size=shape)


def kinds(graph):
    return [type(node).__name__ for node in graph.nodes]


@pytest.mark.parametrize("attributes", [
    {}, {"strides": [2, 1]}, {"pads": [1, 2, 0, 1]}, {"dilations": [2, 1]}, {"strides": [2, 3], "pads": [2, 2, 2, 2]},
    {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, {"auto_pad": "VALID"},
    {"kernel_shape": [3, 2], "group": 1}, {"auto_pad": "SAME_UPPER", "dilations": [2, 3], "strides": [1, 2]},
    {"auto_pad": "SAME_LOWER", "dilations": [3, 1]},
])
def test_conv(builder, agrees, attributes):
    graph = agrees(builder((1, 3, 7, 6)).conv(small(4, 3, 3, 2), 0.5, [1, 2, 3, 4], **attributes))
    assert kinds(graph) == ["Conv"]
    assert graph.input.shape == (7, 6, 3)
    assert graph.nodes[0].output.origin == "t1"
    assert [o.kind for o in graph.final.operations] == ["add"]


@pytest.mark.parametrize(("groups", "outputs"), [(2, 6), (4, 4), (4, 8)])
def test_grouped_and_depthwise_conv(builder, agrees, groups, outputs):
    graph = agrees(builder((1, 4, 5, 5)).conv(small(outputs, 4 // groups, 3, 3), 0.25, group=groups, pads=[1] * 4))
    assert graph.nodes[0].groups == groups


def test_depthwise_conv_takes_a_scale_for_each_channel(builder, agrees):
    scales = np.float32([0.25, 0.5, 1]).reshape(1, 3, 1, 1)
    graph = agrees(builder((1, 3, 4, 4)).quantise(scales, 4).conv(small(6, 1, 2, 2), 0.5, group=3), None)
    np.testing.assert_array_equal(graph.final.scale, [0.125, 0.125, 0.25, 0.25, 0.5, 0.5])


@pytest.mark.parametrize("attributes", [{}, {"group": 2}, {"op": "ConvTranspose"}])
def test_sums_of_channels_whose_scales_have_a_simple_ratio(builder, agrees, attributes):
    """The weights take the ratios in."""
    scales = np.float32([0.25, 0.75, 1, 0.5]).reshape(1, 4, 1, 1)
    codes = small(4, 4 // attributes.get("group", 1), 2, 2, low=1)
    graph = agrees(builder((1, 4, 4, 4)).quantise(scales, 4).conv(codes, 0.5, **attributes), None)
    factors = np.array([1, 3, 4, 2])
    columns = {0: factors, 2: np.repeat(factors.reshape(2, 2), 2, axis=0)[:, None, None]}[attributes.get("group", 0)]
    expected = codes.transpose(1, 2, 3, 0)[:, ::-1, ::-1] if attributes.get("op") else codes.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(graph.nodes[0].weights, expected * columns)
    np.testing.assert_array_equal(graph.final.scale, [0.125])


def test_flattened_channels_whose_scales_have_a_simple_ratio(builder, agrees):
    scales = np.float32([0.25, 1]).reshape(1, 2, 1, 1)
    graph = agrees(builder((1, 2, 2, 3)).quantise(scales, 4).node("Flatten").gemm(np.ones((1, 12)), 0.5, bits=3), None)
    np.testing.assert_array_equal(graph.nodes[0].weights, [[1, 4] * 6])


def test_branches_of_different_scales_side_by_side(builder, agrees):
    net = builder((1, 2, 3, 3)).quantise(0.5, 4)
    left = net.last
    net.conv(small(3, 2, 1, 1), 0.5).quantise(0.125, 5).node("Concat", ..., left, axis=1)
    graph = agrees(net.conv(small(2, 5, 2, 2), 1.0), None)
    assert np.abs(graph.nodes[-1].weights[..., :3]).max() <= 3
    assert (graph.nodes[-1].weights[..., 3:] % 4 == 0).all()


@pytest.mark.parametrize("scales", [np.float32([[1, 2, 4, 8, 0.5, 1, 1, 2]]), 2.0 ** np.arange(-12, 12).reshape(3, 8)])
def test_weights_may_have_scales_in_a_simple_ratio(builder, agrees, scales):
    """One for each input, or each weight: over the whole matrix, or over each output channel."""
    graph = agrees(builder((1, 8)).gemm(small(3, 8), scales, bits=3))
    assert graph.nodes[0].weight_type.bits <= 16


def test_weights_may_have_a_scale_for_each_output_channel(builder, agrees):
    scales = np.float32([0.25, 0.5, 1, 2]).reshape(4, 1, 1, 1)
    graph = agrees(builder((1, 3, 4, 4)).conv(small(4, 3, 2, 2), scales))
    np.testing.assert_array_equal(graph.final.scale, [0.25, 0.5, 1, 2])


@pytest.mark.parametrize("attributes", [{}, {"strides": [2], "pads": [2, 1]}, {"dilations": [3]},
                                        {"auto_pad": "SAME_UPPER", "strides": [2]},
                                        {"auto_pad": "SAME_LOWER", "dilations": [2]}])
def test_conv_of_signals(builder, agrees, attributes):
    graph = agrees(builder((1, 3, 9)).conv(small(2, 3, 3), 0.5, [1, 2], **attributes))
    assert graph.input.shape == (1, 9, 3)
    assert graph.nodes[0].output.shape[0] == 1


@pytest.mark.parametrize("attributes", [
    {}, {"strides": [2, 2]}, {"strides": [2, 3], "output_padding": [1, 2]}, {"pads": [1, 0, 2, 1]},
    {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, {"dilations": [2, 1]},
    {"strides": [3, 3], "pads": [2, 3, 4, 3]}, {"group": 2, "strides": [2, 1]},
    {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"strides": [2, 2], "output_shape": [6, 5]},
])
def test_conv_transpose(builder, agrees, attributes):
    """Pads may exceed what the kernel reaches: then rows and columns are cut off."""
    groups = attributes.get("group", 1)
    net = builder((1, 4, 3, 3)).conv(small(4, 6 // groups, 3, 2), 0.5, np.arange(6), op="ConvTranspose", **attributes)
    graph = agrees(net)
    assert kinds(graph) == ["Conv"]
    assert graph.nodes[0].window.insert == tuple(attributes.get("strides", (1, 1)))


def test_conv_transpose_of_signals(builder, agrees):
    agrees(builder((1, 2, 5)).conv(small(2, 3, 4), 0.5, op="ConvTranspose", strides=[2], pads=[1, 0]))


def test_padding_before_a_convolution_becomes_the_convolutions(builder, agrees):
    net = builder((1, 2, 4, 4)).node("Pad", ..., np.int64([0, 0, 1, 2, 0, 0, 0, 1]), np.float32(0))
    graph = agrees(net.conv(small(3, 2, 3, 3), pads=[0, 1, 1, 0]))
    assert kinds(graph) == ["Conv"]
    assert graph.nodes[0].window.pads == (1, 3, 1, 1)


@pytest.mark.parametrize("attributes", [
    {"kernel_shape": [2, 2], "strides": [2, 2]}, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]},
    {"kernel_shape": [2, 3], "ceil_mode": 1, "strides": [2, 2]}, {"kernel_shape": [2, 2], "dilations": [2, 2]},
    {"kernel_shape": [3, 2], "auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER", "dilations": [2, 2]},
    {"kernel_shape": [3, 3], "ceil_mode": 1, "strides": [3, 3], "pads": [1, 1, 1, 1]},
])
def test_max_pool(builder, agrees, attributes):
    graph = agrees(builder((1, 3, 7, 7), opset=12).node("MaxPool", **attributes))
    assert kinds(graph) == ["Pool"]
    assert graph.nodes[0].output.type == graph.input.type


def test_max_pool_of_signals(builder, agrees):
    agrees(builder((1, 3, 8)).node("MaxPool", kernel_shape=[2], strides=[2]))


@pytest.mark.parametrize("attributes", [
    {"kernel_shape": [2, 2], "strides": [2, 2]}, {"kernel_shape": [4, 2]},
    {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1, "strides": [2, 2]},
    {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
])
def test_average_pool(builder, agrees, attributes):
    graph = agrees(builder((1, 3, 8, 6)).node("AveragePool", **attributes))
    assert kinds(graph) == ["Pool"]
    assert graph.final.divisor == 1  # windows of powers of two go into the scale


def test_average_of_any_number_is_rounded_once(builder):
    net = builder((1, 2, 3, 3)).node("GlobalAveragePool")
    graph = import_proto(net.model(), input_type="uint8", input_scale=Fraction(1, 255)).graph
    assert graph.final.divisor == 255 * 9
    sums = np.arange(0, 2295)
    np.testing.assert_array_equal(graph.final(sums), (sums / 2295).astype(np.float32))


@pytest.mark.parametrize(("op", "attributes"), [
    ("GlobalAveragePool", {}), ("GlobalMaxPool", {}), ("ReduceMean", {"axes": [2, 3]}),
    ("ReduceMean", {"axes": [-1, -2], "keepdims": 0}), ("ReduceMax", {"axes": [2]}), ("ReduceSum", {}),
    ("ReduceMean", {"axes": [1]}),
])
def test_pools_over_whole_axes(builder, agrees, op, attributes):
    net = builder((1, 4, 4, 8), opset=12)
    if op == "ReduceSum":
        attributes = {"axes": [2, 3]}
    graph = agrees(net.node(op, **attributes))
    assert kinds(graph)[-1] == "Pool"


def test_mean_of_a_pool_feeds_a_linear_layer(builder, agrees):
    net = builder((1, 4, 2, 4)).node("GlobalAveragePool").node("Flatten").gemm(small(3, 4), 0.5, [1, 2, 3], bits=4)
    graph = agrees(net, "uint4")
    assert kinds(graph) == ["Pool", "MatMul"]
    np.testing.assert_array_equal(graph.final.scale, [1 / 16])


def test_rising_expressions_are_pooled_before_they_are_computed(builder, agrees):
    net = builder((1, 3, 4, 4)).conv(small(3, 3, 1, 1), 0.5).norm([1, 2, 0.5], [1, 2, 3], [0, 1, 2], [3, 15, 63],
                                                                  epsilon=1.0)
    net.node("Relu").node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).quantise(0.5, 4, signed=False)
    graph = agrees(net)
    assert kinds(graph) == ["Conv", "Pool", "Elementwise", "Quantise"]
    assert graph.nodes[1].output.origin is None


def test_falling_channels_change_the_sign_of_their_weights(builder, agrees):
    net = builder((1, 3, 4, 4)).conv(small(3, 3, 1, 1), 0.5).node("Mul", ..., np.float32([[[1]], [[-2]], [[0]]]))
    before = net.nodes[-2].name
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).quantise(0.5, 4)
    graph = agrees(net)
    assert kinds(graph) == ["Conv", "Pool", "Elementwise", "Quantise"]
    assert graph.nodes[0].name == before
    assert graph.nodes[0].output.origin is None


def test_a_product_with_another_reader_keeps_its_sign_there(builder, agrees):
    net = builder((1, 2, 2, 2)).conv(small(2, 2, 1, 1), 0.5)
    product = net.last
    net.node("Neg").node("MaxPool", kernel_shape=[2, 2]).quantise(0.5, 6)
    pooled = net.last
    net.at(product).node("MaxPool", kernel_shape=[2, 2]).quantise(0.5, 6).node("Add", ..., pooled)
    graph = agrees(net)
    assert kinds(graph).count("Conv") == 2
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)


@pytest.mark.parametrize("options", [{}, {"transB": 0}, {"alpha": 0.5, "beta": 2.0}])
def test_gemm_of_integers(builder, agrees, options):
    weights = small(5, 3)
    net = builder((1, 3)).gemm(weights.T if "transB" in options else weights, 0.5, [1, 2, 3, 4, 5], bits=4, **options)
    graph = agrees(net, "int8")
    np.testing.assert_array_equal(graph.nodes[0].weights, weights)


@pytest.mark.parametrize(("shape", "equation"), [
    ((1, 5), "ij,jk->ik"), ((1, 5), "bi, oi -> bo"), ((1, 3, 5), "bti,io->bto"), ((1, 3, 5), "...i,oi->...o")])
def test_einsum_on_the_last_axis_is_a_matmul(builder, agrees, shape, equation):
    weights = small(4, 5) if "oi" in equation else small(5, 4)
    net = builder(shape).quantise(0.5, 4)
    net.node("Einsum", ..., net.integers(weights, 0.25, 4), equation=equation)
    graph = agrees(net.quantise(0.5, 4), None)
    assert ("MatMul" if len(shape) == 2 else "Conv") in kinds(graph)


def test_flattened_images_are_absorbed_by_the_weights(builder, agrees):
    graph = agrees(builder((1, 2, 3, 4)).node("Flatten").gemm(small(5, 24), bits=4))
    assert kinds(graph) == ["MatMul"]
    shuffled = builder((1, 2, 3, 4)).node("Transpose", perm=[0, 2, 3, 1]).node("Flatten").gemm(small(5, 24), bits=4)
    assert kinds(agrees(shuffled)) == ["MatMul"]


def test_elements_that_are_dropped_or_doubled_are_rearranged(builder, agrees):
    net = builder((1, 8)).node("Gather", ..., np.int64([3, 3, 0, 7]), axis=1).gemm(small(5, 4), bits=4)
    graph = agrees(net)
    assert kinds(graph) == ["Rearrange", "MatMul"]
    assert graph.nodes[0].kind == "gather"
    np.testing.assert_array_equal(graph.nodes[0].index, [3, 3, 0, 7])


def test_matmul_on_the_last_axis_is_a_convolution_of_one_tap(builder, agrees):
    net = builder((1, 5, 3))
    net.node("MatMul", ..., net.integers(small(3, 4), 0.5, 4)).node("Add", ..., np.float32([1, 2, 3, 4]))
    graph = agrees(net)
    assert kinds(graph) == ["Rearrange", "Conv"]
    assert graph.nodes[-1].output.shape == (1, 5, 4)
    channels_last = builder((1, 3, 2, 5)).node("Transpose", perm=[0, 2, 3, 1])
    channels_last.node("MatMul", ..., channels_last.integers(small(3, 4), 0.5, 4))
    assert kinds(agrees(channels_last)) == ["Conv"]


@pytest.mark.parametrize(("codes", "bits", "kind"), [
    ([[1, -1], [-1, 1]], 2, BIPOLAR), ([[1, 0], [-1, 1]], 2, IntType(2, True)), ([[1, 1], [1, 1]], 4, IntType(1)),
    ([[0, 0], [0, 0]], 4, IntType(1)), ([[8, -4], [0, 2]], 5, IntType(5, True)),
    ([[-8, -4], [0, 2]], 8, IntType(4, True)), ([[3, 0], [0, 2]], 4, IntType(2)),
])
def test_weights_have_the_narrowest_type(builder, agrees, codes, bits, kind):
    graph = agrees(builder((1, 2)).gemm(np.array(codes), 0.5, bits=bits))
    assert graph.nodes[0].weight_type == kind


def test_weights_of_two_magnitudes_without_a_quantiser(builder):
    """Trained ternary quantisation: both scales are multiples of one power of two."""
    up, down = np.float32(0.7), np.float32(0.3)
    weights = np.array([[up, 0, -down], [-down, up, 0]], dtype=np.float32)
    graph = import_proto(builder((1, 3)).node("Gemm", ..., weights, transB=1).model(), input_type="int4").graph
    product = graph.nodes[0]
    assert isinstance(product, MatMul)
    assert len(np.unique(product.weights)) == 3
    np.testing.assert_array_equal(product.weights * graph.final.scale, weights.astype(np.float64))
    assert product.weight_type.bits <= 26


def test_weights_of_few_values_without_a_quantiser(builder, agrees):
    weights = RNG.choice(np.float32([0.5, -0.25, 0, 1.5]), size=(4, 6))
    graph = agrees(builder((1, 6)).node("Gemm", ..., weights, transB=1))
    np.testing.assert_array_equal(graph.nodes[0].weights, weights * 4)
    np.testing.assert_array_equal(graph.final.scale, [0.25])


def test_power_of_two_weights(builder, agrees):
    weights = RNG.choice(np.float32([0, 1, -2, 4, 0.125, -0.25]), size=(4, 6))
    graph = agrees(builder((1, 6)).node("Gemm", ..., weights, transB=1))
    assert set(np.abs(graph.nodes[0].weights).ravel()) <= {0, 1, 2, 4, 8, 16, 32}


def test_arg_max_at_the_end(builder, agrees):
    graph = agrees(builder((1, 4)).gemm(np.eye(5, 4), bits=2).node("ArgMax", axis=1))
    assert kinds(graph) == ["MatMul", "ArgMax"]
    graph = agrees(builder((1, 4)).gemm(small(5, 4), 0.5, bits=4).node("ArgMax", axis=-1, keepdims=0))
    assert isinstance(graph.nodes[-1], ArgMax)


@pytest.mark.parametrize("wrong", [TensorProto.FLOAT, TensorProto.INT32])
def test_the_output_is_of_the_type_that_its_operator_gives(builder, wrong):
    """Exporters and people write another into the file."""
    model = builder((1, 4)).gemm(np.eye(5, 4), bits=2).node("ArgMax", axis=1).model()
    model.graph.output[0].type.tensor_type.elem_type = wrong
    assert kinds(import_proto(model, input_type="int4").graph) == ["MatMul", "ArgMax"]
    model = builder((1, 4)).gemm(np.eye(5, 4), bits=2).model()
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT32
    assert kinds(import_proto(model, input_type="int4").graph) == ["MatMul"]


def test_top_1_is_an_arg_max(builder, agrees):
    net = builder((1, 4)).gemm(small(5, 4), 0.5, bits=4).node("TopK", ..., np.int64([1]), outputs=2)
    assert kinds(agrees(net.at(f"{net.last}_1"))) == ["MatMul", "ArgMax"]


@pytest.mark.parametrize(("op", "host"), [("Softmax", "softmax"), ("LogSoftmax", "log_softmax")])
def test_soft_max_is_the_hosts(builder, op, host):
    net = builder((1, 4)).gemm(small(5, 4), 0.5, bits=4).node(op).node("Identity")
    graph = import_proto(net.model(), input_type="int4").graph
    assert kinds(graph) == ["MatMul"]
    assert graph.host == (host,)


@pytest.mark.parametrize(("output", "host"), [("", "top:3"), ("_1", "top_indices:3")])
def test_the_largest_few_are_the_hosts(builder, output, host):
    net = builder((1, 4)).gemm(small(5, 4), 0.5, bits=4).node("TopK", ..., np.int64([3]), outputs=2)
    graph = import_proto(net.at(net.last + output).model(), input_type="int4").graph
    assert graph.host == (host,)


def test_images_may_be_the_output(builder, agrees):
    graph = agrees(builder((1, 3, 4, 5)).conv(small(2, 3, 1, 1)))
    assert graph.order is None
    graph = agrees(builder((1, 3, 4, 5)).conv(small(2, 3, 1, 1)).node("Transpose", perm=[0, 3, 1, 2]))
    assert graph.order is not None


def test_pools_and_convolutions_keep_the_channels_last(builder, agrees):
    net = builder((1, 2, 6, 6)).conv(small(4, 2, 3, 3), 0.5).node("Relu").quantise(1.0, 4, signed=False)
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).conv(small(3, 4, 2, 2), 0.5, [1, 2, 3])
    net.quantise(0.5, 3).node("Flatten").gemm(small(4, 3), 0.5, bits=4).node("Softmax", axis=1)
    graph = import_proto(net.model(), input_type="int4").graph
    assert kinds(graph) == ["Conv", "Elementwise", "Quantise", "Pool", "Conv", "Elementwise", "Quantise", "MatMul"]
    assert not any(isinstance(node, Rearrange) for node in graph.nodes)
    assert isinstance(graph.nodes[3], Pool)
    assert isinstance(graph.nodes[4], Conv)
