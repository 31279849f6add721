"""What the small image networks have in common: MNIST padded to 1 x 32 x 32, so that strides end at a power of two."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from ..recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

__all__ = ["mnist32"]


def mnist32(name: str, summary: str, build: Callable[[], nn.Module], required: float) -> Recipe:
    """The pixels enter the first convolution as they are."""
    return Recipe(
        name=name,
        summary=f"MNIST as 1 x 32 x 32, {summary}",
        dataset="mnist-1x32x32",
        build=build,
        shape=(1, 32, 32),
        input_type="uint8",
        input_scale=Fraction(1, 256),
        epochs=6,
        batch=128,
        learning_rate=5e-3,
        patience=6,
        validation=5000,
        required=required,
    )
