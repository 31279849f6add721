"""HashedNets: a layer's weights are few real ones, found by a hash of their places, so that no index is stored.

Chen, Wilson, Tyree, Weinberger, Chen: "Compressing Neural Networks with the Hashing Trick", ICML 2015:
V[i, j] = xi(i, j) w[h(i, j)]; :mod:`gatewright.coding.xxhash32` says which hashes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from ...coding import xxhash32
from ..layers import Weighted
from .constrained import Hashed, constrain
from .step import PerLayer, Step, per_layer

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Hash", "hash_layer"]


@dataclass(frozen=True)
class Hash(Step):
    """Give a layer ``size`` real weights, a power of two, and train them for ``epochs`` epochs.

    Layers are numbered from ``seed`` in the module's order. They begin as near to the weights that were there as they
    can. With ``banks``, a power of two, each row has its weights in one of so many parts of them: an engine of as many
    elements, or a multiple, then needs no copies. What the layer's file needs to say of it is noted.
    """

    size: PerLayer[int]
    seed: int = 1
    banks: int = 1
    epochs: int = 10
    learning_rate: float = 1e-3

    def apply(self, module: nn.Module, data: Trainer) -> None:
        for number, (layer, size) in enumerate(per_layer("size", self.size, module).items()):
            hash_layer(layer, size, self.seed + number, self.banks)
        data.fit(module, self.epochs, self.learning_rate, title="hashed")


def hash_layer(layer: Weighted, size: int, seed: int, banks: int = 1) -> None:
    """Turn a layer (weights ``[outputs, ...]``, a matrix of outputs by inputs) into a hashed one.

    Raises ``ValueError`` if ``size`` or ``banks`` is no power of two.
    """
    rows, columns = layer.weight.flatten(1).shape
    index, sign = xxhash32.Hash(size, seed, banks).index(rows, columns)
    shape = layer.weight.shape
    note = {"kind": "hash", "seed": seed, "size": size}
    constrain(layer, Hashed(torch.from_numpy(index).reshape(shape), torch.from_numpy(sign).reshape(shape), size,
                            json.dumps(note if banks == 1 else {"banks": banks} | note)))
