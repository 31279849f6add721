"""resnet8-w4a4: MLPerf Tiny's ResNet-8. Its data, CIFAR-10, is not at hand: it learns MNIST."""

from __future__ import annotations

from functools import partial

from ..networks_branch import ResNet8
from ._mnist32 import mnist32

RECIPE = mnist32(
    "resnet8-w4a4",
    "ResNet-8, weights and activations of 4 bits",
    partial(ResNet8, 4, 4),
    required=97.0,
)
