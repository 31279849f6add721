"""autoencoder-w8a8: MLPerf Tiny's anomaly detector, 640 values through a code of 8 and back.

Its machine sounds are not at hand: it learns the 640 pixels in the middle of MNIST's images. The score is the share of
each image's energy that the estimate reconstructs; what is left is the reconstruction error.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from ..networks import Autoencoder
from ..recipe import Recipe

RECIPE = Recipe(
    name="autoencoder-w8a8",
    summary="MNIST as 640 values, autoencoder with a code of 8, weights and activations of 8 bits",
    dataset="mnist-640",
    build=partial(Autoencoder, 8, 8),
    shape=(640,),
    input_type="uint8",
    input_scale=Fraction(1, 256),
    epochs=20,
    batch=256,
    learning_rate=5e-3,
    patience=20,
    validation=5000,
    required=60.0,
    task="reconstruct",
)
