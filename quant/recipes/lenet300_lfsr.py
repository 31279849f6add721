"""lenet300-lfsr: LeNet-300-100 whose weights stand where shift registers say: 16 integers, and no index."""

from __future__ import annotations

from ..compression import LfsrMask, Share
from ._lenet300 import lenet300

RECIPE = lenet300("lfsr", "weights where shift registers say, 16 shared ones a layer", required=97.5, compression=(
    LfsrMask(kept=(7, 4, 2), elements=8, epochs=11, learning_rate=4e-3),
    Share(bits=4, epochs=3),
))
