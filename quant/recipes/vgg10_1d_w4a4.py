"""vgg10-1d-w4a4: the 1-D VGG10 of RadioML 2018, two signals of 1,024 samples and 24 classes.

That data is not at hand: it learns MNIST, whose pixels row by row and column by column are the two signals. Only 10 of
the 24 classes occur.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from ..networks import VGG10
from ..recipe import Recipe

RECIPE = Recipe(
    name="vgg10-1d-w4a4",
    summary="MNIST as two signals, 1-D VGG10, weights and activations of 4 bits",
    dataset="mnist-2x1024",
    build=partial(VGG10, 4, 4),
    shape=(2, 1024),
    input_type="uint8",
    input_scale=Fraction(1, 256),
    epochs=4,
    batch=128,
    learning_rate=5e-3,
    patience=4,
    validation=5000,
    required=95.0,
)
