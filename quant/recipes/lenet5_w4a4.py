"""lenet5-w4a4: LeNet-5 on MNIST, weights and activations of 4 bits."""

from __future__ import annotations

from ._lenet5 import lenet5

RECIPE = lenet5(4, 4, required=98.5)
