"""The input ``load`` of a sparse engine: its words fill one memory after another, some hundred of them.

As ``weights.LoadPort``, but a bit goes from memory to memory, where that compares its place with the bounds of each.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import *

from .counter import below
from .sparse_stored import StoredWeights
from .weights import LoadSection

__all__ = ["PartLoad"]


class PartLoad:
    """Adds the port to a module. It is always ready; after the last word it begins anew, and so it does after a reset.

    Parameters
    ----------
    m, platform
        The engine's module, and what it is elaborated with (``weights.LoadPort``).
    stream
        The port, of plain words.
    parameters
        Whose ``load_parts`` are filled.

    Attributes
    ----------
    payload, place : Value
        A word, and its place in the memory that :meth:`writes` says it is for.
    """

    def __init__(self, m: Module, platform, stream, parameters: StoredWeights):
        self._m, self._platform, self.payload = m, platform, stream.payload
        self._parts = {part.name: part for part in parameters.load_parts()}
        names, sizes = list(self._parts), [part.words for part in self._parts.values()]
        turn = Signal(len(sizes), name="load_turn", init=1)
        self.place = Signal(below(max(sizes)), name="load_place")
        ends, last = Signal(name="load_part_ends"), Signal(len(sizes), name="load_last")
        for size in set(sizes):
            at = Signal(name=f"load_at_{size - 1}")
            m.d.comb += at.eq(self.place == size - 1)
            m.d.comb += [last[number].eq(at) for number, each in enumerate(sizes) if each == size]
        m.d.comb += [stream.ready.eq(1), ends.eq((turn & last).any())]
        with m.If(stream.valid):
            m.d.sync += self.place.eq(Mux(ends, 0, self.place + 1))
            with m.If(ends):
                m.d.sync += turn.eq(turn.rotate_left(1))
        self._writes = {name: Signal(name=f"load_writes_{name}") for name in names}
        for number, writes in enumerate(self._writes.values()):
            m.d.comb += writes.eq(stream.valid & turn[number])

    def writes(self, name: str) -> Value:
        """A word of this memory is there, for ``place``."""
        return self._writes[name]

    def memory(self, words: Sequence[int], width: int, addr, en, *, name: str):
        """Add the memory of that name, which holds ``words`` at first, read like a ROM (``rom.add_rom``)."""
        section = LoadSection(self._m, self._platform, self.place, self.payload, self._writes[name],
                              self._parts[name].words)
        return section.memory(words, width, addr, en, name=name)
