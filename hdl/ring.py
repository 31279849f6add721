"""Ring of words: the memory of every unit with ``hdl.schedule.Buffer`` timing, written in order and read at will.

Positions of words are never counted from the beginning of time: the address of the word to read wraps with the ring,
and what decides whether that word has come, or whether there is room, are differences, tested by their sign.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib.memory import Memory

from .counter import below, wrapping_add, wrapping_counter

__all__ = ["RingBuffer", "RingCounts"]


class RingCounts:
    """Adds the counts of a ring of ``depth`` words, and the writer that takes them from the stream ``i``, to a module.

    The reader stands at one word of its frame. ``first`` is its index at the frame's first phase; it may lie from
    ``low`` to ``high`` (also outside of the frame, where nothing may be read).

    Attributes
    ----------
    fire : Signal, driven by the user
        The reader's phase fires, and the reader moves.
    move : Signal, driven by the user
        By how many words the reader moves to the next phase's; after the frame's last phase to the first of the next
        frame, which is ``frame`` words further.
    freed : Signal, driven by the user
        The words given back where a phase fires.
    write : Signal
        A word is taken in this cycle.
    present : Signal
        The word that the reader stands at has come.
    begun : Value
        All words of earlier frames have come. A constant unless ``skips`` says that a frame may end before its last
        word is there; then the user drives ``ends`` with whether the firing phase is the frame's last.
    """

    def __init__(self, m: Module, i, depth: int, frame: int, *, first: int = 0, low: int = 0, high: int | None = None,
                 skips: bool = False):
        high = frame if high is None else high
        self.fire, self.write, self.present = Signal(name="read"), Signal(name="write"), Signal(name="word_is_there")
        self.freed = Signal(range(frame + 1), name="freed")
        # Words of room less one, so that the sign says that there is none; words may be given back before they come.
        room = Signal(range(-1, depth + frame), name="room", init=depth - 1)
        # Words written beyond the one to read, less one.
        ahead = Signal(range(-high - 1, frame + depth - low + 1), name="ahead", init=-first - 1)
        self.move = Signal.like(ahead, name="move", init=0)
        m.d.comb += [
            i.ready.eq(~room[-1]),
            self.write.eq(i.valid & i.ready),
            self.present.eq(~ahead[-1]),
        ]
        m.d.sync += [
            room.eq(room - self.write + Mux(self.fire, self.freed, 0)),
            ahead.eq(ahead + self.write - Mux(self.fire, self.move, 0)),
        ]
        self.begun, self.ends = Const(1), Signal(name="frame_ends")
        if skips:
            written = Signal(range(-frame, frame + depth + 1), name="written")
            m.d.sync += written.eq(written + self.write - Mux(self.fire & self.ends, frame, 0))
            self.begun = ~written[-1]


class RingBuffer(RingCounts):
    """The counts together with one memory of ``depth`` words, of which each phase that fires reads one.

    Attributes
    ----------
    hop : Signal, driven by the user
        ``move`` modulo ``depth``, see :meth:`steps`.
    data : Value
        The word read by the phase that fired last.
    """

    def __init__(self, m: Module, i, depth: int, frame: int, *, first: int = 0, **others):
        super().__init__(m, i, depth, frame, first=first, **others)
        self._depth = depth
        self.hop = Signal(below(depth), name="hop")
        write_address, _ = wrapping_counter(m, depth, self.write, name="write_address")
        address = Signal(below(depth), name="read_address", init=first % depth)
        with m.If(self.fire):
            m.d.sync += address.eq(wrapping_add(m, address, self.hop, depth, name="next_address"))
        m.submodules.storage = memory = Memory(shape=len(i.payload.as_value()), depth=max(depth, 2), init=[])
        into = memory.write_port()
        out = memory.read_port()
        m.d.comb += [
            into.addr.eq(write_address), into.data.eq(i.payload.as_value()), into.en.eq(self.write),
            out.addr.eq(address), out.en.eq(self.fire),
        ]
        self.data = out.data

    def steps(self, by: int) -> list:
        """The assignments of a move by ``by`` words."""
        return [self.move.eq(by), self.hop.eq(by % self._depth)]
