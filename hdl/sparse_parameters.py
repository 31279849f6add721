"""What sparse engines are made from, however they know where the weights are; and how their memories hold weights."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np

from .lanes import check_positive, words
from .number import IntType
from .rom import packed
from .schedule import Engine

__all__ = ["MEMORIES", "EngineParameters", "StoredWeights"]

MEMORIES = ("rom",)


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

    def __post_init__(self):
        weights = np.asarray(self.weights, dtype=np.int64)
        if weights.ndim != 2 or not weights.size:
            raise ValueError(f"weights must be a matrix [rows, columns], not an array of shape {weights.shape}")
        object.__setattr__(self, "weights", weights)
        for what in ("elements", "lanes", "lanes_out", "depth", "positions"):
            check_positive(what, getattr(self, what))
        if self.elements % self.lanes_out:
            raise ValueError(f"lanes_out must divide the {self.elements} elements, not {self.lanes_out}")
        if self.input.bipolar:
            raise ValueError("input must be a type that has a zero, not bipolar")
        object.__setattr__(self, "accumulator", self.accumulator or self._dot_products())
        object.__setattr__(self, "output", self.output or self.accumulator)

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
        return Engine(self.counts, self.lanes, self.depth, self.words_out, self.latency, 2, self.positions)

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


@dataclass(frozen=True, eq=False)
class StoredWeights(EngineParameters):
    """An engine whose elements hold their weights, entry after entry, as codes into a codebook.

    Parameters
    ----------
    code_bits
        Bits of a weight's code, by default the least. If they are no fewer than those of the weights themselves, there
        is no codebook: the code is the weight.
    read_width
        Entries in a word of an element's memory, a power of two.
    memory
        Where the matrix comes from. "rom": built in.
    """

    _: KW_ONLY
    code_bits: int | None = None
    read_width: int = 8
    memory: str = "rom"

    def __post_init__(self):
        super().__post_init__()
        check_positive("read_width", self.read_width)
        if self.read_width & self.read_width - 1:
            raise ValueError(f"read_width must be a power of two, not {self.read_width}")
        if self.memory not in MEMORIES:
            raise ValueError(f"memory must be one of {', '.join(MEMORIES)}, not {self.memory!r}")
        least = max(1, (len(self.codebook) - 1).bit_length())
        object.__setattr__(self, "code_bits", self.code_bits or least)
        if check_positive("code_bits", self.code_bits) < least:
            raise ValueError(f"code_bits must be at least {least} for a codebook of {len(self.codebook)} values, not "
                             f"{self.code_bits}")

    @property
    def codebook(self) -> np.ndarray:
        """The values of all entries: int64, ascending."""
        raise NotImplementedError

    @property
    def entries(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Of each element, the codes of its entries and their runs, column after column."""
        raise NotImplementedError

    @property
    def entry_run_bits(self) -> int:
        """Bits of the run that an entry holds, 0 if it holds none."""
        return 0

    @cached_property
    def weight(self) -> IntType:
        """The type of the values in the codebook."""
        return IntType.spanning(int(self.codebook[0]), int(self.codebook[-1]))

    @property
    def coded(self) -> bool:
        """Whether entries hold codes, not the weights themselves."""
        return self._code_bits < self.weight.bits

    @property
    def _code_bits(self) -> int:
        assert self.code_bits is not None  # once the parameters are made
        return self.code_bits

    @property
    def value_bits(self) -> int:
        """Bits of an entry's code or weight."""
        return min(self._code_bits, self.weight.bits)

    @property
    def entry_bits(self) -> int:
        """Bits of an entry: the code or weight in the low bits, then the run."""
        return self.value_bits + self.entry_run_bits

    @property
    def entry_words(self) -> int:
        """Words of the largest element's memory of entries, 1 at least."""
        return max(1, words(max(len(codes) for codes, _ in self.entries), self.read_width))

    def entries_of(self, element: int) -> list[int]:
        """The words of an element's memory: ``read_width`` entries each, the first one lowest."""
        values, runs = self.entries[element]
        if not self.coded:
            values = self.codebook[values] & (1 << self.value_bits) - 1
        entries = np.zeros(self.entry_words * self.read_width, dtype=np.int64)
        entries[: len(values)] = values | runs << self.value_bits
        return packed(entries.reshape(-1, self.read_width), self.entry_bits)

    @property
    def codebook_words(self) -> list[int]:
        """The codebook, each value of ``weight``'s bits; what no code names is 0."""
        values = [int(value) & (1 << self.weight.bits) - 1 for value in self.codebook]
        return values + [0] * ((1 << self._code_bits) - len(values))

    @property
    def memory_bits(self) -> dict[str, int]:
        return {
            "entries": self.entry_words * self.read_width * self.entry_bits * self.elements,
            "codebook": self.weight.bits * len(self.codebook_words) * self.elements if self.coded else 0,
        } | super().memory_bits
