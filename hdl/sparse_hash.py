"""An index that shares weights: a hash of row and column says which of few real weights stands there, and its sign.

HashedNets (Chen, Wilson, Tyree, Weinberger, Chen, ICML 2015) as ``coding.xxhash32`` has them. Every row of every column
whose activation is not zero is worked on; what is saved is the memory, which holds the real weights alone.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ..coding.xxhash32 import PRIMES, Hash
from .counter import below
from .number import IntType
from .rom import add_rom
from .sparse_index import Index, Walk
from .sparse_load import PartLoad
from .sparse_parameters import EngineParameters

__all__ = ["HashIndex", "HashParameters"]

_MASK = (1 << 32) - 1


@dataclass(frozen=True, eq=False)
class HashParameters(EngineParameters):
    """A virtual matrix of real weights, which ``index`` spreads. Its banks divide the elements.

    Raises
    ------
    ValueError
        Also if the matrix is not one of real weights so spread.
    """

    _: KW_ONLY
    index: Hash

    def __post_init__(self):
        super().__post_init__()
        if self.elements % self.index.banks:
            raise ValueError(f"the index's banks must divide the {self.elements} elements, not {self.index.banks}")
        _ = self.real

    @cached_property
    def real(self) -> np.ndarray:
        """The real weights: int64 ``[size]``."""
        return self.index.weights(self.weights)

    @cached_property
    def weight(self) -> IntType:
        """The type of the real weights and their negatives."""
        largest = int(np.abs(self.real).max())
        return IntType.spanning(-largest, largest)

    @property
    def counts(self) -> np.ndarray:
        rows = np.bincount(np.arange(self.rows) % self.elements, minlength=self.elements)
        return np.tile(rows.astype(np.int32), (self.columns, 1))

    @property
    def stages(self) -> int:
        """Five cycles for the hash, one to read the weight, one for its sign."""
        return 7

    @property
    def item_bits(self) -> int:
        return 32

    @property
    def memory_bits(self) -> dict[str, int]:
        """``weights``: each element has those of its bank."""
        return {"weights": self.index.bank_size * self.weight.bits * self.elements} | super().memory_bits

    def words_of(self, element: int) -> list[int]:
        """The real weights in an element's memory."""
        bank, size = element % self.index.banks, self.index.bank_size
        return (self.real[bank * size : (bank + 1) * size] & (1 << self.weight.bits) - 1).tolist()


class HashIndex(Index):
    """A hash: an item says what the column contributes to it."""

    def __init__(self, parameters: HashParameters, platform, load: PartLoad | None = None):
        super().__init__(parameters, platform, load)
        self.item = data.StructLayout({"column": 32})
        self.members = {"begin": In(32), "final": In(below(parameters.slots)),
                        "place": Out(below(parameters.index.bank_size)), "real": In(parameters.weight.bits)}

    def columns(self, m: Module, column, enters) -> list[tuple[Value, list]]:
        """The column times the third prime, for all elements."""
        held, product = Signal.like(column, name="column_held", reset_less=True), Signal(32, name="column_hash")
        with m.If(enters):
            m.d.sync += held.eq(column)
        m.d.comb += product.eq(held * PRIMES[2])
        return [(Const(int(count > 0)), [product]) for count in self._parameters.counts[0]]

    def feed(self, m: Module, number: int, element) -> None:
        """What the hash makes of its seed, its length and the element's first row; its last row; its real weights."""
        p = self._parameters
        m.d.comb += [
            element.begin.eq(p.index.seed + PRIMES[4] + 8 + number * PRIMES[2] & _MASK),
            element.final.eq(max(0, int(p.counts[0, number]) - 1)),
            element.real.eq(add_rom(m, self._platform, p.words_of(number), p.weight.bits, element.place, 1,
                                    name=f"weights{number}")),
        ]

    def walk(self, m: Module, element) -> Walk:
        return _HashWalk(m, self._platform, self._parameters, element)


class _HashWalk(Walk):
    """One slot after another."""

    def __init__(self, m: Module, platform, parameters: HashParameters, element):
        self._m, self._platform, self._parameters, self._element = m, platform, parameters, element
        self._slot = Signal(below(parameters.slots), name="slot", reset_less=True)
        # What the hash makes of its seed, its length and the row: the state before the first rotation.
        self._row = Signal(32, name="row_hash", reset_less=True)
        self._column = Signal(32, name="column_hash", reset_less=True)
        self.last = Signal(name="last_entry")
        m.d.comb += self.last.eq(self._slot == element.final)

    def begin(self, item) -> list:
        return [self._slot.eq(0), self._row.eq(self._element.begin), self._column.eq(item.column)]

    def step(self) -> list:
        step = self._parameters.elements * PRIMES[2] & _MASK
        return [self._slot.eq(self._slot + 1), self._row.eq(self._row + step)]

    def weigh(self, works) -> tuple[Value, Value]:
        """xxHash32, an operation or two a cycle, with multipliers by constants; then the weight, then its sign."""
        m, p = self._m, self._parameters

        def register(value, name: str) -> Signal:
            made = Signal(32, name=name, reset_less=True)
            m.d.sync += made.eq(value)
            return made

        _, two, three, four, _ = PRIMES
        state = register(self._row.rotate_left(17) * four, "hash1")
        mixed = register((state + register(self._column, "column1"))[:32].rotate_left(17), "hash2")
        state = register(mixed * four, "hash3")
        state = register((state ^ state >> 15) * two, "hash4")
        state = register((state ^ state >> 13) * three, "hash5")
        hashed, negative = Signal(32, name="hashed"), Signal(name="negative", reset_less=True)
        m.d.comb += hashed.eq(state ^ state >> 16)
        m.d.sync += negative.eq(hashed[31])
        m.d.comb += self._element.place.eq(hashed[: (p.index.bank_size - 1).bit_length()])
        shape = Shape(p.weight.bits, p.weight.signed)
        real, weight = Signal(shape, name="real_weight"), Signal(shape, name="weight", reset_less=True)
        m.d.comb += real.eq(self._element.real)
        m.d.sync += weight.eq(Mux(negative, -real, real))
        slot = self._slot
        for stage in range(1, p.stages + 1):
            later = Signal.like(slot, name=f"slot{stage}", reset_less=True)
            m.d.sync += later.eq(slot)
            slot = later
        return slot, weight
