"""squeezenet-w4a4: a small SqueezeNet, its fire modules' branches side by side."""

from __future__ import annotations

from functools import partial

from ..networks_branch import SqueezeNet
from ._mnist32 import mnist32

RECIPE = mnist32(
    "squeezenet-w4a4",
    "SqueezeNet of three fire modules, weights and activations of 4 bits",
    partial(SqueezeNet, 4, 4),
    required=97.0,
)
