"""What a sparse engine is made from: a coded matrix, the number of elements, and everything that follows from them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np

from ..coding.csc import Csc, encode
from .lanes import check_positive, words
from .number import IntType
from .rom import packed
from .schedule import Engine

__all__ = ["INDEXES", "MEMORIES", "SparseParameters"]

MEMORIES = ("rom",)
INDEXES = ("runs",)
LATENCY = 5
"""Cycles from an element's last cycle of work to the first read of its sums: see ``hdl.sparse_element``."""


@dataclass(frozen=True, eq=False)
class SparseParameters:
    """A matrix of integers, most of them 0, its elements and its streams.

    Parameters
    ----------
    weights
        int64 ``[rows, columns]``. Row ``i`` is worked on by element ``i mod elements``.
    elements
        Processing elements; each works on one weight a cycle.
    lanes, lanes_out
        Activations and dot products in a word. ``lanes_out`` divides ``elements``.
    run_bits
        Bits of a run of zeros in front of a weight. A longer run takes an entry of value 0 for each 2^run_bits zeros.
    code_bits
        Bits of a weight's code, by default the least. If they are no fewer than those of the weights themselves, there
        is no codebook: the code is the weight.
    depth
        Activations that each element's queue holds, beside the one it works on.
    read_width
        Entries in a word of an element's memory, a power of two.
    input, output
        Types; the input is not bipolar, and the output is by default ``accumulator``.
    accumulator
        A type that holds every dot product that occurs, if the caller knows better than the input's type says.
    positions
        Vectors a frame.
    memory
        Where the matrix comes from. "rom": built in.
    index
        How the rows of the weights are known. "runs": from the zeros between them, which are stored (``coding.csc``).

    Raises
    ------
    ValueError
        If a number, type or name is not as said above.
    """

    weights: np.ndarray
    elements: int
    _: KW_ONLY
    input: IntType
    lanes: int = 1
    lanes_out: int = 1
    run_bits: int = 4
    code_bits: int | None = None
    depth: int = 8
    read_width: int = 8
    output: IntType | None = None
    accumulator: IntType | None = None
    positions: int = 1
    memory: str = "rom"
    index: str = "runs"

    def __post_init__(self):
        weights = np.asarray(self.weights, dtype=np.int64)
        if weights.ndim != 2 or not weights.size:
            raise ValueError(f"weights must be a matrix [rows, columns], not an array of shape {weights.shape}")
        object.__setattr__(self, "weights", weights)
        for what in ("elements", "lanes", "lanes_out", "run_bits", "depth", "read_width", "positions"):
            check_positive(what, getattr(self, what))
        if self.elements % self.lanes_out:
            raise ValueError(f"lanes_out must divide the {self.elements} elements, not {self.lanes_out}")
        if self.read_width & self.read_width - 1:
            raise ValueError(f"read_width must be a power of two, not {self.read_width}")
        if self.input.bipolar:
            raise ValueError("input must be a type that has a zero, not bipolar")
        for what, among in (("memory", MEMORIES), ("index", INDEXES)):
            if getattr(self, what) not in among:
                raise ValueError(f"{what} must be one of {', '.join(among)}, not {getattr(self, what)!r}")
        object.__setattr__(self, "code_bits", self.code_bits or self.csc.code_bits)
        if check_positive("code_bits", self.code_bits) < self.csc.code_bits:
            raise ValueError(f"code_bits must be at least {self.csc.code_bits} for a codebook of "
                             f"{len(self.csc.codebook)} values, not {self.code_bits}")
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

    @cached_property
    def csc(self) -> Csc:
        """The matrix, coded."""
        return encode(self.weights, self.elements, self.run_bits)

    @property
    def schedule(self) -> Engine:
        return Engine(self.csc.counts, self.lanes, self.depth, self.words_out, LATENCY, 2, self.positions)

    @cached_property
    def weight(self) -> IntType:
        """The type of the values in the codebook."""
        return IntType.spanning(int(self.csc.codebook[0]), int(self.csc.codebook[-1]))

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
        return self.value_bits + self.run_bits

    @property
    def entry_words(self) -> int:
        """Words of the largest element's memory of entries, 1 at least."""
        return max(1, words(int(self.csc.pointers[:, -1].max()), self.read_width))

    @property
    def count_bits(self) -> int:
        """Bits that tell apart how many entries of a column an element has."""
        return max(1, int(self.csc.counts.max()).bit_length())

    @property
    def pointer_bits(self) -> int:
        """Bits of a column's first entry. Pointers are modulo two to these bits: only the last can be more."""
        return max(1, (self.entry_words * self.read_width - 1).bit_length(), self.count_bits)

    def entries_of(self, element: int) -> list[int]:
        """The words of an element's memory: ``read_width`` entries each, the first one lowest."""
        values = self.csc.codes[element]
        if not self.coded:
            values = self.csc.codebook[values] & (1 << self.value_bits) - 1
        entries = np.zeros(self.entry_words * self.read_width, dtype=np.int64)
        entries[: len(values)] = values | self.csc.runs[element] << self.value_bits
        return packed(entries.reshape(-1, self.read_width), self.entry_bits)

    @property
    def codebook_words(self) -> list[int]:
        """The codebook, each value of ``weight``'s bits; what no code names is 0."""
        values = [int(value) & (1 << self.weight.bits) - 1 for value in self.csc.codebook]
        return values + [0] * ((1 << self._code_bits) - len(values))

    @property
    def pointer_words(self) -> tuple[list[int], list[int]]:
        """The two banks of pointers, those of the even columns and of the odd ones; element 0's lowest in a word."""
        even, odd = (packed(self.csc.pointers.T[bank::2], self.pointer_bits) for bank in (0, 1))
        return even, odd

    @property
    def memory_bits(self) -> dict[str, int]:
        """Bits of memory by what they hold."""
        assert self.accumulator is not None
        item = self.input.bits + self.pointer_bits + self.count_bits + 2
        return {
            "pointers": (self.columns + 1) * self.elements * self.pointer_bits,
            "entries": self.entry_words * self.read_width * self.entry_bits * self.elements,
            "codebook": self.weight.bits * len(self.codebook_words) * self.elements if self.coded else 0,
            "accumulators": 2 * self.slots * self.elements * self.accumulator.bits,
            "queues": self.depth * self.elements * item,
        }
