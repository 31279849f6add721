"""lenet300-hashed: LeNet-300-100 as a HashedNet, few real weights found by a hash of their places."""

from __future__ import annotations

from ..compression import Hash
from ._lenet300 import lenet300

RECIPE = lenet300("hashed", "weights found by a hash", required=97.5, compression=(
    Hash(size=(32768, 4096, 512), banks=8, epochs=12, learning_rate=4e-3),
))
