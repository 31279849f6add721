"""LeNet-300-100 on MNIST, dense and compressed; the recipes beside this file choose the steps."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from ..compression import Step
from ..networks_lenet import LeNet300
from ..recipe import Recipe

__all__ = ["lenet300"]


def lenet300(name: str, how: str, required: float, compression: tuple[Step, ...] = ()) -> Recipe:
    """Weights of 8 bits, activations of 4; the pixels enter as they are."""
    return Recipe(
        name=f"lenet300-{name}",
        summary=f"MNIST, LeNet-300-100, {how}",
        dataset="mnist",
        build=partial(LeNet300, 8, 4),
        shape=(784,),
        input_type="uint8",
        input_scale=Fraction(1, 256),
        epochs=15,
        batch=128,
        learning_rate=2e-3,
        patience=15,
        validation=5000,
        weight_decay=1e-5,
        required=required,
        compression=compression,
    )
