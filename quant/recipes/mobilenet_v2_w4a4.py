"""mobilenet-v2-w4a4: a small MobileNet v2, inverted residuals with streams added."""

from __future__ import annotations

from functools import partial

from ..networks_mobile import MobileNetV2
from ._mnist32 import mnist32

RECIPE = mnist32(
    "mobilenet-v2-w4a4",
    "MobileNet v2 of six blocks, weights and activations of 4 bits",
    partial(MobileNetV2, 4, 4),
    required=97.0,
)
