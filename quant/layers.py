"""The building blocks of binary networks: Brevitas layers with their choices made, and the one norm for logits.

All scales are the constant 1, so weights and activations are -1 or +1 as they stand, every accumulator is a small
integer, and float32 sums are exact: torch, ``qonnx`` and the hardware meet on every input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .environment import quiet

with quiet():  # brevitas warns of optional packages when imported
    from brevitas.nn import QuantIdentity, QuantLinear
    from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

__all__ = ["BinaryMLP", "TensorNorm", "binary_linear", "binary_sign", "clip_weights"]


class _BinaryWeight(SignedBinaryWeightPerTensorConst):
    scaling_const = 1.0


def binary_linear(inputs: int, outputs: int) -> QuantLinear:
    """A dense layer ``[batch, inputs]`` to ``[batch, outputs]`` with weights -1 or +1 and no bias.

    The latent weights are real numbers in [-1, 1] whose sign is used (BinaryConnect: Courbariaux et al., 2015).
    """
    layer = QuantLinear(inputs, outputs, bias=False, weight_quant=_BinaryWeight)
    nn.init.uniform_(layer.weight, -1.0, 1.0)
    return layer


def binary_sign() -> QuantIdentity:
    """The bipolar activation quantiser: +1 from zero up, else -1.

    The gradient passes where the input lies in [-1, 1] (the straight-through estimator of Hubara et al., 2016).
    """
    return QuantIdentity(act_quant=SignedBinaryActPerTensorConst)


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


class _Block(nn.Sequential):
    """Linear, norm and, but for the last, sign and dropout, under readable names."""

    def __init__(self, inputs: int, outputs: int, *, last: bool, dropout: float):
        super().__init__()
        self.linear = binary_linear(inputs, outputs)
        self.norm = TensorNorm() if last else nn.BatchNorm1d(outputs)
        if not last:
            self.sign = binary_sign()
            if dropout:
                self.dropout = nn.Dropout(dropout)


class BinaryMLP(nn.Module):
    """Dense layers of sizes ``sizes[0]`` (inputs) to ``sizes[-1]`` (classes), all w1a1, as BNN-PYNQ's TFC, SFC and LFC.

    Takes ``[batch, sizes[0]]`` values in [0, 1], which become ``sign(2x - 1)``; gives ``[batch, sizes[-1]]`` logits.
    ``dropout`` follows every hidden sign, ``input_dropout`` the input's; neither leaves a trace in eval mode.
    """

    def __init__(self, sizes: Sequence[int], *, dropout: float = 0.0, input_dropout: float = 0.0):
        super().__init__()
        self.input_sign = binary_sign()
        self.input_dropout = nn.Dropout(input_dropout) if input_dropout else nn.Identity()
        count = len(sizes) - 1
        self.layers = nn.Sequential(
            *(_Block(sizes[i], sizes[i + 1], last=i == count - 1, dropout=dropout) for i in range(count))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.input_dropout(self.input_sign(2.0 * x - 1.0)))


def clip_weights(module: nn.Module) -> None:
    """After each optimiser step: latent weights back into [-1, 1], the logits' slope kept positive."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, QuantLinear):
                layer.weight.clamp_(-1.0, 1.0)
            elif isinstance(layer, TensorNorm):
                layer.weight.clamp_(min=1e-3)
