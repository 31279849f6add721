"""Masks that a shift register makes: what is kept follows from a seed, so that no index is stored.

Ardakani, Condo, Gross: "Sparsely-Connected Neural Networks: Towards Efficient VLSI Implementation of Deep Neural
Networks", ICLR 2017: W_s = W . M with M from linear-feedback shift registers; :mod:`gatewright.coding.lfsr` says which.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from ...coding.lfsr import mask
from .constrained import Masked, constrain
from .step import PerLayer, Step, per_layer

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["LfsrMask"]


@dataclass(frozen=True)
class LfsrMask(Step):
    """Keep ``kept`` weights in each column for each of ``elements`` processing elements, where the register says.

    Layers are numbered from ``seed`` in the module's order. Weights, ``[outputs, ...]``, are matrices of as many
    columns as an output has weights. What the layer's file needs to say of it is noted.
    """

    kept: PerLayer[int]
    elements: int = 8
    seed: int = 1
    epochs: int = 10
    learning_rate: float = 1e-3

    def apply(self, module: nn.Module, data: Trainer) -> None:
        for number, (layer, kept) in enumerate(per_layer("kept", self.kept, module).items()):
            rows, columns = layer.weight.flatten(1).shape
            here = mask(rows, columns, self.elements, kept, self.seed + number)
            found = Masked(torch.from_numpy(here).reshape(layer.weight.shape))
            found.note = json.dumps({"elements": self.elements, "kept": kept, "kind": "lfsr",
                                     "seed": self.seed + number})
            constrain(layer, found)
        data.fit(module, self.epochs, self.learning_rate, title="masked by registers")
