"""mobilenet-v1-w4a4: a small MobileNet v1; its depthwise weights have a scale for each channel."""

from __future__ import annotations

from functools import partial

from ..networks_mobile import MobileNetV1
from ._mnist32 import mnist32

RECIPE = mnist32(
    "mobilenet-v1-w4a4",
    "MobileNet v1 of five pairs, weights and activations of 4 bits",
    partial(MobileNetV1, 4, 4),
    required=97.0,
)
