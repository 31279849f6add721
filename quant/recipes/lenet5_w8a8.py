"""lenet5-w8a8: LeNet-5 on MNIST, weights and activations of 8 bits."""

from __future__ import annotations

from ._lenet5 import lenet5

RECIPE = lenet5(8, 8, required=98.5)
