"""lenet300-dense: LeNet-300-100 on MNIST, weights of 8 bits, what the compressed ones are measured against."""

from __future__ import annotations

from ._lenet300 import lenet300

RECIPE = lenet300("dense", "weights of 8 and activations of 4 bits", required=98.0)
