"""lenet5-dense: Caffe's LeNet-5 on MNIST, weights of 8 bits, what the compressed one is measured against."""

from __future__ import annotations

from ._lenet5_caffe import lenet5_caffe

RECIPE = lenet5_caffe("dense", "weights of 8 and activations of 4 bits", required=99.0)
