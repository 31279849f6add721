"""shufflenet-w4a4: a small ShuffleNet: grouped convolutions, channels shuffled, split and put back."""

from __future__ import annotations

from functools import partial

from ..networks_mobile import ShuffleNet
from ._mnist32 import mnist32

RECIPE = mnist32(
    "shufflenet-w4a4",
    "ShuffleNet of four units, weights and activations of 4 bits",
    partial(ShuffleNet, 4, 4),
    required=97.0,
)
