"""A sparse engine's matrix in compressed sparse columns, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial

import numpy as np

from ..coding.csc import Csc, encode
from .lanes import check_positive
from .rom import packed
from .sparse_stored import LoadPart, StoredWeights

__all__ = ["BANKS", "SparseParameters"]

BANKS = ("even", "odd")
"""The banks of pointers: those of the columns of even numbers and of odd ones."""


@dataclass(frozen=True, eq=False)
class SparseParameters(StoredWeights):
    """A matrix of integers, most of them 0, whose columns hold their weights and the zeros between them (EIE's format).

    Parameters
    ----------
    run_bits
        Bits of a run of zeros in front of a weight. A longer run takes an entry of value 0 for each 2^run_bits zeros.
    """

    _: KW_ONLY
    run_bits: int = 4

    def __post_init__(self):
        check_positive("run_bits", self.run_bits)
        super().__post_init__()

    @cached_property
    def csc(self) -> Csc:
        """The matrix, coded."""
        return encode(self.weights, self.elements, self.run_bits)

    @property
    def counts(self) -> np.ndarray:
        return self.csc.counts

    @property
    def codebook(self) -> np.ndarray:
        return self.csc.codebook

    @property
    def entries(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        return tuple(zip(self.csc.codes, self.csc.runs, strict=True))

    @property
    def entry_run_bits(self) -> int:
        return self.run_bits

    @property
    def count_bits(self) -> int:
        """Bits that tell apart how many entries of a column an element has."""
        return max(1, (self.slots if self.loadable else int(self.csc.counts.max())).bit_length())

    @property
    def pointer_bits(self) -> int:
        """Bits of a column's first entry. Pointers are modulo two to these bits: only the last can be more."""
        return max(1, (self.entry_words * self.read_width - 1).bit_length(), self.count_bits)

    @property
    def pointer_words(self) -> tuple[list[int], list[int]]:
        """The two banks of pointers, those of the even columns and of the odd ones; element 0's lowest in a word."""
        even, odd = (packed(self.csc.pointers.T[bank::2], self.pointer_bits) for bank in (0, 1))
        return even, odd

    @property
    def pointers_a_word(self) -> int:
        """Elements whose pointers share a memory where they are loaded: as many as a word of entries has room for."""
        return max(1, self.read_width * self.entry_bits // self.pointer_bits)

    def pointer_parts(self, bank: int) -> Iterator[tuple[str, range]]:
        """The memories of a bank where they are loaded: their names, and the elements whose pointers they hold."""
        for begin in range(0, self.elements, self.pointers_a_word):
            yield f"pointers_{BANKS[bank]}{begin}", range(begin, min(begin + self.pointers_a_word, self.elements))

    def load_parts(self) -> Iterator[LoadPart]:
        yield from super().load_parts()
        for bank in (0, 1):
            pointers = self.csc.pointers.T[bank::2]
            for name, elements in self.pointer_parts(bank):
                yield LoadPart(name, len(pointers), (self.pointer_bits,), len(elements), partial(
                    packed, pointers[:, elements.start : elements.stop], self.pointer_bits))

    @property
    def item_bits(self) -> int:
        return self.pointer_bits + self.count_bits

    @property
    def memory_bits(self) -> dict[str, int]:
        return {"pointers": (self.columns + 1) * self.elements * self.pointer_bits} | super().memory_bits
