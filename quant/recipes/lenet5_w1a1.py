"""lenet5-w1a1: LeNet-5 on MNIST, weights and activations of 1 bit."""

from __future__ import annotations

from ._lenet5 import lenet5

RECIPE = lenet5(1, 1, required=96.0)
