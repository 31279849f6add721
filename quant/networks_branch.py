"""Small networks whose streams part and meet again: ResNet-8 adds them, SqueezeNet and DenseNet put them side by side.

All take ``[batch, 1, 32, 32]`` codes times a scale and give ``[batch, 10]`` logits. Streams that meet go through one
quantiser module, so that their scales are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .blocks import conv_block, global_average, logits_block
from .layers import activation, conv, signed

__all__ = ["DenseNet", "ResNet8", "SqueezeNet"]


class _Residual(nn.Module):
    """Two 3 x 3 convolutions added to the input, or to its 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, weights: int, activations: int):
        super().__init__()
        self.first = conv_block(inputs, outputs, 3, weights, activation(activations), stride=stride, padding=1)
        self.second = conv_block(outputs, outputs, 3, weights, padding=1)
        same = stride == 1 and inputs == outputs
        self.skip = nn.Identity() if same else conv_block(inputs, outputs, 1, weights, stride=stride)
        self.join = signed(activations + 1)  # holds every code of the input's ReLU
        self.relu = activation(activations)

    def forward(self, x: Tensor) -> Tensor:
        y = self.join(self.second(self.first(x)))
        return self.relu(y + self.join(self.skip(x)))


class ResNet8(nn.Module):
    """MLPerf Tiny's: a convolution and three residual blocks of ``channels``, the last two halving the image."""

    def __init__(self, weights: int, activations: int, *, channels: Sequence[int] = (16, 32, 64)):
        super().__init__()
        small, middle, large = channels
        self.first = conv_block(1, small, 3, weights, activation(activations), padding=1)
        self.blocks = nn.Sequential(
            _Residual(small, small, 1, weights, activations),
            _Residual(small, middle, 2, weights, activations),
            _Residual(middle, large, 2, weights, activations),
        )
        self.mean = global_average(8)
        self.last = logits_block(large, 10, weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.mean(self.blocks(self.first(x))))


class _Fire(nn.Module):
    """Squeezed by a 1 x 1 convolution, expanded by 1 x 1 and 3 x 3 ones side by side."""

    def __init__(self, inputs: int, squeezed: int, outputs: int, weights: int, activations: int):
        super().__init__()
        self.squeeze = conv_block(inputs, squeezed, 1, weights, activation(activations))
        self.small = conv_block(squeezed, outputs // 2, 1, weights)
        self.large = conv_block(squeezed, outputs // 2, 3, weights, padding=1)
        self.join = activation(activations)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat([self.join(self.small(x)), self.join(self.large(x))], dim=1)


class SqueezeNet(nn.Module):
    """Fire modules (Iandola et al., 2016), squeezing to a quarter of their ``channels``; the image is pooled thrice."""

    def __init__(self, weights: int, activations: int, *, channels: Sequence[int] = (16, 32, 64, 64)):
        super().__init__()
        first, *fires = channels
        layers: list[nn.Module] = [
            conv_block(1, first, 3, weights, activation(activations), padding=1, pool=2)]
        for index, outputs in enumerate(fires):
            layers.append(_Fire(channels[index], outputs // 4, outputs, weights, activations))
            if index < 2:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.mean = global_average(4)
        self.last = logits_block(channels[-1], 10, weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.mean(self.features(x)))


class _Grow(nn.Module):
    """``growth`` new channels beside the old: batch norm, ReLU, 3 x 3 convolution (Huang et al., 2017)."""

    def __init__(self, inputs: int, growth: int, weights: int, activations: int, join: nn.Module):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = activation(activations)
        self.grow = conv_block(inputs, growth, 3, weights, padding=1)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.join(self.grow(self.relu(self.norm(x))))], dim=1)


class DenseNet(nn.Module):
    """Three dense blocks of ``layers`` layers that add ``growth`` channels each; 1 x 1 convolutions and means between.

    A block's channels share one signed quantiser.
    """

    def __init__(self, weights: int, activations: int, *, first: int = 16, growth: int = 8, layers: int = 2):
        super().__init__()
        join = signed(activations)
        parts: list[nn.Module] = [conv_block(1, first, 3, weights, join, stride=2, padding=1)]
        channels = first
        for block in range(3):
            for _ in range(layers):
                parts.append(_Grow(channels, growth, weights, activations, join))
                channels += growth
            if block < 2:
                join = signed(activations)
                parts.append(_Transition(channels, channels // 2, weights, activations, join))
                channels //= 2
        self.features = nn.Sequential(*parts)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = activation(activations)
        self.mean = global_average(4)
        self.last = logits_block(channels, 10, weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.mean(self.relu(self.norm(self.features(x)))))


class _Transition(nn.Module):
    """Between dense blocks: fewer channels and, by the mean of 2 x 2 pixels, fewer of those."""

    def __init__(self, inputs: int, outputs: int, weights: int, activations: int, join: nn.Module):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = activation(activations)
        self.conv = conv(inputs, outputs, 1, weights)
        self.squash = nn.BatchNorm2d(outputs)
        self.act = signed(activations)
        self.mean = nn.AvgPool2d(2)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.squash(self.conv(self.relu(self.norm(x)))))
        return self.join(self.mean(y))
