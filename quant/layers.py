"""The building blocks of quantised networks: Brevitas layers with their choices made, and the one norm for logits.

Every scale is a power of two, and with one bit it is 1: a code times its scale is exact, and so is every float32 sum
of fewer than 2^24 units. So torch, ``qonnx`` and the hardware meet on every input, but for ties of the norms.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from .environment import quiet

with quiet():  # brevitas warns of optional packages when imported
    from brevitas.inject.enum import RestrictValueType, ScalingImplType
    from brevitas.nn import QuantConv1d, QuantConv2d, QuantHardTanh, QuantIdentity, QuantLinear, QuantReLU
    from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
    from brevitas.quant.base import NarrowIntQuant, UintQuant
    from brevitas.quant.fixed_point import Int8WeightPerChannelFixedPoint
    from brevitas.quant.solver import ActQuantSolver, WeightQuantSolver

__all__ = ["QUANTISERS", "WEIGHTED", "RisingNorm1d", "RisingNorm2d", "TensorNorm", "Weighted", "activation",
           "clip_weights", "conv", "hard_tanh", "latent", "linear", "relu", "sign", "signed", "symmetric"]

#: Layers with quantised weights, and activation quantisers.
WEIGHTED = (QuantConv1d, QuantConv2d, QuantLinear)
Weighted: TypeAlias = QuantConv1d | QuantConv2d | QuantLinear
QUANTISERS = (QuantHardTanh, QuantIdentity, QuantReLU)


class _BinaryWeight(SignedBinaryWeightPerTensorConst):
    scaling_const = 1.0


class _Weight(NarrowIntQuant, WeightQuantSolver):
    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.FP
    scaling_per_output_channel = False


class _Unsigned(UintQuant, ActQuantSolver):
    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.FP
    scaling_per_output_channel = False


class _Signed(NarrowIntQuant, ActQuantSolver):
    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.FP
    scaling_per_output_channel = False


def linear(inputs: int, outputs: int, bits: int) -> QuantLinear:
    """A dense layer ``[batch, inputs]`` to ``[batch, outputs]`` without bias, for a norm to follow.

    With ``bits`` 1 the weights are -1 or +1; else they are narrow signed integers (2 bits: -1, 0, 1) of scale
    ``2 ** (1 - bits)``. The latent weights are real numbers in [-1, 1] (BinaryConnect: Courbariaux et al., 2015).
    """
    return _latent(QuantLinear(inputs, outputs, bias=False, **_weights(bits)))


def conv(inputs: int, outputs: int, kernel: int, bits: int, *, dims: int = 2, stride: int = 1, padding: int = 0,
         groups: int = 1, per_channel: bool = False) -> QuantConv1d | QuantConv2d:
    """A convolution over ``dims`` dimensions without bias; weights as of :func:`linear`.

    With ``per_channel``, each output channel has the smallest power-of-two scale that holds its weights.
    """
    make = {1: QuantConv1d, 2: QuantConv2d}[dims]
    if per_channel:  # torch's own small first weights, so that the channels begin with scales of their own
        return make(inputs, outputs, kernel, stride=stride, padding=padding, groups=groups, bias=False,
                    weight_quant=Int8WeightPerChannelFixedPoint, weight_bit_width=bits)
    return _latent(make(inputs, outputs, kernel, stride=stride, padding=padding, groups=groups, bias=False,
                        **_weights(bits)))


def sign() -> QuantIdentity:
    """The bipolar activation quantiser: +1 from zero up, else -1.

    The gradient passes where the input lies in [-1, 1] (the straight-through estimator of Hubara et al., 2016).
    """
    return QuantIdentity(act_quant=SignedBinaryActPerTensorConst)


def relu(bits: int) -> QuantReLU:
    """Unsigned codes of ``bits`` bits and scale ``2 ** (1 - bits)``: values from 0 to just below 2."""
    return QuantReLU(act_quant=_Unsigned, bit_width=bits, min_val=0.0, max_val=((1 << bits) - 1) * 2.0 ** (1 - bits))


def signed(bits: int) -> QuantIdentity:
    """Narrow signed codes of ``bits`` bits and scale ``2 ** (2 - bits)``, so ``signed(b + 1)`` holds ``relu(b)``."""
    most = ((1 << (bits - 1)) - 1) * 2.0 ** (2 - bits)
    return QuantIdentity(act_quant=_Signed, bit_width=bits, min_val=-most, max_val=most)


def hard_tanh(bits: int) -> QuantHardTanh:
    """Narrow signed codes of ``bits`` bits and scale ``2 ** (1 - bits)``: values between -1 and 1, neither included."""
    most = ((1 << (bits - 1)) - 1) * 2.0 ** (1 - bits)
    return QuantHardTanh(act_quant=_Signed, bit_width=bits, min_val=-most, max_val=most)


def activation(bits: int) -> QuantIdentity | QuantReLU:
    """The usual activation: the sign for one bit, the ReLU for more."""
    return sign() if bits == 1 else relu(bits)


def symmetric(bits: int) -> QuantIdentity:
    """An activation around zero: the sign for one bit, signed codes for more (2 bits: -1, 0, 1)."""
    return sign() if bits == 1 else signed(bits)


class TensorNorm(nn.Module):
    """Batch normalisation with one statistic and one affine pair for the whole tensor, for logits.

    Every logit goes through the same increasing function (``weight`` is kept positive by :func:`clip_weights`), so
    arg-max on the integer accumulators is arg-max on the logits. In eval mode it is
    ``(x - mean) / sqrt(variance + eps) * weight + bias`` with scalar constants, the root folded when exported;
    statistics are updated as torch's batch norm does.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))
        self.register_buffer("running_mean", torch.zeros(1))
        self.register_buffer("running_var", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return (x - self.running_mean) / torch.sqrt(self.running_var + self.eps) * self.weight + self.bias
        mean, variance = x.mean(), x.var(correction=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean.reshape(1), self.momentum)
            self.running_var.lerp_(x.var(correction=1).reshape(1), self.momentum)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias


class RisingNorm1d(nn.BatchNorm1d):
    """Batch norm whose slopes :func:`clip_weights` keeps positive.

    Where a channel falls, a compiler negates its weights: those of a layer with few distinct values had twice as many.
    """


class RisingNorm2d(nn.BatchNorm2d):
    """:class:`RisingNorm1d` for images."""


def latent(layer: Weighted) -> Tensor:
    """What is learned for a layer's weights: they themselves, or what their parametrisation makes them of."""
    if not is_parametrized(layer, "weight"):
        return layer.weight
    return cast(ParametrizationList, cast(nn.ModuleDict, layer.parametrizations)["weight"]).original


def clip_weights(module: nn.Module) -> None:
    """After each optimiser step: latent weights back into [-1, 1], the slopes of rising norms kept positive."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, WEIGHTED):
                latent(layer).clamp_(-1.0, 1.0)
            elif isinstance(layer, (TensorNorm, RisingNorm1d, RisingNorm2d)):
                layer.weight.clamp_(min=1e-3)


def _weights(bits: int) -> dict:
    """The weight quantiser's arguments, one scale for all."""
    if bits == 1:
        return {"weight_quant": _BinaryWeight}
    most = ((1 << (bits - 1)) - 1) * 2.0 ** (1 - bits)
    return {"weight_quant": _Weight, "weight_bit_width": bits, "weight_scaling_const": most}


def _latent(layer):
    nn.init.uniform_(layer.weight, -1.0, 1.0)
    return layer
