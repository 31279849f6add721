"""Layers and quantisers that cannot be built are refused at import, in one line: node, cause and remedy, all pinned."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.compiler.frontend import import_proto
from gatewright.errors import UserError

ONES = np.ones((4, 8), dtype=np.float32)
NOISE = np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32)
CASES = {}


def case(message: str, **options):
    """Register a function of the Builder class that makes a bad model, and the message that it must give."""

    def register(make):
        CASES[make.__name__] = (make, message, options)
        return make

    return register


def layers(net, **attributes):
    return net.sign().gemm(ONES, **attributes)


def image(new, channels=2, size=4, **options):
    """Four-bit codes of a small image."""
    return new((1, channels, size, size), **options).quantise(0.5, 4)


def kernel(*shape):
    return np.ones(shape, dtype=np.int64)


# Quantisers.


@case("node 'Quant_1' (Quant): quantises to 33 bits; supported are whole numbers from 1 to 32; use fewer bits")
def weights_of_33_bits(new):
    net = new().sign()
    return net.node("Gemm", ..., net.integers(ONES, 1.0, 33), transB=1)


@case("node 'Quant_3' (Quant): quantises to 17 bits; supported are whole numbers from 1 to 16; use fewer bits")
def activations_of_17_bits(new):
    return layers(new()).quantise(1.0, 17)


@case("node 'Quant_3' (Quant): quantises to 3.5 bits; supported are whole numbers from 1 to 16; use a whole number "
      "of bits")
def bits_that_are_no_integer(new):
    return layers(new()).quantise(1.0, 3.5)


@case("node 'Quant_1' (Quant): has a zero point of 3; supported is 0; use Brevitas' symmetric quantisers "
      "(Int8WeightPerTensorFloat, Int8ActPerTensorFloat, Uint8ActPerTensorFloat), not the Shifted ones")
def zero_point_of_weights(new):
    net = new().sign()
    return net.node("Gemm", ..., net.integers(ONES, 1.0, 4, zero=3), transB=1)


@case("node 'Quant_3' (Quant): has a zero point of 128; supported is 0; use Brevitas' symmetric quantisers "
      "(Int8WeightPerTensorFloat, Int8ActPerTensorFloat, Uint8ActPerTensorFloat), not the Shifted ones")
def zero_point_of_activations(new):
    return layers(new()).quantise(1.0, 8, zero=128, signed=False)


@case("node 'Trunc_1' (Trunc): has a zero point of 1; supported is 0; use Brevitas' symmetric quantisers "
      "(Int8WeightPerTensorFloat, Int8ActPerTensorFloat, Uint8ActPerTensorFloat), not the Shifted ones")
def truncation_with_a_zero_point(new):
    c = np.float32(1)
    return new().sign().node("Trunc", ..., c, c, c, c)


@case("node 'BipolarQuant_0' (BipolarQuant): has a scale of 0.0; a scale must be positive; train again, or repair "
      "the scale")
def zero_activation_scale(new):
    return new().sign(0.0).gemm(ONES)


@case("node 'BipolarQuant_0' (BipolarQuant): has a scale of -1.0; a scale must be positive; train again, or repair "
      "the scale")
def negative_activation_scale(new):
    return new().sign(-1.0).gemm(ONES)


@case("node 'BipolarQuant_0' (BipolarQuant): has a constant of shape [1, 1, 1] for a tensor of shape [1, 8]; use one "
      "value for all elements, or one for each channel")
def scale_of_three_axes(new):
    return layers(new().sign(np.ones((1, 1, 1), np.float32)))


@case("node 'FloatQuant_3' (FloatQuant): quantises to small floats; supported are integers; use Brevitas' integer "
      "quantisers, such as Int8WeightPerTensorFloat")
def small_floats(new):
    c = np.float32(1)
    return layers(new()).node("FloatQuant", ..., c, c, c, c, c)


@case("node 'Quant_3' (Quant): rounds by 'STOCHASTIC'; supported are ROUND, HALF_EVEN, CEIL, FLOOR, ROUND_TO_ZERO, "
      "DOWN, UP, HALF_UP, HALF_DOWN; use one of these")
def unknown_rounding(new):
    return layers(new()).quantise(1.0, 4, rounding="STOCHASTIC")


@case("node 'Quant_1' (Quant): is a second quantiser of the network's input, after 't0'; share one quantiser, or "
      "declare the input with --input uint8")
def second_quantiser_of_the_input(new):
    net = new().sign()
    first = net.last
    return net.at("x").quantise(1.0, 4).node("Add", ..., first).gemm(ONES)


@case("node 'MultiThreshold_3' (MultiThreshold): has thresholds of shape [2, 1] for a tensor of shape [1, 4]; give "
      "one row of thresholds for all channels, or one for each")
def thresholds_for_other_channels(new):
    return layers(new()).node("MultiThreshold", ..., np.float32([[0], [1]]), out_dtype="BIPOLAR", out_scale=2.0,
                              out_bias=-1.0)


# Products.


@case("node 'Gemm_1' (Gemm): has weights that are not quantised (32 different values); quantise the weights "
      "(Brevitas: QuantConv2d and QuantLinear with a weight_quant)")
def weights_that_are_not_quantised(new):
    return new().sign().node("Gemm", ..., NOISE, transB=1)


@case("node 'Gemm_2' (Gemm): has weights whose scales differ within an output channel, in no simple ratio; quantise "
      "the weights with one scale for all, one for each output channel, or powers of two")
def weights_whose_scales_differ_along_the_inputs(new):
    return new().sign().gemm(ONES, np.float32([[0.1 * i for i in range(1, 9)]]), bits=2)


@case("node 'Gemm_1' (Gemm): multiplies the network's input, which is not quantised; put a quantiser (Brevitas: "
      "QuantIdentity) before the layer, or declare the input with --input uint8")
def network_input_into_a_layer(new):
    return new().gemm(ONES)


@case("node 'Gemm_5' (Gemm): multiplies data that is not quantised after 'activation'; put a quantiser before the "
      "layer (Brevitas: QuantIdentity, or QuantReLU for the activation)")
def activation_into_a_layer(new):
    net = new().sign().gemm(NOISE[:, :8], 0.1, np.float32([0.1, 0.2, 0.3, 0.4])).node("Relu", name="activation")
    return net.gemm(np.ones((2, 4)))


@case("node 'Conv_1' (Conv): convolves the network's input, which is not quantised; put a quantiser (Brevitas: "
      "QuantIdentity) before the layer, or declare the input with --input uint8")
def network_input_into_a_convolution(new):
    return new((1, 2, 4, 4)).conv(kernel(3, 2, 3, 3))


@case("node 'Gemm_0' (Gemm): has the weights on the left; supported is data times weights; compute x @ W, as "
      "torch.nn.Linear does")
def weights_on_the_left(new):
    return new().node("Gemm", ONES, ...)


@case("node 'MatMul_2' (MatMul): multiplies two streams of data; supported are layers with constant weights; compute "
      "attention and other products of activations outside the accelerator")
def attention(new):
    net = new((1, 4, 4)).sign()
    left = net.last
    return net.node("Transpose", perm=[0, 2, 1]).node("MatMul", ..., left)


@case("node 'Gemm_2' (Gemm): transposes its data (transA=1); supported is transA=0; export torch.nn.Linear layers")
def transposed_data(new):
    return layers(new(), transA=1)


@case("node 'Gemm_2' (Gemm): multiplies a tensor of shape [1, 8] by weights for 9 features; flatten the data before "
      "the layer, or repair the layer's size")
def mismatched_shapes(new):
    return new().sign().gemm(np.ones((4, 9)))


@case("node 'Conv_2' (Conv): works on a tensor of shape [1, 2, 4, 4, 4], of 3 dimensions; supported are 1 and 2; use "
      "2-D layers")
def convolution_in_three_dimensions(new):
    return new((1, 2, 4, 4, 4)).quantise(1.0, 4).conv(kernel(3, 2, 2, 2, 2))


@case("node 'Conv_2' (Conv): convolves 2 channels with group=1 and weights of shape [3, 4, 3, 3]; repair the layer's "
      "size; the file is inconsistent")
def convolution_of_other_channels(new):
    return image(new).conv(kernel(3, 4, 3, 3))


@case("node 'MaxPool_2' (MaxPool): would give a tensor of shape [1, 3, -1, 1]: it takes more off the image than "
      "there is; use a smaller kernel, more padding, or a larger image")
def kernel_far_larger_than_the_image(new):
    return new((1, 3, 4, 4)).sign().quantise().node("MaxPool", kernel_shape=[6, 4]).conv(kernel(2, 3, 1, 1))


@case("node 'Conv_2' (Conv): has a kernel of [5, 5] that is larger than the image, [4, 4] with its padding; use a "
      "smaller kernel, or more padding")
def kernel_larger_than_the_image(new):
    return image(new).conv(kernel(3, 2, 5, 5))


@case("node 'Conv_2' (Conv): adds up channels whose scales have no simple ratio; quantise per tensor before it, the "
      "branches of a Concat by one shared quantiser, or by powers of two")
def convolution_of_channels_with_different_scales(new):
    return new((1, 2, 4, 4)).quantise(np.float32([[[[0.5]], [[0.3]]]]), 4).conv(kernel(3, 2, 3, 3))


@case("node 'AveragePool_1' (AveragePool): has the strides [2, 0]; supported are positive integers; repair the "
      "attribute")
def stride_of_zero(new):
    return image(new).node("AveragePool", kernel_shape=[2, 2], strides=[2, 0])


@case("node 'Conv_2' (Conv): has weights of shape [3, 2, 1, 3, 3] and group=1 for a tensor of shape [1, 2, 4, 4]; "
      "repair the layer's size; the file is inconsistent")
def weights_of_five_axes_for_an_image(new):
    return image(new).conv(kernel(3, 2, 1, 3, 3))


@case("node 'Conv_2' (Conv): has a bias of shape [2] for 3 channels; repair the layer's size; the file is "
      "inconsistent")
def bias_of_another_size(new):
    return image(new).conv(kernel(3, 2, 3, 3), 1.0, [1, 2])


# Pools.


@case("node 'AveragePool_1' (AveragePool): divides by 1, 2, 4 from place to place, as it has fewer pixels at "
      "the edge; supported is one divisor; pool without padding and ceil_mode, or use count_include_pad=True")
def windows_of_different_sizes(new):
    return image(new).node("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 0, 0])


@case("node 'AveragePool_1' (AveragePool): divides by 4, 6, 9 from place to place, as it has fewer pixels at the edge; "
      "supported is one divisor; pool without ceil_mode")
def windows_that_reach_beyond_the_pads(new):
    return image(new).node("AveragePool", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2], ceil_mode=1,
                           count_include_pad=1)


@case("node 'Einsum_2' (Einsum): computes 'ij,kl->ijl'; supported are products of data and a matrix of weights on the "
      "data's last axis, such as 'bi,io->bo' or 'bi,oi->bo'; write it as MatMul, or as Conv, with constant weights")
def einsum_of_another_kind(new):
    net = new((1, 4)).quantise(0.5, 4)
    return net.node("Einsum", ..., net.integers(np.ones((3, 2)), 0.5, 4), equation="ij,kl->ijl")


@case("node 'Einsum_1' (Einsum): multiplies two streams of data; supported are layers with constant weights; compute "
      "attention and other products of activations outside the accelerator")
def einsum_of_two_streams(new):
    net = new((1, 4)).quantise(0.5, 4)
    return net.node("Einsum", net.last, net.last, equation="ij,ij->ij")


@case("node 'GlobalAveragePool_4' (GlobalAveragePool): averages data that is not quantised after 'Sigmoid_3'; put a "
      "quantiser before the layer (Brevitas: QuantIdentity, or QuantReLU for the activation)")
def average_of_an_activation(new):
    net = image(new).conv(kernel(3, 2, 1, 1), 0.3, [0.1, 0.2, 0.3]).node("Sigmoid")
    return net.node("GlobalAveragePool")


@case("node 'MaxPool_1' (MaxPool): has a window that sees padding alone (pads [2, 2, 2, 2], kernel [2, 2]); use less "
      "padding than half the kernel")
def window_of_padding_alone(new):
    return image(new).node("MaxPool", kernel_shape=[2, 2], pads=[2, 2, 2, 2])


@case("node 'MaxPool_2' (MaxPool): looks for the largest of values that fall as their integers rise; put a quantiser "
      "before the pooling, or make the factors before it positive")
def largest_of_falling_values(new):
    return image(new).node("Neg").node("MaxPool", kernel_shape=[2, 2])


@case("node 'ReduceMean_1' (ReduceMean): reduces the axes [0, 2] of a tensor of 4 axes; the batch axis must stay; "
      "reduce the pixels' axes, 2 and 3")
def mean_over_the_batch(new):
    return image(new).node("ReduceMean", axes=[0, 2])


@pytest.mark.parametrize("name", list(CASES))
def test_refused(name, builder):
    make, message, options = CASES[name]
    with pytest.raises(UserError) as refusal:
        import_proto(make(builder).model(), **options)
    assert str(refusal.value) == message


def test_each_names_node_cause_and_remedy():
    assert len(CASES) >= 20
    for _, message, _ in CASES.values():
        assert message.startswith("node '")
        assert "; " in message
