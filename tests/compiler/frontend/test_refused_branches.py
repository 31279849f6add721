"""Branches, movements and ends that cannot be built are refused at import, in one line: node, cause and remedy."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.compiler.frontend import import_proto
from gatewright.errors import UserError

ONES = np.ones((4, 8), dtype=np.float32)
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


# Branches.


@case("node 'Add_2' (Add): adds branches of the shapes [1, 2, 1, 1] and [1, 2, 4, 4]; supported are equal ones; "
      "bring the branches to one shape first")
def shapes_that_would_broadcast(new):
    net = image(new)
    wide = net.last
    return net.node("GlobalAveragePool").node("Add", ..., wide)


@case("node 'Add_4' (Add): adds data that is not quantised after 'Relu_3'; put a quantiser before the layer "
      "(Brevitas: QuantIdentity, or QuantReLU for the activation)")
def addition_of_an_activation(new):
    net = image(new)
    skip = net.last
    return net.conv(kernel(2, 2, 1, 1), 0.3, [0.1, 0.2]).node("Relu").node("Add", ..., skip)


@case("node 'Add_5' (Add): adds branches whose scales have no simple ratio: 0.7 to 1e-09; their sum would need 57 "
      "bits, and at most 48 are supported; let the branches share one quantiser (Brevitas: the same QuantIdentity on "
      "each)")
def scales_without_a_simple_ratio(new):
    net = image(new)
    start = net.last
    net.quantise(1e-9, 16)
    small = net.last
    return net.at(start).conv(kernel(2, 2, 1, 1), 0.3).quantise(0.7, 4).node("Add", ..., small)


@case("node 'Conv_6' (Conv): adds up channels whose scales have no simple ratio; quantise per tensor before it, the "
      "branches of a Concat by one shared quantiser, or by powers of two")
def different_scales_on_a_concat(new):
    net = image(new)
    half = net.last
    net.conv(kernel(2, 2, 1, 1), 0.3).quantise(0.3, 4).node("Concat", ..., half, axis=1)
    return net.conv(kernel(3, 4, 1, 1))


@case("node 'Concat_4' (Concat): joins branches that are computed differently, and not all quantised; quantise each "
      "branch before the Concat: let the branches share one quantiser (Brevitas: the same QuantIdentity on each)")
def activation_on_a_concat(new):
    net = image(new)
    half = net.last
    return net.conv(kernel(2, 2, 1, 1), 0.3, [0.1, 0.2]).node("Relu").node("Concat", ..., half, axis=1)


@case("node 'Mul_3' (Mul): multiplies two branches of the network; supported are a constant on one side, or two "
      "functions of the same integers, element by element; replace the gate by an addition or a constant")
def gate_of_two_branches(new):
    net = image(new)
    left = net.last
    return net.conv(kernel(2, 2, 1, 1), 0.5).node("Mul", ..., left)


# Constants and functions.


@case("node 'Add_1' (Add): has constants of shape [1, 1, 4, 4] that differ from pixel to pixel; use one value for "
      "all elements, or one for each channel")
def constants_that_differ_from_pixel_to_pixel(new):
    return image(new).node("Add", ..., np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)).quantise(0.5, 4)


@case("node 'Div_3' (Div): divides a constant by the data, which is not monotone; divide by constants only")
def constant_divided_by_data(new):
    return layers(new()).node("Div", np.float32(1), ...)


@case("node 'Div_3' (Div): divides by zero; repair the constant")
def division_by_zero(new):
    return layers(new()).node("Div", ..., np.float32(0))


@case("node 'Pow_3' (Pow): raises to the power [0.5]; supported are 1, 2 and 3; write it as products, or use another "
      "activation")
def power_of_the_data(new):
    return layers(new()).node("Pow", ..., np.float32(0.5)).sign()


@case("node 'Reciprocal_3' (Reciprocal): is not monotone (or not known to be), so no integer threshold can replace it; "
      "use Relu, Clip or no activation before the quantiser")
def reciprocal_of_the_data(new):
    return layers(new()).node("Reciprocal").sign()


@case("node 'Celu_3' (Celu): has an alpha of -1.0; it must be positive; repair the attribute")
def alpha_below_0(new):
    return layers(new()).node("Celu", alpha=-1.0).sign()


@case("node 'Quant_4' (Quant): follows 'HardSwish_3', which is not monotone, on integers from -102400 to 101600; a "
      "table may have 4096 entries; put a quantiser of at most 12 bits before the activation, or use Relu")
def curve_on_many_integers(new):
    return new(opset=14).quantise(1.0, 8).gemm(100 * ONES, bits=8).node("HardSwish").quantise(1.0, 4)


@case("node 'Quant_4' (Quant): follows 'PRelu_3', which is not monotone, on integers from -102400 to 101600; a table "
      "may have 4096 entries; put a quantiser of at most 12 bits before the activation, or use Relu")
def negative_slope_on_many_integers(new):
    net = new().quantise(1.0, 8).gemm(100 * ONES, bits=8).node("PRelu", ..., np.float32([0.5, -0.5, 0, 0]))
    return net.quantise(1.0, 4)


# Movements.


@case("node 'Resize_1' (Resize): interpolates (linear); supported is nearest; use torch.nn.Upsample(mode='nearest')")
def interpolation(new):
    return image(new, opset=13).node("Resize", ..., "", np.float32([1, 1, 2, 2]), mode="linear")


@case("node 'Resize_1' (Resize): scales axis 2 by 1.5; supported are whole factors for pixels; use scale_factor=2 or "
      "another integer")
def resize_by_one_and_a_half(new):
    return image(new, opset=13).node("Resize", ..., "", np.float32([1, 1, 1.5, 1.5]), mode="nearest")


@case("node 'Resize_1' (Resize): takes pixels by asymmetric and ceil, which do not repeat each 2 times; use "
      "torch.nn.Upsample(mode='nearest')")
def resize_that_does_not_repeat(new):
    return image(new, opset=13).node("Resize", ..., "", np.float32([1, 1, 2, 2]), mode="nearest",
                                     coordinate_transformation_mode="asymmetric", nearest_mode="ceil")


@case("node 'Pad_1' (Pad): pads with 1; supported is 0; pad with zeros")
def padding_with_ones(new):
    return image(new).node("Pad", ..., np.int64([0, 0, 1, 1, 0, 0, 1, 1]), np.float32(1)).conv(kernel(3, 2, 3, 3))


@case("node 'Transpose_1' (Transpose): moves the batch axis; keep the batch axis first")
def moved_batch_axis(new):
    return image(new).node("Transpose", perm=[1, 0, 2, 3])


@case("node 'Gather_1' (Gather): works on the batch axis; work on the other axes")
def one_frame_of_the_batch(new):
    return image(new).node("Gather", ..., np.int64([0]), axis=0)


@case("node 'Mul_2' (Mul): computes on quantised constants; apply it before the weights' quantiser")
def arithmetic_on_quantised_weights(new):
    net = new().sign()
    data = net.last
    return net.at(net.integers(ONES, 1.0, 4)).node("Mul", ..., np.float32(2)).node("Gemm", data, ..., transB=1)


# Operators of other kinds, and ends.


@case("node 'LSTM_0' (LSTM): keeps a state from step to step; supported are networks without loops; unroll it, or "
      "use convolutions over time")
def recurrence(new):
    zeros = np.zeros
    return new((1, 1, 3)).node("LSTM", ..., zeros((1, 8, 3), np.float32), zeros((1, 8, 2), np.float32), hidden_size=2)


@case("node 'Concat_1' (Concat): takes the constant 'c3' where data of the network is needed; leave it out, or "
      "compute it on the host")
def concatenation_with_a_constant(new):
    return image(new).node("Concat", ..., np.ones((1, 1, 4, 4), np.float32), axis=1)


@case("node 'Einsum_1' (Einsum): computes 'bchw->bhwc'; supported are products of data and a matrix of weights on "
      "the data's last axis, such as 'bi,io->bo' or 'bi,oi->bo'; write it as MatMul, or as Conv, with constant weights")
def einsum(new):
    return image(new).node("Einsum", ..., equation="bchw->bhwc")


@case("node 'LayerNormalization_3' (LayerNormalization): normalises by statistics of the data itself; use BatchNorm, "
      "whose statistics are constants after training")
def layer_normalisation(new):
    return layers(new(opset=17)).node("LayerNormalization", ..., np.ones(4, np.float32))


@case("node 'QuantizeLinear_0' (QuantizeLinear): is ONNX's own quantisation; export QONNX with "
      "brevitas.export.export_qonnx")
def onnx_quantisation(new):
    return new().node("QuantizeLinear", ..., np.float32(1), np.int8(0))


@case("node 'Add_4' (Add): computes on the result of 'Softmax_3', which must be the network's last layer; end the "
      "network there, and do the rest on the host")
def soft_max_inside(new):
    return layers(new()).node("Softmax").node("Add", ..., np.float32(1))


@case("node 'Softmax_3' (Softmax): works on axis 1 of a tensor of shape [1, 3, 4, 4]; supported are vectors; flatten "
      "the data first, or leave it to the host")
def soft_max_over_channels_of_an_image(new):
    return image(new).conv(kernel(3, 2, 1, 1)).node("Softmax", axis=1)


@case("node 'ArgMax_3' (ArgMax): works on axis 1 of a tensor of shape [1, 3, 4, 4]; supported are vectors; flatten "
      "the data first, or leave it to the host")
def class_of_each_pixel(new):
    return image(new).conv(kernel(3, 2, 1, 1)).node("ArgMax", axis=1)


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
