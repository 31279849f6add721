"""lenet300-block: LeNet-300-100 pruned by blocks of 4 rows and 4 columns, which a folded layer skips as whole words."""

from __future__ import annotations

from ..compression import BlockPrune
from ._lenet300 import lenet300

RECIPE = lenet300("block", "pruned by blocks of 4 x 4", required=97.5, compression=(
    BlockPrune(density=(0.15, 0.3, None), pe=4, simd=4, rounds=3, epochs=4),
))
