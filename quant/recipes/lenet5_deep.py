"""lenet5-deep: Caffe's LeNet-5 through Deep Compression (pruned, shared, Huffman coded), codebooks of 16 integers."""

from __future__ import annotations

from ..compression import GradualPrune, Huffman, Share
from ._lenet5_caffe import lenet5_caffe

RECIPE = lenet5_caffe("deep", "pruned, 16 shared weights a layer, Huffman coded", required=99.0, compression=(
    GradualPrune(density=(0.6, 0.15, 0.07, 0.2), epochs=4, settle=2),
    Share(bits=4, epochs=1, learning_rate=5e-4),
    Huffman(),
))
