"""Sparse engines whose elements hold their weights: entries in memories that are built in or loaded, and codebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial

import numpy as np

from ..coding.coded import Layout, Section
from .lanes import check_positive, words
from .number import IntType
from .rom import packed
from .sparse_parameters import EngineParameters

__all__ = ["MEMORIES", "LoadPart", "StoredWeights"]

MEMORIES = ("rom", "loadable")
LONGEST = 12
"""Bits that a coded stream's field has at most."""
CODED = 8
"""Bits up to which codes and runs have a table: a decoder's memory doubles with each."""


@dataclass(frozen=True)
class LoadPart:
    """A memory that is loaded: ``words`` words, in each of them ``fields`` of so many bits ``times`` times."""

    name: str
    words: int
    fields: tuple[int, ...]
    times: int
    give: Callable[[], list[int]]


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
        Where the matrix comes from. "rom": built in. "loadable": built in, and written anew through the input ``load``.
    weight_type
        Of "loadable" weights to come: their type, by default the narrowest of those that are built in.
    entries_capacity
        Of "loadable" weights to come: entries that an element's memory can hold. By default as many as are needed.
    """

    _: KW_ONLY
    code_bits: int | None = None
    read_width: int = 8
    memory: str = "rom"
    weight_type: IntType | None = None
    entries_capacity: int | None = None

    def _check(self) -> None:
        check_positive("read_width", self.read_width)
        if self.read_width & self.read_width - 1:
            raise ValueError(f"read_width must be a power of two, not {self.read_width}")
        if self.memory not in MEMORIES:
            raise ValueError(f"memory must be one of {', '.join(MEMORIES)}, not {self.memory!r}")
        for what in ("weight_type", "entries_capacity"):
            if getattr(self, what) is not None and not self.loadable:
                raise ValueError(f"{what} is what weights that are loaded may be: only with memory 'loadable'")
        values = self.codebook
        if not self.weight.holds(values):
            raise ValueError(f"weights must be of type {self.weight}, not {values[0]} to {values[-1]}")
        least = max(1, (len(values) - 1).bit_length())
        object.__setattr__(self, "code_bits", self.code_bits or least)
        if check_positive("code_bits", self.code_bits) < least:
            raise ValueError(f"code_bits must be at least {least} for a codebook of {len(values)} values, not "
                             f"{self.code_bits}")
        if check_positive("entries_capacity", self.entries_capacity or self._most_entries) < self._most_entries:
            raise ValueError(f"entries_capacity must be at least the {self._most_entries} entries of the fullest "
                             f"element, not {self.entries_capacity}")

    def _dot_products(self) -> IntType:
        """Of weights that can be loaded: the type of every dot product with any weights of their type."""
        if not self.loadable:
            return super()._dot_products()
        corners = [w * a * self.columns for w in (self.weight.lo, self.weight.hi)
                   for a in (self.input.lo, self.input.hi)]
        return IntType.spanning(min(corners), max(corners))

    @cached_property
    def weight(self) -> IntType:
        """The type of the values in the codebook."""
        return self.weight_type or IntType.spanning(int(self.codebook[0]), int(self.codebook[-1]))

    @cached_property
    def _most_entries(self) -> int:
        """Those of the fullest element, 1 at least."""
        return max(1, *(len(codes) for codes, _ in self.entries))

    @property
    def loadable(self) -> bool:
        """Whether the unit has an input ``load``."""
        return self.memory == "loadable"

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
        """Words of each element's memory of entries."""
        return words(self.entries_capacity or self._most_entries, self.read_width)

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

    def load_parts(self) -> Iterator[LoadPart]:
        """The memories behind ``load``, in the order in which it fills them."""
        if self.coded:
            yield LoadPart("codebook", 1 << self._code_bits, (self.weight.bits,), 1, lambda: self.codebook_words)
        for element in range(self.elements):
            fields = (self.value_bits, *(self.entry_run_bits,) * (self.entry_run_bits > 0))
            yield LoadPart(f"entries{element}", self.entry_words, fields, self.read_width,
                           partial(self.entries_of, element))

    @property
    def load_words(self) -> tuple[int, ...]:
        """What to write to ``load``, in order, for these weights.

        Parameters for other weights of the same shape, types, bits and capacity give the words that turn this unit into
        theirs; its schedule is then theirs, too.
        """
        return tuple(word for part in self.load_parts() for word in part.give())

    @property
    def load_bits(self) -> int:
        """Bits of a word of ``load``: those of the widest memory."""
        return max(sum(part.fields) * part.times for part in self.load_parts())

    @property
    def load_layout(self) -> Layout:
        """How the words can be coded: tables for the entries' codes and for their runs, the rest as it is."""
        sections: list[Section] = []
        for part in self.load_parts():
            fields: list[tuple[int, int | None]] = []
            for bits in part.fields:
                if part.name.startswith("entries") and bits <= CODED:
                    fields.append((bits, sum(number is not None for _, number in fields)))
                else:
                    fields += [(min(LONGEST, bits - begin), None) for begin in range(0, bits, LONGEST)]
            words_before = 0
            if sections and (sections[-1].fields, sections[-1].times) == (tuple(fields), part.times):
                words_before = sections.pop().words
            sections.append(Section(words_before + part.words, tuple(fields), part.times))
        return Layout(tuple(sections), LONGEST)

    @property
    def memory_bits(self) -> dict[str, int]:
        return {
            "entries": self.entry_words * self.read_width * self.entry_bits * self.elements,
            "codebook": self.weight.bits * len(self.codebook_words) * self.elements if self.coded else 0,
        } | super().memory_bits
