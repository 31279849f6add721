"""What sparse engines are made from, however they know where the weights are."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from .lanes import check_positive, words
from .number import IntType
from .pipeline import DEGREES, check_pipeline
from .schedule import Engine

__all__ = ["EngineParameters"]


@dataclass(frozen=True, eq=False)
class EngineParameters:
    """A matrix of integers, the engine's elements and its streams.

    Parameters
    ----------
    weights
        int64 ``[rows, columns]``. Row ``i`` is worked on by element ``i mod elements``.
    elements
        Processing elements; each works on one weight a cycle.
    lanes, lanes_out
        Activations and dot products in a word. ``lanes_out`` divides ``elements``.
    depth
        Activations that each element's queue holds, beside the one it works on.
    input, output
        Types; the input is not bipolar, and the output is by default ``accumulator``.
    accumulator
        A type that holds every dot product that occurs, if the caller knows better than the input's type says.
    positions
        Vectors a frame.
    pipeline
        How short paths between registers are, a degree of ``hdl.pipeline.DEGREES``; all above 0 are one: what tells of
        a column is registered before it is offered to the elements.

    Raises
    ------
    ValueError
        If a number or type is not as said above.
    """

    weights: np.ndarray
    elements: int
    _: KW_ONLY
    input: IntType
    lanes: int = 1
    lanes_out: int = 1
    depth: int = 8
    output: IntType | None = None
    accumulator: IntType | None = None
    positions: int = 1
    pipeline: int = 0

    def __post_init__(self):
        weights = np.asarray(self.weights, dtype=np.int64)
        if weights.ndim != 2 or not weights.size:
            raise ValueError(f"weights must be a matrix [rows, columns], not an array of shape {weights.shape}")
        object.__setattr__(self, "weights", weights)
        for what in ("elements", "lanes", "lanes_out", "depth", "positions"):
            check_positive(what, getattr(self, what))
        check_pipeline(self.pipeline)
        if self.elements % self.lanes_out:
            raise ValueError(f"lanes_out must divide the {self.elements} elements, not {self.lanes_out}")
        if self.input.bipolar:
            raise ValueError("input must be a type that has a zero, not bipolar")
        self._check()
        object.__setattr__(self, "accumulator", self.accumulator or self._dot_products())
        object.__setattr__(self, "output", self.output or self.accumulator)

    def _check(self) -> None:
        """Check what a kind of engine has beside, and settle what it leaves to a default."""

    def _dot_products(self) -> IntType:
        """The narrowest type of every dot product with activations of the input's type, and of 0."""
        lo = hi = 0
        for row in self.weights:
            positive, negative = int(row.sum(where=row > 0)), int(row.sum(where=row < 0))
            lo = min(lo, positive * self.input.lo + negative * self.input.hi)
            hi = max(hi, positive * self.input.hi + negative * self.input.lo)
        return IntType.spanning(lo, hi)

    @property
    def rows(self) -> int:
        return self.weights.shape[0]

    @property
    def columns(self) -> int:
        return self.weights.shape[1]

    @property
    def slots(self) -> int:
        """Rows of an element, those that are not there included."""
        return words(self.rows, self.elements)

    @property
    def words_in(self) -> int:
        """Words of a vector."""
        return words(self.columns, self.lanes)

    @property
    def words_out(self) -> int:
        """Words of a vector's dot products."""
        return words(self.rows, self.lanes_out)

    @property
    def loadable(self) -> bool:
        """Whether the unit has an input ``load``."""
        return False

    @property
    def counts(self) -> np.ndarray:
        """Entries of each element in each column: int32 ``[columns, elements]``."""
        raise NotImplementedError

    @property
    def weight(self) -> IntType:
        """The type that all weights have."""
        return IntType.spanning(int(self.weights.min()), int(self.weights.max()))

    @property
    def stages(self) -> int:
        """An entry that is worked on in cycle ``t`` has its slot and weight in registers in cycle ``t + stages``."""
        return 3

    @property
    def latency(self) -> int:
        """Cycles from an element's last cycle of work to the first read of its sums: see ``hdl.sparse_element``."""
        return self.stages + 2

    @property
    def schedule(self) -> Engine:
        return Engine(self.counts, self.lanes, self.depth, self.words_out, self.latency, 2, self.positions,
                      reads=DEGREES[self.pipeline].reads)

    @property
    def item_bits(self) -> int:
        """Bits of what an element is told of a column, beside the activation and two flags."""
        raise NotImplementedError

    @property
    def memory_bits(self) -> dict[str, int]:
        """Bits of memory by what they hold."""
        assert self.accumulator is not None  # once the parameters are made
        return {
            "accumulators": 2 * self.slots * self.elements * self.accumulator.bits,
            "queues": self.depth * self.elements * (self.input.bits + self.item_bits + 2),
        }
