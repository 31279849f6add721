"""densenet-w4a4: a small DenseNet, each layer's channels beside all before."""

from __future__ import annotations

from functools import partial

from ..networks_branch import DenseNet
from ._mnist32 import mnist32

RECIPE = mnist32(
    "densenet-w4a4",
    "DenseNet of three blocks, weights and activations of 4 bits",
    partial(DenseNet, 4, 4),
    required=97.0,
)
