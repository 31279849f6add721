"""kws-mlp-w3a3: the keyword-spotting MLP, 49 frames of 10 features in, 12 classes out.

Its speech is not at hand: it learns MNIST, the 490 pixels in the middle of each image. Only 10 of the 12 classes occur.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from ..networks import MLP
from ..recipe import Recipe

RECIPE = Recipe(
    name="kws-mlp-w3a3",
    summary="MNIST as 490 features, 490-256-256-256-12, weights and activations of 3 bits",
    dataset="mnist-490",
    build=partial(MLP, (490, 256, 256, 256, 12), 3, 3, dropout=0.1),
    shape=(490,),
    input_type="uint8",
    input_scale=Fraction(1, 256),
    epochs=20,
    batch=256,
    learning_rate=5e-3,
    patience=20,
    validation=5000,
    required=96.0,
)
