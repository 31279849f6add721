"""EIE's nine benchmark layers as random matrices of their shapes and densities, and the cycles that an engine takes.

Shapes, densities and times are those of Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural
Network", ISCA 2016, tables III and IV; the efficiency is the theoretical time over the actual one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from gatewright.coding.csc import entry_counts
from gatewright.hdl.number import IntType
from gatewright.hdl.schedule import Engine
from gatewright.hdl.sparse import SparseParameters
from gatewright.sim.dataflow import predict
from gatewright.sim.network import Network, Unit

LANES = 16
"""Activations in a word of the input and sums in one of the output: so many that neither waits for the other."""

_UNIT = SparseParameters(np.ones((1, 1), dtype=np.int64), 1, input=IntType(16)).schedule


@dataclass(frozen=True)
class Layer:
    """A layer of the paper: densities in per cent, times in microseconds on 64 elements at 800 MHz."""

    name: str
    columns: int
    rows: int
    weights: float
    activations: float
    theoretical: float
    actual: float

    @property
    def efficiency(self) -> float:
        return 100 * self.theoretical / self.actual


LAYERS = (
    Layer("Alex-6", 9216, 4096, 9, 35.1, 28.1, 30.3),
    Layer("Alex-7", 4096, 4096, 9, 35.3, 11.7, 12.2),
    Layer("Alex-8", 4096, 1000, 25, 37.5, 8.9, 9.9),
    Layer("VGG-6", 25088, 4096, 4, 18.3, 28.1, 34.4),
    Layer("VGG-7", 4096, 4096, 4, 37.5, 7.9, 8.7),
    Layer("VGG-8", 4096, 1000, 23, 41.1, 7.3, 8.4),
    Layer("NT-We", 4096, 600, 10, 100, 5.2, 8.0),
    Layer("NT-Wd", 600, 8791, 11, 100, 13.0, 13.9),
    Layer("NT-LSTM", 1201, 2400, 10, 100, 6.5, 7.5),
)


@lru_cache(maxsize=1)
def present(layer: Layer, uneven: float = 0.0) -> np.ndarray:
    """Where the weights are, bool ``[rows, columns]``: at random, exactly as many as the density says.

    With ``uneven``, the densities of rows vary log-normally with that standard deviation, and the number is not exact.
    """
    rng = np.random.default_rng([layer.columns, layer.rows, 0])
    rows = np.exp(rng.normal(0, uneven, layer.rows)) if uneven else np.ones(layer.rows)
    density = np.minimum(layer.weights / 100 * rows / rows.mean(), 1)
    there = np.empty((layer.rows, layer.columns), dtype=bool)
    for row in range(layer.rows):
        there[row] = rng.random(layer.columns, dtype=np.float32) < density[row]
    if not uneven:
        _make_exact(there.reshape(-1), round(layer.weights / 100 * there.size), rng)
    return there


def _make_exact(flags: np.ndarray, count: int, rng: np.random.Generator) -> None:
    wrong = int(np.count_nonzero(flags)) - count
    while wrong:
        # Places drawn at random, those that can change the number in the right direction are changed.
        places = np.unique(rng.integers(0, len(flags), 2 * abs(wrong) + 8))
        places = rng.permutation(places[flags[places] == (wrong > 0)])[: abs(wrong)]
        flags[places] = wrong < 0
        wrong = int(np.count_nonzero(flags)) - count


def values(layer: Layer, there: np.ndarray) -> np.ndarray:
    """Weights int64 where they are, of 15 values beside 0: codes of four bits, weights of 16."""
    rng = np.random.default_rng([layer.columns, layer.rows, 1])
    book = rng.choice(np.arange(1, 1 << 15), 15, replace=False) * rng.choice([-1, 1], 15)
    weights = np.zeros(there.shape, dtype=np.int64)
    weights[there] = book[rng.integers(0, 15, int(np.count_nonzero(there)))]
    return weights


def vectors(layer: Layer, count: int = 1) -> np.ndarray:
    """Activations of 16 bits, int64 ``[vectors, columns]``: in each exactly as many as the density says are not 0."""
    rng = np.random.default_rng([layer.columns, layer.rows, 2])
    found = np.zeros((count, layer.columns), dtype=np.int64)
    for vector in found:
        places = rng.permutation(layer.columns)[: round(layer.activations / 100 * layer.columns)]
        vector[places] = rng.integers(1, 1 << 15, len(places)) * rng.choice([-1, 1], len(places))
    return found


@dataclass(frozen=True)
class Cycles:
    """Cycles between vectors in the steady state and of one alone, and the work of a vector: entries and padding."""

    interval: Fraction
    alone: int
    work: int
    elements: int

    @property
    def efficiency(self) -> float:
        """(Entries + padding) / elements / cycles, in per cent, of vectors back to back."""
        return 100 * self.work / self.elements / float(self.interval)

    @property
    def efficiency_alone(self) -> float:
        return 100 * self.work / self.elements / self.alone


class Counted:
    """A layer's entries counted for a number of elements, and the engine that has them.

    For one vector, ``work`` are all entries, padding included, ``real`` those that are weights, ``most`` those of the
    busiest element, and ``broadcasts`` the columns given to the elements.
    """

    def __init__(self, there: np.ndarray, active: np.ndarray, elements: int):
        self.counts = entry_counts(there, elements)
        self.active, self.elements = active, elements
        loads = self.counts[active].sum(axis=0, dtype=np.int64)
        self.work, self.most = int(loads.sum()), int(loads.max())
        given = np.add.reduceat(active, np.arange(0, len(active), LANES), dtype=np.int64)
        self.broadcasts = int(np.maximum(given, 1).sum())
        self.real = int(np.count_nonzero(there[:, active]))
        # With fewer elements than lanes, as many sums leave together as there are elements.
        words = -(-len(there) // min(LANES, elements))
        self.engine = Engine(self.counts, LANES, 8, words, _UNIT.latency, _UNIT.stages, active=active[None])

    def cycles(self, depth: int = 8) -> Cycles:
        """As the dataflow engine predicts them for queues of so many activations."""
        network = Network((Unit("engine", replace(self.engine, depth=depth), ("i",), ("o",)),))
        prediction = predict(network)
        return Cycles(prediction.interval, prediction.latency, self.work, self.elements)

    def depth_for(self, efficiency: float) -> int | None:
        """The least depth with at least so many per cent, or None: more room never makes it slower."""
        low, high = 1, int(np.count_nonzero(self.active)) + 1
        if self.cycles(high).efficiency < efficiency:
            return None
        while low < high:
            middle = (low + high) // 2
            if self.cycles(middle).efficiency >= efficiency:
                high = middle
            else:
                low = middle + 1
        return low
