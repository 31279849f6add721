"""lenet300-lfsr: LeNet-300-100 whose weights stand where shift registers say, so that no index is stored."""

from __future__ import annotations

from ..compression import LfsrMask
from ._lenet300 import lenet300

RECIPE = lenet300("lfsr", "weights where shift registers say", required=97.5, compression=(
    LfsrMask(kept=(5, 3, 1), elements=8, epochs=15),
))
