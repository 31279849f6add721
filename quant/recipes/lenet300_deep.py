"""lenet300-deep: LeNet-300-100 through Deep Compression (pruned, shared, Huffman coded), codebooks of 16 integers."""

from __future__ import annotations

from ..compression import GradualPrune, Huffman, Share
from ._lenet300 import lenet300

RECIPE = lenet300("deep", "pruned, 16 shared weights a layer, Huffman coded", required=98.0, compression=(
    GradualPrune(density=(0.09, 0.15, 0.5), epochs=6, settle=5, learning_rate=3e-3),
    Share(bits=4, epochs=3),
    Huffman(),
))
