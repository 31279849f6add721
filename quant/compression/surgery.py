"""Dynamic network surgery: connections are cut where weights are small, and spliced back where they have grown again.

Guo, Yao, Chen: "Dynamic Network Surgery for Efficient DNNs", NIPS 2016. Cut weights go on learning behind their mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..layers import latent
from .constrained import Surgical, constrain, mask_of, set_mask
from .step import PerLayer, Step, per_layer

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Surgery", "operate"]


def operate(weight: Tensor, mask: Tensor, a: float, b: float) -> Tensor:
    """The mask after one operation: cut below ``a``, spliced from ``b`` up, as it was in between (equation 3)."""
    size = weight.abs()
    return (size >= b) | (mask & (size >= a))


@dataclass(frozen=True)
class Surgery(Step):
    """Train for ``epochs`` epochs, operating ``every`` so many optimiser steps; then the masks stay for ``settle``.

    The threshold ``a`` leaves ``density`` of a layer's weights, those behind the mask included, and is found anew each
    time; ``b`` is ``1 + margin`` times it. The chance of an operation falls as ``1 / (1 + 10 t / T)`` towards the last
    step ``T`` of operations, as the paper asks for, so that the network comes to rest.
    """

    density: PerLayer[float]
    epochs: int = 6
    settle: int = 4
    every: int = 10
    margin: float = 0.1
    learning_rate: float = 1e-3

    def __post_init__(self):
        if min(self.epochs, self.settle, self.every) < 1 or self.margin < 0:
            raise ValueError(f"epochs, settle and every must be positive and the margin not negative, not "
                             f"{self.epochs}, {self.settle}, {self.every} and {self.margin}")

    def apply(self, module: nn.Module, data: Trainer) -> None:
        goals = per_layer("density", self.density, module)
        cuts = {layer: Surgical(mask_of(layer)) for layer in goals}
        for layer, cut in cuts.items():
            constrain(layer, cut)
        last = self.epochs * len(data.batches)

        def update(step: int) -> None:
            if step % self.every or float(torch.rand(())) > 1 / (1 + 10 * step / last):
                return
            for layer, goal in goals.items():
                weight = latent(layer).detach()
                kept = max(1, round(goal * weight.numel()))
                a = float(weight.abs().flatten().kthvalue(weight.numel() - kept + 1).values)
                cuts[layer].mask.copy_(operate(weight, mask_of(layer), a, a * (1 + self.margin)))

        data.fit(module, self.epochs, self.learning_rate, title="under surgery", settled=self.epochs - 1, each=update)
        for layer in goals:
            set_mask(layer, mask_of(layer))
        data.fit(module, self.settle, self.learning_rate, title="after surgery")
