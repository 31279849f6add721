"""unsw-nb15-mlp-w2a2: the network-intrusion detector of UNSW-NB15, 593 features of one bit in, one answer out.

That data is not at hand: it learns whether a digit of MNIST is odd, from the 593 pixels in the middle, bright or not.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from ..networks import MLP
from ..recipe import Recipe

RECIPE = Recipe(
    name="unsw-nb15-mlp-w2a2",
    summary="is a digit of MNIST odd, 593-64-64-64-1, weights and activations of 2 bits",
    dataset="mnist-593-odd",
    build=partial(MLP, (593, 64, 64, 64, 1), 2, 2, dropout=0.1),
    shape=(593,),
    input_type="bipolar",
    input_scale=Fraction(1),
    epochs=20,
    batch=256,
    learning_rate=5e-3,
    patience=20,
    validation=5000,
    required=95.0,
    task="decide",
)
