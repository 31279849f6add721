"""lfc-w1a1: BNN-PYNQ's large network for MNIST, three hidden layers of 1,024."""

from __future__ import annotations

from fractions import Fraction

from ..networks import BinaryMLP
from ..recipe import Recipe


def _build() -> BinaryMLP:
    return BinaryMLP((784, 1024, 1024, 1024, 10), input_dropout=0.1, dropout=0.1)


RECIPE = Recipe(
    name="lfc-w1a1",
    summary="MNIST, 784-1024-1024-1024-10, weights and activations of one bit",
    dataset="mnist",
    build=_build,
    shape=(784,),
    input_type="uint8",
    input_scale=Fraction(1, 255),
    epochs=20,
    batch=256,
    learning_rate=5e-3,
    patience=20,
    validation=5000,
    required=97.0,
)
