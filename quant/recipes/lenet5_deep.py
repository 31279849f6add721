"""lenet5-deep: Caffe's LeNet-5 through Deep Compression (pruned, shared, Huffman coded), codebooks of 16 integers."""

from __future__ import annotations

from ..compression import GradualPrune, Huffman, Share
from ._lenet5_caffe import lenet5_caffe

RECIPE = lenet5_caffe("deep", "pruned, 16 shared weights a layer, Huffman coded", required=98.8, compression=(
    GradualPrune(density=(0.6, 0.12, 0.05, 0.19), epochs=5, settle=3),
    Share(bits=4, epochs=2),
    Huffman(),
))
