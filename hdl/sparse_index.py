"""What tells the elements of a sparse engine their entries: the parts that every kind of index has.

An index belongs to the whole engine. Its ``columns`` finds, of a column in the pointer stage, what each element has to
know of it; that goes through the element's queue. There a walk goes through the entries of the column, one a cycle,
and finds the slot and the weight of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .counter import below
from .rom import add_rom
from .sparse_load import PartLoad
from .sparse_stored import StoredWeights

__all__ = ["Index", "StoredIndex", "StoredWalk", "Walk"]


class Index(ABC):
    """An index of an engine.

    Attributes
    ----------
    item : data.StructLayout
        What an element is told of a column.
    members : dict
        Ports of an element, for what differs among elements: those are equal.
    """

    item: data.StructLayout
    members: dict[str, Any]

    def __init__(self, parameters, platform, load: PartLoad | None = None):
        self._parameters, self._platform, self._load = parameters, platform, load

    @abstractmethod
    def columns(self, m: Module, column, enters) -> list[tuple[Value, list]]:
        """Look at ``column`` while ``enters`` is high.

        Returns, of each element, whether it has entries in the column and its item's fields, from the next cycle on
        until another enters.
        """

    @abstractmethod
    def feed(self, m: Module, number: int, element) -> None:
        """Serve the ``members`` of element ``number``."""

    @abstractmethod
    def walk(self, m: Module, element) -> Walk:
        """What goes through the entries of an element; ``m`` is its module."""


class StoredIndex(Index):
    """An index of weights that are stored: each element has a memory of entries."""

    def __init__(self, parameters: StoredWeights, platform, load: PartLoad | None = None):
        super().__init__(parameters, platform, load)
        self.members = {"row": Out(below(parameters.entry_words)), "row_reads": Out(1),
                        "row_data": In(parameters.read_width * parameters.entry_bits)}
        if parameters.loadable and parameters.coded:
            self.members |= {"code_writes": In(1), "code_place": In(below(len(parameters.codebook_words))),
                             "code_value": In(parameters.weight.bits)}

    def memory(self, m: Module, words: list[int], width: int, addr, en, *, name: str):
        """A memory of the engine, loaded or built in."""
        if self._load is not None:
            return self._load.memory(words, width, addr, en, name=name)
        return add_rom(m, self._platform, words, width, addr, en, name=name)

    def feed(self, m: Module, number: int, element) -> None:
        read = self.memory(m, self._parameters.entries_of(number), len(element.row_data), element.row,
                           element.row_reads, name=f"entries{number}")
        m.d.comb += element.row_data.eq(read)
        if "code_writes" in self.members:
            load = self._load
            assert load is not None
            m.d.comb += [
                element.code_writes.eq(load.writes("codebook")),
                element.code_place.eq(load.place), element.code_value.eq(load.payload),
            ]


class Walk(ABC):
    """An element's way through the entries of an item.

    Attributes
    ----------
    last : Value
        The entry worked on is the item's last.
    """

    last: Value

    @abstractmethod
    def begin(self, item) -> list:
        """The assignments, in step with the clock, that begin with an item's first entry."""

    @abstractmethod
    def step(self) -> list:
        """Those that go on with the next entry."""

    @abstractmethod
    def weigh(self, works) -> tuple[Value, Value]:
        """The slot and the weight of the entry on which the element ``works``, the parameters' ``stages`` later."""


class StoredWalk(Walk):
    """Entries that stand one after another in a memory of the element, ``read_width`` in a word.

    Attributes
    ----------
    address : Signal
        That of the entry worked on.
    first : Signal
        It is its item's first.
    """

    def __init__(self, m: Module, platform, parameters: StoredWeights, element, address_bits: int):
        self._m, self._platform, self._parameters, self._element = m, platform, parameters, element
        self.address = Signal(address_bits, name="address", reset_less=True)
        self.first = Signal(name="first", reset_less=True)
        self.last = Signal(name="last_entry")

    def step(self) -> list:
        return [self.address.eq(self.address + 1), self.first.eq(0)]

    @abstractmethod
    def slot(self, entry, works, first) -> Value:
        """The slot's register, written in cycle 2: ``entry`` was picked out, and ``works`` and ``first`` are its."""

    def weigh(self, works) -> tuple[Value, Value]:
        m, p, element = self._m, self._parameters, self._element
        # Cycle 0: read the memory, where a word or an item begins. Its output register keeps the word.
        lane_bits = (p.read_width - 1).bit_length()
        place = self.address[:lane_bits] if lane_bits else Const(0, 1)
        m.d.comb += [
            element.row.eq(self.address[lane_bits:]),
            element.row_reads.eq(works & (self.first | (place == 0))),
        ]
        lane, first1 = Signal.like(place, name="lane", reset_less=True), Signal(name="first1", reset_less=True)
        m.d.sync += [lane.eq(place), first1.eq(self.first)]

        # Cycle 1: pick the entry.
        entry, first2 = Signal(p.entry_bits, name="entry", reset_less=True), Signal(name="first2", reset_less=True)
        m.d.sync += [entry.eq(element.row_data.word_select(lane, p.entry_bits)), first2.eq(first1)]
        works1, works2 = Signal(name="walks1"), Signal(name="walks2")
        m.d.sync += [works1.eq(works), works2.eq(works1)]

        # Cycle 2: look up its weight, find its slot.
        return self.slot(entry, works2, first2), self._weight(entry[: p.value_bits])

    def _weight(self, code):
        m, p = self._m, self._parameters
        weight = Signal(Shape(p.weight.bits, p.weight.signed), name="weight", reset_less=True)
        if not p.coded:
            m.d.sync += weight.eq(code)
        elif p.loadable:
            m.submodules.codebook = memory = Memory(shape=p.weight.bits, depth=len(p.codebook_words),
                                                    init=p.codebook_words)
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [
                read.addr.eq(code), weight.eq(read.data),
                write.en.eq(self._element.code_writes), write.addr.eq(self._element.code_place),
                write.data.eq(self._element.code_value),
            ]
        elif p.value_bits <= 6:
            with m.Switch(code):
                for number, value in enumerate(p.codebook.tolist()):
                    with m.Case(number):
                        m.d.sync += weight.eq(value)
        else:
            m.d.comb += weight.eq(add_rom(m, self._platform, p.codebook_words, p.weight.bits, code, 1,
                                          name="codebook"))
        return weight
