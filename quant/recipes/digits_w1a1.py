"""digits-w1a1: the embedded default. scikit-learn's 8 x 8 digits, no download, trained in seconds."""

from __future__ import annotations

from fractions import Fraction

from ..networks import BinaryMLP
from ..recipe import Recipe


def _build() -> BinaryMLP:
    return BinaryMLP((64, 256, 256, 10), input_dropout=0.2, dropout=0.1)


RECIPE = Recipe(
    name="digits-w1a1",
    summary="scikit-learn's digits, 64-256-256-10, weights and activations of one bit",
    dataset="digits",
    build=_build,
    shape=(64,),
    input_type="uint5",
    input_scale=Fraction(1, 16),
    epochs=120,
    batch=64,
    learning_rate=1e-2,
    patience=60,
    validation=144,
    required=93.0,
)
