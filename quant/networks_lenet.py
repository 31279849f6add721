"""The networks that pruning is measured on, as Deep Compression has them: LeNet-300-100, and LeNet-5 as of Caffe.

Norms rise, so that a compiler negates no channel and shared weights stay few; weights begin small, so that those that
nothing needs stay so.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import conv_block, dense_block, logits_block
from .layers import WEIGHTED, RisingNorm1d, RisingNorm2d, relu

__all__ = ["CaffeLeNet5", "LeNet300"]


class LeNet300(nn.Module):
    """LeCun et al., 1998: ``[batch, inputs]`` codes times a scale, two hidden layers, ``[batch, outputs]`` logits."""

    def __init__(self, weights: int, activations: int, *, inputs: int = 784, hidden: tuple[int, int] = (300, 100),
                 outputs: int = 10):
        super().__init__()
        first, second = hidden
        self.layers = nn.Sequential(
            dense_block(inputs, first, weights, relu(activations), norm=RisingNorm1d),
            dense_block(first, second, weights, relu(activations), norm=RisingNorm1d),
            logits_block(second, outputs, weights),
        )
        _begin_small(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class CaffeLeNet5(nn.Module):
    """Caffe's LeNet: ``[batch, 1, 28, 28]`` codes times a scale to ``[batch, 10]`` logits.

    5 x 5 convolutions to ``channels`` channels without padding, each pooled by 2, a dense layer, and the logits.
    """

    def __init__(self, weights: int, activations: int, *, channels: tuple[int, int] = (20, 50), hidden: int = 500):
        super().__init__()
        first, second = channels
        self.features = nn.Sequential(
            conv_block(1, first, 5, weights, relu(activations), pool=2, norm=RisingNorm2d),
            conv_block(first, second, 5, weights, relu(activations), pool=2, norm=RisingNorm2d),
        )
        self.layers = nn.Sequential(
            dense_block(16 * second, hidden, weights, relu(activations), norm=RisingNorm1d),
            logits_block(hidden, 10, weights),
        )
        _begin_small(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.features(x).flatten(1))


def _begin_small(module: nn.Module) -> None:
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, WEIGHTED):
                nn.init.normal_(layer.weight, std=0.1)
