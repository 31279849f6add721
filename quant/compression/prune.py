"""Magnitude pruning with retraining, at once or in rounds.

Han, Pool, Tran, Dally: "Learning both Weights and Connections for Efficient Neural Networks", NIPS 2015: what is
smaller than a quality parameter times the standard deviation of its layer's weights goes; the rest is trained again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .constrained import mask_of, set_mask
from .step import PerLayer, Step, per_layer

if TYPE_CHECKING:
    from ..layers import Weighted
    from ..trainer import Trainer

__all__ = ["Prune", "largest"]


@dataclass(frozen=True)
class Prune(Step):
    """Keep a layer's largest weights: a share of them all (``density``), or those of ``quality`` x std and more.

    Exactly one of the two is given. With several ``rounds``, each of ``epochs`` of retraining, the density falls
    geometrically to its goal, and the quality rises linearly. What is pruned stays pruned.
    """

    density: PerLayer[float] | None = None
    quality: PerLayer[float] | None = None
    rounds: int = 1
    epochs: int = 1
    learning_rate: float = 1e-3

    def __post_init__(self):
        if (self.density is None) == (self.quality is None):
            raise ValueError("either density or quality must be given")
        if self.rounds < 1 or self.epochs < 0:
            raise ValueError(f"rounds must be positive and epochs not negative, not {self.rounds} and {self.epochs}")

    def apply(self, module: nn.Module, data: Trainer) -> None:
        marks = self._thresholds(module)
        for number in range(1, self.rounds + 1):
            for layer, keep in marks.items():
                set_mask(layer, keep(number / self.rounds))
            if self.epochs:
                data.fit(module, self.epochs, self.learning_rate, title=f"pruned, round {number} of {self.rounds}")

    def _thresholds(self, module: nn.Module) -> dict[Weighted, Callable[[float], Tensor]]:
        """For each layer, the mask at a part (0 to 1) of the way."""
        def to_density(layer: Weighted, goal: float) -> Callable[[float], Tensor]:
            first = float(mask_of(layer).float().mean())
            return lambda part: largest(layer.weight.detach().abs(), first * (goal / first) ** part, mask_of(layer))

        def to_quality(layer: Weighted, goal: float) -> Callable[[float], Tensor]:
            std = float(layer.weight.detach()[mask_of(layer)].std())
            return lambda part: mask_of(layer) & (layer.weight.detach().abs() >= goal * part * std)

        if self.density is not None:
            goals = per_layer("density", self.density, module)
            return {layer: to_density(layer, goal) for layer, goal in goals.items()}
        assert self.quality is not None
        goals = per_layer("quality", self.quality, module)
        return {layer: to_quality(layer, goal) for layer, goal in goals.items()}


def largest(scores: Tensor, density: float, among: Tensor | None = None) -> Tensor:
    """The mask of the ``round(density * elements)`` largest scores, at least one, all of them ``among`` a mask.

    Of equal scores the earlier ones stay. Raises ``ValueError`` if the density is not above 0 and at most 1.
    """
    if not 0 < density <= 1:
        raise ValueError(f"density must be above 0 and at most 1, not {density!r}")
    flat = scores.flatten().clone()
    if among is not None:
        flat[~among.flatten()] = -1.0  # scores are not negative
    order = torch.argsort(flat, descending=True, stable=True)
    mask = torch.zeros_like(flat, dtype=torch.bool)
    mask[order[: max(1, round(density * len(flat)))]] = True
    mask &= flat >= 0
    return mask.reshape(scores.shape)
