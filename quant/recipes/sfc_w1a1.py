"""sfc-w1a1: BNN-PYNQ's small network for MNIST, three hidden layers of 256."""

from __future__ import annotations

from fractions import Fraction

from ..networks import BinaryMLP
from ..recipe import Recipe


def _build() -> BinaryMLP:
    return BinaryMLP((784, 256, 256, 256, 10), input_dropout=0.1)


RECIPE = Recipe(
    name="sfc-w1a1",
    summary="MNIST, 784-256-256-256-10, weights and activations of one bit",
    dataset="mnist",
    build=_build,
    shape=(784,),
    input_type="uint8",
    input_scale=Fraction(1, 255),
    epochs=80,
    batch=256,
    learning_rate=1e-2,
    patience=30,
    validation=5000,
    shift=1,
    required=97.5,
)
