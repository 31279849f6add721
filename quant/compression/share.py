"""Weight sharing: k-means over a layer's weights, and the few values that remain trained by summed gradients.

Han, Mao, Dally: "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and Huffman
Coding", ICLR 2016, section 3. The layer's own quantiser rounds the values, so the codebook is integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .constrained import Shared, constrain, constraint, mask_of
from .step import PerLayer, Step, per_layer

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Share", "first_values", "k_means"]

INITIAL = ("linear", "density", "random")


@dataclass(frozen=True)
class Share(Step):
    """At most ``2 ** bits`` different weights in a layer, 0 among them if it has pruned ones; then retrained.

    ``initial`` says where k-means begins: ``linear`` between the smallest and the largest weight (the paper finds that
    best: it keeps large weights), ``density`` at even steps of their cumulative distribution, ``random`` at some of
    them. What is pruned stays exactly 0.
    """

    bits: PerLayer[int] = 4
    initial: str = "linear"
    epochs: int = 3
    learning_rate: float = 1e-3

    def __post_init__(self):
        if self.initial not in INITIAL:
            raise ValueError(f"initial must be one of {', '.join(INITIAL)}, not {self.initial!r}")
        if self.epochs < 0:
            raise ValueError(f"epochs must not be negative, not {self.epochs}")

    def apply(self, module: nn.Module, data: Trainer) -> None:
        for layer, bits in per_layer("bits", self.bits, module).items():
            if bits < 1:
                raise ValueError(f"bits must be positive, not {bits!r}")
            weight, mask = layer.weight.detach(), mask_of(layer)
            kept = weight[mask].numpy().astype(np.float64)
            # The value 0 of pruned weights is one of the codebook's, and entries that only pad have it too.
            found = constraint(layer)
            count = 2**bits - (0 if mask.all() and not (found and found.note) else 1)
            values, codes = k_means(kept, first_values(kept, count, self.initial))
            places = torch.full(weight.shape, -1, dtype=torch.int64)
            places[mask] = torch.from_numpy(codes)
            constrain(layer, Shared(places, torch.from_numpy(values).float()))
        if self.epochs:
            data.fit(module, self.epochs, self.learning_rate, title="shared")


def first_values(weights: np.ndarray, count: int, initial: str) -> np.ndarray:
    """Where k-means begins, ascending: float64 ``[count]``, or fewer where there are not as many different weights."""
    different = np.unique(weights)
    if len(different) <= count:
        return different
    if initial == "linear":
        return np.linspace(different[0], different[-1], count)
    if initial == "density":
        return np.quantile(weights, (np.arange(count) + 0.5) / count)
    chosen = torch.randperm(len(different))[:count].numpy()  # torch's generator: a seed gives one network
    return np.sort(different[chosen])


def k_means(weights: np.ndarray, values: np.ndarray, rounds: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's iteration on a line: values float64 ``[k]``, ascending, and the nearest one's place int64 ``[weights]``.

    It ends when nothing moves; a value without weights stays where it is.
    """
    values = np.sort(values)
    order = np.argsort(weights, kind="stable")
    line = weights[order]
    sums = np.concatenate([[0.0], np.cumsum(line)])
    for _ in range(rounds):
        # The weights of a value are those between the midpoints to its neighbours.
        ends = np.searchsorted(line, (values[1:] + values[:-1]) / 2)
        ends = np.concatenate([[0], ends, [len(line)]])
        count = np.diff(ends)
        moved = np.where(count > 0, np.diff(sums[ends]) / np.maximum(count, 1), values)
        if np.array_equal(moved, values):
            break
        values = moved
    return values, np.searchsorted((values[1:] + values[:-1]) / 2, weights, side="right")
