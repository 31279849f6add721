"""Caffe's LeNet-5 on MNIST, dense and compressed; the recipes beside this file choose the steps."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from ..compression import Step
from ..networks_lenet import CaffeLeNet5
from ..recipe import Recipe

__all__ = ["lenet5_caffe"]


def lenet5_caffe(name: str, how: str, required: float, compression: tuple[Step, ...] = ()) -> Recipe:
    """Weights of 8 bits, activations of 4; the pixels enter the first convolution as they are."""
    return Recipe(
        name=f"lenet5-{name}",
        summary=f"MNIST, Caffe's LeNet-5, {how}",
        dataset="mnist",
        build=partial(CaffeLeNet5, 8, 4),
        shape=(1, 28, 28),
        input_type="uint8",
        input_scale=Fraction(1, 256),
        epochs=8,
        batch=128,
        learning_rate=2e-3,
        patience=8,
        validation=5000,
        weight_decay=1e-5,
        required=required,
        compression=compression,
    )
