"""digits-tile: handwritten digits in a corner of a chip, 64 bits in and 10 classes out, for a TinyTapeout tile."""

from __future__ import annotations

from fractions import Fraction

from ..networks import BinaryMLP
from ..recipe import Recipe


def _build() -> BinaryMLP:
    return BinaryMLP((64, 24, 10))


RECIPE = Recipe(
    name="digits-tile",
    summary="scikit-learn's digits, 64-24-10, weights and activations of one bit",
    dataset="digits",
    build=_build,
    shape=(64,),
    input_type="uint5",
    input_scale=Fraction(1, 16),
    epochs=200,
    batch=64,
    learning_rate=1e-2,
    patience=80,
    validation=144,
    required=85.0,
)
