"""CNV, BNN-PYNQ's convolutional network, on MNIST at any precision; the recipes beside this file choose one each.

The topology is CIFAR-10's, which is not at hand: MNIST is padded to 32 x 32 and its grey repeated as three colours.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from ..networks import CNV
from ..recipe import Recipe

__all__ = ["cnv"]


def cnv(weights: int, activations: int, required: float) -> Recipe:
    """Weights and activations of so many bits; the pixels enter the first convolution as they are."""
    return Recipe(
        name=f"cnv-w{weights}a{activations}",
        summary=f"MNIST as 3 x 32 x 32, CNV, weights of {weights} and activations of {activations} bits",
        dataset="mnist-3x32x32",
        build=partial(CNV, weights, activations),
        shape=(3, 32, 32),
        input_type="uint8",
        input_scale=Fraction(1, 256),
        epochs=5,
        batch=100,
        learning_rate=5e-3,
        patience=5,
        validation=5000,
        required=required,
    )
