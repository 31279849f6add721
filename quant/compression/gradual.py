"""Gradual pruning: the share of zeros rises along a cubic while the network trains.

Zhu, Gupta: "To prune, or not to prune: exploring the efficacy of pruning for model compression", 2017, equation 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from .constrained import mask_of, set_mask
from .prune import largest
from .step import PerLayer, Step, per_layer

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["GradualPrune", "cubic_sparsity"]


def cubic_sparsity(step: int, first: float, last: float, start: int, every: int, updates: int) -> float:
    """The share of zeros at an optimiser step: ``s_f + (s_i - s_f) (1 - (t - t_0) / (n dt)) ** 3``.

    ``first`` before ``start``, ``last`` once ``updates`` updates, ``every`` so many steps, are over.
    """
    way = min(1.0, max(0.0, (step - start) / (updates * every)))
    return last + (first - last) * (1 - way) ** 3


@dataclass(frozen=True)
class GradualPrune(Step):
    """Prune to ``density`` within ``epochs`` epochs of training, a little more ``every`` so many optimiser steps.

    Then the masks stay for ``settle`` epochs, of which the best is kept. The smallest weights go first.
    """

    density: PerLayer[float]
    epochs: int = 6
    settle: int = 4
    every: int = 50
    learning_rate: float = 1e-3

    def __post_init__(self):
        if min(self.epochs, self.settle, self.every) < 1:
            raise ValueError(f"epochs, settle and every must be positive, not {self.epochs}, {self.settle} and "
                             f"{self.every}")

    def apply(self, module: nn.Module, data: Trainer) -> None:
        goals = per_layer("density", self.density, module)
        starts = {layer: 1 - float(mask_of(layer).float().mean()) for layer in goals}
        updates = max(1, self.epochs * len(data.batches) // self.every)

        def update(step: int) -> None:
            if step % self.every or step > updates * self.every:
                return
            for layer, goal in goals.items():
                zeros = cubic_sparsity(step, starts[layer], 1 - goal, 0, self.every, updates)
                set_mask(layer, largest(layer.weight.detach().abs(), 1 - zeros, mask_of(layer)))

        for layer in goals:
            set_mask(layer, mask_of(layer))  # constrained before the optimiser takes the parameters
        data.fit(module, self.epochs + self.settle, self.learning_rate, title="pruned gradually", settled=self.epochs,
                 each=update)
