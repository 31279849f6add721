"""LeNet-5 on MNIST at any precision; the recipes beside this file choose one each."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from ..networks import LeNet5
from ..recipe import Recipe

__all__ = ["lenet5"]


def lenet5(weights: int, activations: int, required: float) -> Recipe:
    """Weights and activations of so many bits; the pixels enter the first convolution as they are."""
    return Recipe(
        name=f"lenet5-w{weights}a{activations}",
        summary=f"MNIST, LeNet-5, weights of {weights} and activations of {activations} bits",
        dataset="mnist",
        build=partial(LeNet5, weights, activations),
        shape=(1, 28, 28),
        input_type="uint8",
        input_scale=Fraction(1, 256),
        epochs=20,
        batch=128,
        learning_rate=5e-3,
        patience=20,
        validation=5000,
        shift=1,
        required=required,
    )
