"""The index of compressed sparse columns: pointers say where a column's entries are, runs which rows they are of.

An index is what tells a sparse engine's elements their entries. It has

- ``item``, the layout of what an element must know of a column;
- ``columns``, hardware of the whole engine: of a column in the pointer stage, whether each element has entries in it,
  and its item;
- ``walk``, hardware of one element: goes through the entries of an item, one a cycle, and finds the slot and the weight
  of each, ``STAGES`` cycles later.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import data

from .counter import below
from .rom import add_rom
from .sparse_matrix import SparseParameters

__all__ = ["STAGES", "RunsIndex", "RunsWalk"]

STAGES = 3
"""An entry that is worked on in cycle ``t`` has its slot and weight in registers in cycle ``t + STAGES``."""


class RunsIndex:
    """The memories' index: pointers in two banks, entries in a memory for each element (EIE, section 4)."""

    def __init__(self, parameters: SparseParameters, platform):
        self._parameters, self._platform = parameters, platform
        self.item = data.StructLayout({"start": parameters.pointer_bits, "end": parameters.count_bits})

    def columns(self, m: Module, column, enters) -> list[tuple[Value, list]]:
        """Read pointers of ``column`` while ``enters`` is high.

        Column j begins at pointer j and ends at pointer j + 1, one of which is in either bank. Returns, of each
        element, whether it has entries in the column and its item's fields, from the next cycle on until another
        enters.
        """
        p = self._parameters
        odd = Signal(name="column_odd", reset_less=True)
        with m.If(enters):
            m.d.sync += odd.eq(column[0])
        banks = []
        for name, words, address in zip(("even", "odd"), p.pointer_words, (column + 1 >> 1, column >> 1), strict=True):
            at = Signal(below(len(words)), name=f"{name}_address")
            bank = Signal(p.elements * p.pointer_bits, name=f"{name}_pointers")
            m.d.comb += at.eq(address)
            m.d.comb += bank.eq(add_rom(m, self._platform, words, len(bank), at, enters, name=f"pointers_{name}"))
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
                # No column has as many entries as these bits can count, so they say enough.
                present.eq(start[: p.count_bits] != end),
            ]
            found.append((present, [start, end]))
        return found

    def walk(self, m: Module, element: int) -> RunsWalk:
        """What goes through the entries of an element; ``m`` is its module."""
        return RunsWalk(m, self._platform, self._parameters, element)


class RunsWalk:
    """An element's way through the entries of an item.

    Attributes
    ----------
    last : Value
        The entry worked on is the item's last.
    """

    def __init__(self, m: Module, platform, parameters: SparseParameters, element: int):
        self._m, self._platform, self._parameters, self._element = m, platform, parameters, element
        self._address = Signal(parameters.pointer_bits, name="address", reset_less=True)
        self._final = Signal(parameters.count_bits, name="final", reset_less=True)
        self._first = Signal(name="first", reset_less=True)
        self.last = Signal(name="last_entry")
        m.d.comb += self.last.eq(self._address[: parameters.count_bits] == self._final)

    def begin(self, item) -> list:
        """The assignments, in step with the clock, that begin with an item's first entry."""
        return [self._address.eq(item.start), self._final.eq(item.end - 1), self._first.eq(1)]

    def step(self) -> list:
        """Those that go on with the next entry."""
        return [self._address.eq(self._address + 1), self._first.eq(0)]

    def weigh(self, works) -> tuple[Value, Value]:
        """The slot and the weight of the entry on which the element ``works``, ``STAGES`` cycles later."""
        m, p, k = self._m, self._parameters, self._element
        # Cycle 0: read the memory, where a word or an item begins. Its output register keeps the word.
        lane_bits = (p.read_width - 1).bit_length()
        place = self._address[:lane_bits] if lane_bits else Const(0, 1)
        row = Signal(below(p.entry_words), name="row")
        m.d.comb += row.eq(self._address[lane_bits:])
        reads = Signal(name="reads")
        m.d.comb += reads.eq(works & (self._first | (place == 0)))
        word = Signal(p.read_width * p.entry_bits, name="entry_word")
        m.d.comb += word.eq(add_rom(m, self._platform, p.entries_of(k), len(word), row, reads, name=f"entries{k}"))
        lane, first1 = Signal.like(place, name="lane", reset_less=True), Signal(name="first1", reset_less=True)
        m.d.sync += [lane.eq(place), first1.eq(self._first)]

        # Cycle 1: pick the entry.
        entry, first2 = Signal(p.entry_bits, name="entry", reset_less=True), Signal(name="first2", reset_less=True)
        m.d.sync += [entry.eq(word.word_select(lane, p.entry_bits)), first2.eq(first1)]
        works1, works2 = Signal(name="walks1"), Signal(name="walks2")
        m.d.sync += [works1.eq(works), works2.eq(works1)]

        # Cycle 2: look up its weight, add up its slot.
        slot = Signal(below(p.slots), name="slot", reset_less=True)
        before = Signal.like(slot, name="slot_before")
        m.d.comb += before.eq(Mux(first2, -1, slot))
        with m.If(works2):
            m.d.sync += slot.eq(before + entry[p.value_bits :] + 1)
        return slot, self._weight(entry[: p.value_bits])

    def _weight(self, code):
        m, p = self._m, self._parameters
        weight = Signal(Shape(p.weight.bits, p.weight.signed), name="weight", reset_less=True)
        if not p.coded:
            m.d.sync += weight.eq(code)
        elif p.value_bits <= 6:
            with m.Switch(code):
                for number, value in enumerate(p.csc.codebook.tolist()):
                    with m.Case(number):
                        m.d.sync += weight.eq(value)
        else:
            m.d.comb += weight.eq(add_rom(m, self._platform, p.codebook_words, p.weight.bits, code, 1,
                                          name=f"codebook{self._element}"))
        return weight
