"""Block masks aligned to the lanes: whole tiles of PE rows by SIMD columns are kept or go, so whole words are skipped.

Anwar, Hwang, Sung: "Structured Pruning of Deep Convolutional Neural Networks", 2017, prune at the grain of the
hardware's vectors; here that is a folded layer's word of weights, and the schedule without the zero ones is static.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from .constrained import Blocked, constrain, mask_of
from .prune import largest
from .step import PerLayer, Step, per_layer

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["BlockPrune", "block_norms", "spread"]


@dataclass(frozen=True)
class BlockPrune(Step):
    """Keep a share ``density`` of a layer's blocks of ``pe`` x ``simd`` weights, those of the largest norm.

    Rows are outputs; columns are as many as an output has weights, in torch's order. Blocks at the edges may be
    smaller. The density falls geometrically to its goal in ``rounds``, each of ``epochs`` of retraining.
    """

    density: PerLayer[float]
    pe: PerLayer[int]
    simd: PerLayer[int]
    rounds: int = 3
    epochs: int = 3
    learning_rate: float = 1e-3

    def __post_init__(self):
        if self.rounds < 1 or self.epochs < 0:
            raise ValueError(f"rounds must be positive and epochs not negative, not {self.rounds} and {self.epochs}")

    def apply(self, module: nn.Module, data: Trainer) -> None:
        goals = per_layer("density", self.density, module)
        pe, simd = per_layer("pe", self.pe, module), per_layer("simd", self.simd, module)
        if not goals.keys() <= pe.keys() & simd.keys():
            raise ValueError("pe and simd must be given for each layer that has a density")
        for number in range(1, self.rounds + 1):
            for layer, goal in goals.items():
                matrix = layer.weight.detach().flatten(1)
                norms = block_norms(matrix, pe[layer], simd[layer])
                kept = largest(norms, goal ** (number / self.rounds), norms > 0)
                mask = spread(kept, pe[layer], simd[layer], matrix.shape).reshape(layer.weight.shape)
                constrain(layer, Blocked(mask & mask_of(layer), kept))
            if self.epochs:
                data.fit(module, self.epochs, self.learning_rate,
                         title=f"pruned by blocks, round {number} of {self.rounds}")


def block_norms(matrix: Tensor, pe: int, simd: int) -> Tensor:
    """The root mean square of each ``pe`` x ``simd`` block of ``[rows, columns]``, smaller ones at the edges."""
    if pe < 1 or simd < 1:
        raise ValueError(f"blocks must have positive sides, not {pe!r} x {simd!r}")
    return functional.avg_pool2d(matrix.square()[None], (pe, simd), ceil_mode=True)[0].sqrt()


def spread(blocks: Tensor, pe: int, simd: int, shape: torch.Size) -> Tensor:
    """The mask ``[rows, columns]`` of a mask of blocks."""
    rows, columns = shape
    return blocks.repeat_interleave(pe, 0).repeat_interleave(simd, 1)[:rows, :columns]
