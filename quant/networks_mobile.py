"""Small networks of depthwise convolutions: MobileNet v1 and v2, and ShuffleNet.

All take ``[batch, 1, 32, 32]`` codes times a scale and give ``[batch, 10]`` logits. The first convolution halves the
image, and two later strides leave 4 x 4 pixels, whose mean is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from .blocks import conv_block, global_average, logits_block
from .layers import activation, signed

__all__ = ["MobileNetV1", "MobileNetV2", "ShuffleNet"]


class MobileNetV1(nn.Sequential):
    """Depthwise 3 x 3 and pointwise convolutions in turn (Howard et al., 2017), ``channels`` wide after each pair.

    The second and fourth pair halve the image; depthwise weights have a scale for each channel.
    """

    def __init__(self, weights: int, activations: int, *, channels: Sequence[int] = (16, 32, 64, 64, 128, 128)):
        act = partial(activation, activations)
        pairs = [
            nn.Sequential(_depthwise(inputs, weights, act(), stride=2 if index in (1, 3) else 1),
                          conv_block(inputs, outputs, 1, weights, act()))
            for index, (inputs, outputs) in enumerate(pairwise(channels))
        ]
        super().__init__()
        self.first = conv_block(1, channels[0], 3, weights, act(), stride=2, padding=1)
        self.pairs = nn.Sequential(*pairs)
        self.mean = global_average(4)
        self.last = logits_block(channels[-1], 10, weights)


class _InvertedResidual(nn.Module):
    """Wide, depthwise, narrow; added to the input where shapes agree. Every stream goes through one ``join``."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, bits: tuple[int, int], join: nn.Module):
        super().__init__()
        weights, activations = bits
        wide = inputs * expansion
        self.expand = conv_block(inputs, wide, 1, weights, activation(activations))
        self.depthwise = _depthwise(wide, weights, activation(activations), stride=stride)
        self.project = conv_block(wide, outputs, 1, weights)
        self.join = join
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.join(self.project(self.depthwise(self.expand(x))))
        return self.join(x + y) if self.adds else y


class MobileNetV2(nn.Module):
    """Inverted residuals with linear bottlenecks (Sandler et al., 2018).

    Each of ``channels`` after the first is a stage of two blocks, the second of which adds its input; the second and
    third stage halve the image. The streams that are added have one signed quantiser a stage.
    """

    def __init__(self, weights: int, activations: int, *, channels: Sequence[int] = (8, 8, 16, 24), expansion: int = 4,
                 features: int = 96):
        super().__init__()
        bits = (weights, activations)
        join = signed(activations)
        self.first = conv_block(1, channels[0], 3, weights, join, stride=2, padding=1)
        blocks: list[nn.Module] = []
        for stage, (inputs, outputs) in enumerate(pairwise(channels)):
            if stage:
                join = signed(activations)
            blocks.append(_InvertedResidual(inputs, outputs, expansion, 2 if stage else 1, bits, join))
            blocks.append(_InvertedResidual(outputs, outputs, expansion, 1, bits, join))
        self.blocks = nn.Sequential(*blocks)
        self.features = conv_block(channels[-1], features, 1, weights, activation(activations))
        self.mean = global_average(4)
        self.last = logits_block(features, 10, weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.mean(self.features(self.blocks(self.first(x)))))


class _Shuffle(nn.Module):
    """The channels of ``groups`` groups interleaved: a reshape, a transposition and a reshape."""

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, rows, columns = x.shape
        grouped = x.reshape(batch, self.groups, channels // self.groups, rows, columns)
        return grouped.transpose(1, 2).reshape(batch, channels, rows, columns)


class _ShuffleUnit(nn.Module):
    """Half of the channels pass by; the others go through a grouped, a depthwise and a grouped convolution."""

    def __init__(self, channels: int, groups: int, weights: int, activations: int, join: nn.Module):
        super().__init__()
        half = channels // 2
        self.first = conv_block(half, half, 1, weights, activation(activations), groups=groups)
        self.mix = _Shuffle(groups)
        self.depthwise = _depthwise(half, weights, activation(activations))
        self.last = conv_block(half, half, 1, weights, groups=groups)
        self.join = join
        self.shuffle = _Shuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        kept, worked = x.chunk(2, dim=1)
        worked = self.join(self.last(self.depthwise(self.mix(self.first(worked)))))
        return self.shuffle(torch.cat([kept, worked], dim=1))


class _ShuffleDown(nn.Module):
    """Halves the image and doubles the channels: the mean of 2 x 2 pixels beside a convolution's branch."""

    def __init__(self, channels: int, weights: int, activations: int, join: nn.Module):
        super().__init__()
        self.mean = nn.AvgPool2d(2)
        self.first = conv_block(channels, channels, 1, weights, activation(activations))
        self.depthwise = _depthwise(channels, weights, activation(activations), stride=2)
        self.last = conv_block(channels, channels, 1, weights)
        self.join = join
        self.shuffle = _Shuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        worked = self.last(self.depthwise(self.first(x)))
        return self.shuffle(torch.cat([self.join(self.mean(x)), self.join(worked)], dim=1))


class ShuffleNet(nn.Module):
    """Grouped convolutions, shuffled channels, halves split off and put back (Zhang et al., 2017; Ma et al., 2018).

    ``channels`` at 16 x 16 pixels, doubled at 8 x 8 and again at 4 x 4. What is put side by side has one quantiser
    a stage.
    """

    def __init__(self, weights: int, activations: int, *, channels: int = 16, groups: int = 2):
        super().__init__()
        self.first = conv_block(1, channels, 3, weights, activation(activations), stride=2, padding=1)
        units: list[nn.Module] = []
        for wide in (channels, 2 * channels):
            join = activation(activations)
            units.append(_ShuffleDown(wide, weights, activations, join))
            units.append(_ShuffleUnit(2 * wide, groups, weights, activations, join))
        self.units = nn.Sequential(*units)
        self.mean = global_average(4)
        self.last = logits_block(4 * channels, 10, weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.mean(self.units(self.first(x))))


def _depthwise(channels: int, weights: int, act: nn.Module, *, stride: int = 1) -> nn.Sequential:
    return conv_block(channels, channels, 3, weights, act, stride=stride, padding=1, groups=channels, per_channel=True)
