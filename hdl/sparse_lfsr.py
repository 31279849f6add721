"""An index that is stored nowhere: a shift register says which rows a column has its weights in.

The positions are those of ``coding.lfsr`` (after Ardakani, Condo, Gross, ICLR 2017). Every column has the same number
of entries in every element, so there are no pointers; and no runs, since each element has a register that gives them.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib import data

from ..coding.lfsr import Lfsr, advanced, linear
from .counter import below, wrapping_add
from .sparse_index import StoredIndex, StoredWalk, Walk
from .sparse_load import PartLoad
from .sparse_stored import StoredWeights

__all__ = ["LfsrIndex", "LfsrParameters"]


@dataclass(frozen=True, eq=False)
class LfsrParameters(StoredWeights):
    """A matrix that has its weights where ``index`` says.

    Raises
    ------
    ValueError
        Also if the index is for another number of elements or another shape, or a weight is where it says none is.
    """

    _: KW_ONLY
    index: Lfsr

    def __post_init__(self):
        if self.elements != self.index.elements:
            raise ValueError(f"elements must be the index's {self.index.elements}, not {self.elements}")
        super().__post_init__()

    @cached_property
    def stored(self) -> np.ndarray:
        """The weights in the order of the entries: int64 ``[elements, columns, kept]``."""
        return self.index.entries(self.weights)

    @cached_property
    def codebook(self) -> np.ndarray:
        return np.unique(self.stored)

    @cached_property
    def entries(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        codes = np.searchsorted(self.codebook, self.stored).reshape(self.elements, -1)
        return tuple((own, np.zeros_like(own)) for own in codes)

    @property
    def counts(self) -> np.ndarray:
        return np.full((self.columns, self.elements), self.index.kept, dtype=np.int32)

    @property
    def pointer_bits(self) -> int:
        """Bits of an entry's place in the memory."""
        return max(1, (self.entry_words * self.read_width - 1).bit_length())

    @property
    def item_bits(self) -> int:
        return self.pointer_bits + self.index.width


def _linear(images: np.ndarray, value, added: int = 0) -> Value:
    """The gates of a linear function (``coding.lfsr.linear``): XORs of the bits of ``value``, and of a constant."""
    bits = []
    for place in range(64):
        if 1 << place > (int(images.max()) | added):
            break
        ones = [value[bit] for bit, image in enumerate(images.tolist()) if image >> place & 1]
        bits.append(Cat(*ones).xor() ^ (added >> place & 1) if ones else Const(added >> place & 1, 1))
    return Cat(*bits)


class LfsrIndex(StoredIndex):
    """Shift registers: an item says where a column's entries are, and the register at its beginning."""

    def __init__(self, parameters: LfsrParameters, platform, load: PartLoad | None = None):
        super().__init__(parameters, platform, load)
        self.item = data.StructLayout({"start": parameters.pointer_bits, "state": parameters.index.width})

    def columns(self, m: Module, column, enters) -> list[tuple[Value, list]]:
        """Entries of column j begin at j times their number; the register is XORs of the bits of j, for each element
        others."""
        p = self._parameters
        lfsr = p.index
        held, start = Signal.like(column, name="column_held", reset_less=True), Signal(p.pointer_bits, name="start")
        with m.If(enters):
            m.d.sync += held.eq(column)
        m.d.comb += start.eq(held * lfsr.kept)
        found = []
        for k in range(p.elements):
            state = Signal(lfsr.width, name=f"state{k}")
            seed = int(linear(lfsr.leaps[k], lfsr.seeds[k : k + 1])[0])
            m.d.comb += state.eq(_linear(lfsr.leaps[k, : len(held)], held, seed))
            found.append((Const(1), [start, state]))
        return found

    def walk(self, m: Module, element) -> Walk:
        return _LfsrWalk(m, self._platform, self._parameters, element)


class _LfsrWalk(StoredWalk):
    """As many entries as are kept; the register steps from one to the next."""

    def __init__(self, m: Module, platform, parameters: LfsrParameters, element):
        super().__init__(m, platform, parameters, element, parameters.pointer_bits)
        self._lfsr = parameters.index
        self._state = Signal(self._lfsr.width, name="state", reset_less=True)
        self._left = Signal(below(self._lfsr.kept), name="entries_left", reset_less=True)
        m.d.comb += self.last.eq(self._left == 0)

    def begin(self, item) -> list:
        return [self.address.eq(item.start), self.first.eq(1), self._left.eq(self._lfsr.kept - 1),
                self._state.eq(item.state)]

    def step(self) -> list:
        lfsr = self._lfsr
        images = advanced(np.int64(1) << np.arange(lfsr.width), lfsr.run_bits, lfsr.width)
        return [*super().step(), self._left.eq(self._left - 1), self._state.eq(_linear(images, self._state))]

    def slot(self, entry, works, first) -> Value:
        """The register of cycle 0 says in cycle 1 where a column begins, in cycle 2 how far on the next slot is."""
        m, lfsr = self._m, self._lfsr
        high = Signal(max(1, lfsr.start_bits), name="high", reset_less=True)
        run1, run2 = (Signal(max(1, lfsr.run_bits), name=f"run{stage}", reset_less=True) for stage in (1, 2))
        slot, begin = (Signal(below(lfsr.slots), name=name, reset_less=True) for name in ("slot", "slot_begin"))
        m.d.sync += [
            high.eq(self._state[lfsr.width - lfsr.start_bits :] if lfsr.start_bits else 0),
            run1.eq(self._state[: lfsr.run_bits]), run2.eq(run1),
            begin.eq(high * lfsr.slots >> lfsr.start_bits),
        ]
        step = Signal(range((1 << lfsr.run_bits) + 1), name="slot_step")
        m.d.comb += step.eq(run2 + 1)
        following = wrapping_add(m, slot, step, lfsr.slots, name="slot_after")
        with m.If(works):
            m.d.sync += slot.eq(Mux(first, begin, following))
        return slot
