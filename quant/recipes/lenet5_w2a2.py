"""lenet5-w2a2: LeNet-5 on MNIST, weights and activations of 2 bits."""

from __future__ import annotations

from ._lenet5 import lenet5

RECIPE = lenet5(2, 2, required=98.5)
