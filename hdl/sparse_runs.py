"""The index of compressed sparse columns: pointers say where a column's entries are, runs which rows they are of."""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import data

from .counter import below
from .rom import add_rom
from .sparse_index import StoredIndex, StoredWalk, Walk
from .sparse_load import PartLoad
from .sparse_matrix import BANKS, SparseParameters

__all__ = ["RunsIndex"]


class RunsIndex(StoredIndex):
    """The memories' index: pointers in two banks, entries in a memory for each element (EIE, section 4)."""

    def __init__(self, parameters: SparseParameters, platform, load: PartLoad | None = None):
        super().__init__(parameters, platform, load)
        self.item = data.StructLayout({"start": parameters.pointer_bits, "end": parameters.count_bits})

    def columns(self, m: Module, column, enters) -> list[tuple[Value, list]]:
        """Column j begins at pointer j and ends at pointer j + 1, one of which is in either bank."""
        p = self._parameters
        odd = Signal(name="column_odd", reset_less=True)
        with m.If(enters):
            m.d.sync += odd.eq(column[0])
        banks = []
        for name, words, address in zip(BANKS, p.pointer_words, (column + 1 >> 1, column >> 1), strict=True):
            at = Signal(below(len(words)), name=f"{name}_address")
            bank = Signal(p.elements * p.pointer_bits, name=f"{name}_pointers")
            m.d.comb += at.eq(address)
            m.d.comb += bank.eq(self._bank(m, len(banks), words, at, enters))
            banks.append(bank)
        found = []
        for k in range(p.elements):
            even_one, odd_one = (bank[k * p.pointer_bits :][: p.pointer_bits] for bank in banks)
            start = Signal(p.pointer_bits, name=f"start{k}")
            end = Signal(p.count_bits, name=f"end{k}")
            present = Signal(name=f"present{k}")
            m.d.comb += [
                start.eq(Mux(odd, odd_one, even_one)),
                end.eq(Mux(odd, even_one, odd_one)),
                present.eq(_differ(m, even_one[: p.count_bits], odd_one[: p.count_bits], f"differs{k}")),
            ]
            found.append((present, [start, end]))
        return found

    def _bank(self, m: Module, bank: int, words: list[int], address, enters) -> Value:
        """A bank's memory: one for all elements, or one for as many as the load port writes at once."""
        p, bits = self._parameters, self._parameters.pointer_bits
        if self._load is None:
            return add_rom(m, self._platform, words, p.elements * bits, address, enters, name=f"pointers_{BANKS[bank]}")
        return Cat(self._load.memory([word >> own.start * bits & (1 << len(own) * bits) - 1 for word in words],
                                     len(own) * bits, address, enters, name=name)
                   for name, own in p.pointer_parts(bank))

    def walk(self, m: Module, element) -> Walk:
        return _RunsWalk(m, self._platform, self._parameters, element)


def _differ(m: Module, even: Value, odd: Value, name: str) -> Value:
    """Whether a column has entries: its pointers differ. None has as many entries as these bits can count.

    Which of the two is the beginning does not matter, and the memories answer too late for that multiplexer or for
    the chain of lookup tables that synthesis makes of one comparison; two bits each of both fill one of four inputs.
    """
    parts = Signal((len(even) + 1) // 2, name=name, attrs={"keep": True})
    m.d.comb += parts.eq(Cat(even[bit : bit + 2] != odd[bit : bit + 2] for bit in range(0, len(even), 2)))
    return parts.any()


class _RunsWalk(StoredWalk):
    """Entries one after another in the memory, from the item's start to its end; each says where its row is."""

    def __init__(self, m: Module, platform, parameters: SparseParameters, element):
        super().__init__(m, platform, parameters, element, parameters.pointer_bits)
        self._final = Signal(parameters.count_bits, name="final", reset_less=True)
        m.d.comb += self.last.eq(self.address[: parameters.count_bits] == self._final)

    def begin(self, item) -> list:
        return [self.address.eq(item.start), self._final.eq(item.end - 1), self.first.eq(1)]

    def slot(self, entry, works, first) -> Value:
        """In cycle 2, the run is added to the slot before."""
        m, p = self._m, self._parameters
        slot = Signal(below(p.slots), name="slot", reset_less=True)
        before = Signal.like(slot, name="slot_before")
        m.d.comb += before.eq(Mux(first, -1, slot))
        with m.If(works):
            m.d.sync += slot.eq(before + entry[p.value_bits :] + 1)
        return slot
