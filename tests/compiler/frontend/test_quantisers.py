"""Quantisers and activation functions of every kind, against plain ``qonnx``."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gatewright.compiler.float32 import ROUNDINGS, SIGN, Steps, Uniform
from gatewright.compiler.frontend import import_proto
from gatewright.compiler.ir import BIPOLAR, IntType

RNG = np.random.default_rng(13)


def small(*shape):
    return RNG.integers(-3, 4, size=shape)


def kinds(graph):
    return [type(node).__name__ for node in graph.nodes]


def behind_a_layer(builder, features=6, **options):
    """A product of integers and a bias: what quantisers usually see."""
    return builder((1, 5), **options).gemm(small(features, 5), 0.25, np.arange(features) - 2, bits=4)


@pytest.mark.parametrize(("bits", "options", "kind", "lo", "hi"), [
    (4, {}, IntType(4, True), -8, 7), (4, {"narrow": True}, IntType(4, True), -7, 7),
    (3, {"signed": False}, IntType(3), 0, 7), (3, {"signed": False, "narrow": True}, IntType(3), 0, 6),
    (2, {"narrow": True}, IntType(2, True), -1, 1), (1, {"signed": False}, IntType(1), 0, 1),
    (16, {}, IntType(16, True), -32768, 32767),
])
def test_quant(builder, agrees, bits, options, kind, lo, hi):
    graph = agrees(behind_a_layer(builder).quantise(0.5, bits, **options))
    node = graph.nodes[-1]
    assert (node.output.type, node.output.lo, node.output.hi, node.output.origin) == (kind, lo, hi, "t2")
    assert isinstance(node.quantiser, Uniform)
    assert (node.quantiser.lo, node.quantiser.hi, node.quantiser.rounding) == (lo, hi, "ROUND")
    np.testing.assert_array_equal(graph.final.scale, [0.5])


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_rounding_mode(builder, agrees, rounding):
    graph = agrees(behind_a_layer(builder).quantise(0.5, 5, rounding=rounding))
    assert graph.nodes[-1].quantiser.rounding == ("DOWN" if rounding == "ROUND_TO_ZERO" else rounding)


def test_one_bit_with_a_sign_is_bipolar(builder, agrees):
    graph = agrees(behind_a_layer(builder).quantise(0.5, 1))
    assert graph.nodes[-1].quantiser == SIGN
    assert graph.nodes[-1].output.type == BIPOLAR
    assert [o.kind for o in graph.nodes[-2].chain.operations] == ["add", "div"]
    net = builder((1, 5)).sign()
    graph = agrees(net.node("Gemm", ..., net.integers(np.where(small(3, 5) < 0, -1, 1), 0.5, 1), transB=1), "bipolar")
    assert graph.nodes[0].weight_type == BIPOLAR


def test_a_scale_for_each_channel(builder, agrees):
    scales = np.float32([0.25, 0.5, 1, 2, 4, 0.125])
    graph = agrees(behind_a_layer(builder).quantise(scales[None], 3))
    np.testing.assert_array_equal(graph.nodes[-1].quantiser.scale, scales)
    np.testing.assert_array_equal(graph.final.scale, scales)


def test_the_input_may_have_more_bits_and_a_scale_for_each_channel(builder, agrees):
    scales = np.float32([0.25, 0.5, 1]).reshape(1, 3, 1, 1)
    graph = agrees(builder((1, 3, 2, 2)).quantise(scales, 20).conv(small(3, 1, 2, 2), 0.5, group=3), None)
    assert graph.spec.type == IntType(20, True)
    assert graph.spec.quantiser.scale.shape == (12,)


def test_a_quantiser_that_changes_nothing_is_left_out(builder, agrees):
    graph = agrees(builder((1, 5)).quantise(0.5, 4).quantise(0.5, 4).quantise(0.5, 6).gemm(small(3, 5), bits=4), None)
    assert kinds(graph) == ["MatMul"]
    graph = agrees(builder((1, 5)).quantise(0.5, 4).quantise(0.5, 3).gemm(small(3, 5), bits=4), None)
    assert kinds(graph) == ["Elementwise", "Quantise", "MatMul"]
    graph = agrees(builder((1, 5)).quantise(1.0, 4).gemm(small(3, 5), bits=4), "int4")
    assert kinds(graph) == ["MatMul"]


@pytest.mark.parametrize(("thresholds", "options", "kind", "lo"), [
    ([[-1, 0.25, 2]], {"out_dtype": "UINT2"}, IntType(2), 0),
    (np.sort(RNG.normal(size=(6, 7)), axis=1), {"out_dtype": "INT4", "out_bias": -4.0}, IntType(3, True), -4),
    ([[0.5, -2, 0.5]], {"out_dtype": "INT4", "out_scale": 2.0, "out_bias": -3.0}, IntType(3, True), -3),
    ([[1, 2, 3]], {"out_dtype": "INT4", "out_scale": 0.5, "out_bias": -1.0}, IntType(2, True), -2),
])
def test_multi_threshold(builder, agrees, thresholds, options, kind, lo):
    graph = agrees(behind_a_layer(builder).node("MultiThreshold", ..., np.float32(thresholds), **options))
    node = graph.nodes[-1]
    assert isinstance(node.quantiser, Steps)
    assert (node.output.type, node.quantiser.lo) == (kind, lo)
    uneven = options.get("out_bias", 0) % options.get("out_scale", 1) != 0
    assert (node.output.origin is None) == uneven


def test_multi_threshold_of_one_level_may_be_bipolar(builder, agrees):
    thresholds = np.float32([[0.25], [-1], [0], [2], [3], [-5]])
    graph = agrees(behind_a_layer(builder).node("MultiThreshold", ..., thresholds, out_dtype="BIPOLAR", out_scale=2.0,
                                                out_bias=-1.0))
    assert graph.nodes[-1].output.type == BIPOLAR
    assert graph.nodes[-1].quantiser == SIGN


def test_multi_threshold_on_images_and_with_any_bias(builder, agrees):
    net = builder((1, 2, 3, 3)).conv(small(4, 2, 1, 1), 0.5)
    graph = agrees(net.node("MultiThreshold", ..., np.float32(np.sort(small(4, 3), axis=1)), out_dtype="UINT2"))
    assert graph.nodes[-1].quantiser.thresholds.shape == (4, 3)
    odd = behind_a_layer(builder).node("MultiThreshold", ..., np.float32([[0, 1, 2]]), out_dtype="FLOAT32",
                                       out_scale=0.3, out_bias=0.1)
    graph = agrees(odd)
    assert [o.kind for o in graph.final.operations] == ["add"]


def test_weights_may_have_a_bit_width_each(builder, agrees):
    """As high-granularity quantisation gives them: fewer bits where a weight needs fewer, none where it is pruned."""
    latent = np.float32([[0.9, -0.9, 0.3, 5.0], [0.4, 0.6, -5.0, 0.9]])
    scales, bits = np.float32([[0.25, 0.125, 0.5, 1], [0.25, 0.5, 1, 0.5]]), np.float32([[4, 5, 3, 2], [0, 2, 2, 1]])
    net = builder((1, 4))
    net.node("Quant", latent, scales, np.float32(0), bits, signed=1, narrow=0, rounding_mode="ROUND")
    weights, net.last = net.last, "x"
    graph = agrees(net.node("Gemm", ..., weights, transB=1))
    np.testing.assert_array_equal(graph.nodes[0].weights, [[8, -7, 4, 8], [0, 4, -16, 0]])
    np.testing.assert_array_equal(graph.final.scale, [0.125])


def test_trunc(builder, agrees):
    c = np.float32
    net = behind_a_layer(builder).quantise(0.25, 8)
    graph = agrees(net.node("Trunc", ..., c(0.25), c(0), c(8), c(5), rounding_mode="FLOOR"))
    node = graph.nodes[-1]
    assert (node.quantiser.shift, node.output.type) == (3, IntType(5, True))


def test_second_version_of_trunc(builder, agrees):
    c = np.float32
    net = behind_a_layer(builder).quantise(0.25, 8)
    net.node("Trunc", ..., c(0.25), c(0), c(8), c(2), c(4), rounding_mode="ROUND", signed=1, narrow=1)
    graph = agrees(net)
    node = graph.nodes[-1]
    assert (node.quantiser.shift, node.quantiser.lo, node.quantiser.hi) == (3, -7, 7)
    np.testing.assert_array_equal(graph.final.scale, [2])


def test_trunc_to_a_finer_scale_keeps_the_values(builder, agrees):
    """Brevitas' TruncAvgPool2d, asked for 8 bits where its sums have 6."""
    c = np.float32
    net = builder((1, 8)).quantise(0.5, 6)
    net.node("Trunc", ..., c(0.5), c(0), c(6), c(0.125), c(8), rounding_mode="FLOOR", signed=1, narrow=0)
    graph = agrees(net.gemm(small(3, 8), bits=3), None)
    np.testing.assert_array_equal(graph.final.scale, [0.125])


CURVES = {
    "Sigmoid": {}, "Tanh": {}, "HardSigmoid": {"alpha": 0.25}, "LeakyRelu": {"alpha": 0.125}, "Elu": {}, "Erf": {},
    "Softsign": {}, "Relu": {}, "Floor": {}, "Ceil": {}, "Round": {}, "Sign": {}, "Abs": {}, "HardSwish": {},
    "Sin": {}, "Cos": {}, "Mish": {}, "Gelu": {"approximate": "tanh"},
}


@pytest.mark.parametrize("op", list(CURVES))
def test_activation_before_a_quantiser(builder, agrees, op):
    graph = agrees(behind_a_layer(builder, opset=20).node(op, **CURVES[op]).quantise(0.125, 8))
    assert kinds(graph) == ["MatMul", "Elementwise", "Quantise"]


def test_prelu_with_a_slope_for_each_channel(builder, agrees):
    net = builder((1, 2, 3, 3)).conv(small(3, 2, 1, 1), 0.5)
    slopes = np.float32([0.25, 0.5, 0]).reshape(3, 1, 1)
    graph = agrees(net.node("PRelu", ..., slopes).quantise(0.5, 4))
    assert graph.nodes[1].chain.monotone
    graph = agrees(behind_a_layer(builder).node("PRelu", ..., np.float32([-0.5])).quantise(0.5, 4))
    assert not graph.nodes[1].chain.monotone


def test_hard_tanh_and_relu6_are_clips(builder, agrees):
    graph = agrees(behind_a_layer(builder).node("Clip", ..., np.float32(-1), np.float32(1)).quantise(0.25, 4))
    assert [o.kind for o in graph.nodes[1].chain.operations] == ["add", "max", "min"]


@pytest.mark.parametrize(("steps", "kind", "scale"), [
    (lambda n: n.node("Relu"), IntType(3), 0.5), (lambda n: n.node("Abs"), IntType(4), 0.5),
    (lambda n: n.node("Neg"), IntType(5, True), 0.5),
    (lambda n: n.node("Mul", ..., np.float32(3)), IntType(6, True), 0.5),
    (lambda n: n.node("Add", ..., np.float32(4)), IntType(4), 0.5),
    (lambda n: n.node("Clip", ..., np.float32(-1), np.float32(1)), IntType(3, True), 0.5),
])
def test_codes_behind_an_expression_go_into_layers(builder, agrees, steps, kind, scale):
    graph = agrees(steps(builder((1, 5)).quantise(0.5, 4)).gemm(small(3, 5), bits=4), None)
    assert kinds(graph) == ["Elementwise", "Quantise", "MatMul"]
    assert graph.nodes[1].output.type == kind
    np.testing.assert_array_equal(graph.final.scale, [scale])


def test_a_factor_changes_what_codes_are_worth(builder, agrees):
    net = builder((1, 5)).quantise(0.5, 4).node("Mul", ..., np.float32(0.125)).node("Add", ..., np.float32(0))
    graph = agrees(net.gemm(small(3, 5), bits=4), None)
    assert kinds(graph) == ["MatMul"]
    np.testing.assert_array_equal(graph.final.scale, [0.0625])


def test_codes_of_any_scale_behind_a_relu(builder):
    graph = import_proto(builder((1, 5)).quantise(0.1, 8).node("Relu").gemm(small(3, 5), bits=4).model()).graph
    np.testing.assert_array_equal(graph.final.scale, [np.float64(np.float32(0.1))])
    assert graph.nodes[1].output.type == IntType(7)


def test_a_bipolar_input_that_the_network_makes_zeros_and_ones(builder, agrees):
    net = builder((1, 5)).node("Add", ..., np.float32(1)).node("Div", ..., np.float32(2))
    graph = agrees(net.gemm(small(3, 5), 0.5, bits=4), "bipolar")
    assert graph.nodes[1].output.type == IntType(1)


def test_bytes_scaled_by_the_host_go_into_layers(builder):
    graph = import_proto(builder((1, 5)).gemm(small(3, 5), 0.5, bits=4).model(), input_type="uint8",
                         input_scale=Fraction(1, 255)).graph
    assert (graph.final.scale.tolist(), graph.final.divisor) == ([0.5], 255)
    sums = np.arange(-3000, 3000)
    np.testing.assert_array_equal(graph.final(sums), (sums * 0.5 / 255).astype(np.float32))


def test_quantised_biases_and_constants(builder, agrees):
    net = builder((1, 5))
    bias = net.integers([1, -2, 3], 0.5, 8)
    graph = agrees(net.node("Gemm", ..., net.integers(small(3, 5), 0.25, 4), bias, transB=1).quantise(0.5, 4))
    np.testing.assert_array_equal(graph.nodes[1].chain.operations[0].constant, [0.5, -1, 1.5])


def test_weights_that_were_quantised_in_another_shape(builder, agrees):
    net = builder((1, 5))
    data = net.last
    net.at(net.integers(small(5, 3), 0.25, 4)).node("Transpose", perm=[1, 0])
    graph = agrees(net.at(data).node("Gemm", ..., net.nodes[-1].output[0], transB=1))
    np.testing.assert_array_equal(graph.final.scale, [0.25])


def test_int_quant_is_quant(builder):
    net = behind_a_layer(builder).quantise(0.5, 4)
    graph = import_proto(net.model(), input_type="int4").graph
    for node in net.nodes:
        node.op_type = node.op_type.replace("Quant", "IntQuant")
    same = import_proto(net.model(), input_type="int4").graph
    assert kinds(same) == kinds(graph)
    np.testing.assert_array_equal(same.nodes[0].weights, graph.nodes[0].weights)
