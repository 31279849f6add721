"""tfc-w1a1: BNN-PYNQ's tiny network for MNIST, three hidden layers of 64."""

from __future__ import annotations

from fractions import Fraction

from ..networks import BinaryMLP
from ..recipe import Recipe


def _build() -> BinaryMLP:
    return BinaryMLP((784, 64, 64, 64, 10), input_dropout=0.1)


RECIPE = Recipe(
    name="tfc-w1a1",
    summary="MNIST, 784-64-64-64-10, weights and activations of one bit",
    dataset="mnist",
    build=_build,
    shape=(784,),
    input_type="uint8",
    input_scale=Fraction(1, 255),
    epochs=60,
    batch=256,
    learning_rate=1e-2,
    patience=30,
    validation=5000,
    required=93.0,
)
