"""Frames from chunks: what comes over the line waits here until it has proven good, and the core gets whole frames.

A chunk's bytes go into a ring as they come, behind all that is known to be good; whether they stay is said at the
chunk's end. So nothing is held twice, and whatever comes over the line, the core is never left with half a frame.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .lanes import check_positive, word_stream

__all__ = ["FrameStore"]


class FrameStore(wiring.Component):
    """A ring of bytes with the words of whole frames at its end.

    The reader takes two cycles a byte. A chunk's last ``trailer`` bytes (its CRC) are not part of it.

    Parameters
    ----------
    bits : int
        Of a word of the core; on the line it has ``ceil(bits / 8)`` bytes.
    words : int
        Words of a frame.
    depth : int
        Bytes of the ring, a power of two and at least a frame's.
    trailer : int
        Bytes at a chunk's end that are none of the frame's.

    Members
    -------
    put : In(1), byte : In(8)
        A byte of a chunk, while ``put``.
    commit : In(1)
        The chunk's bytes, but for the trailer, are good. Only if it ``fits``, and there was ``room`` before its first.
    rewind : In(1)
        Forget what was put and not committed; in the cycle of a commit, what is committed stays.
    clear : In(1)
        Forget the frame that is not whole, too.
    room : Out(1)
        Another frame finds room.
    offset : Out(16)
        Bytes of the unfinished frame that are good.
    fits : Out(1)
        The chunk does not go beyond the frame's end.
    whole : Out(1)
        Committed now, it would end the frame.
    o : Out(word_stream(bits))
        Words of whole frames.

    Resources: the memory, its pointers, a word of registers.
    """

    def __init__(self, bits: int, words: int, depth: int, trailer: int):
        self._bits, self._words = check_positive("bits", bits), check_positive("words", words)
        self._bytes = -(-bits // 8)
        if check_positive("depth", depth) & (depth - 1) or depth < self.frame_bytes:
            raise ValueError(f"depth must be a power of two and at least {self.frame_bytes}, not {depth!r}")
        self._depth, self._trailer = depth, trailer
        super().__init__({"put": In(1), "byte": In(8), "commit": In(1), "rewind": In(1), "clear": In(1),
                          "room": Out(1), "offset": Out(16), "fits": Out(1), "whole": Out(1),
                          "o": Out(word_stream(bits))})

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self._bytes * self._words

    @property
    def frames(self) -> int:
        """Frames that find room in the ring."""
        return self._depth // self.frame_bytes

    def elaborate(self, platform):
        m = Module()
        size, end = self.frame_bytes, self.frame_bytes + self._trailer
        m.submodules.ring = ring = Memory(shape=8, depth=self._depth, init=[], attrs={"ram_style": "block"})
        write, read = ring.write_port(), ring.read_port()

        # The unfinished frame begins at ``base``; ``fill`` bytes of it are there, of which ``offset`` are good.
        base, fill = Signal(range(self._depth)), Signal(range(end + 2))
        held, given = Signal(range(self.frames + 1)), Signal()
        m.d.sync += [write.addr.eq(base + fill), write.data.eq(self.byte), write.en.eq(self.put & (fill < size))]
        m.d.sync += [self.fits.eq(fill <= end), self.whole.eq(fill == end)]
        ends = Signal()
        m.d.comb += ends.eq(self.commit & self.whole)
        with m.If(self.put & (fill != end + 1)):
            m.d.sync += fill.eq(fill + 1)
        with m.If(self.rewind):
            m.d.sync += fill.eq(self.offset)
        with m.If(self.commit):
            m.d.sync += [self.offset.eq(fill - self._trailer), fill.eq(fill - self._trailer)]
        with m.If(ends):
            m.d.sync += base.eq(base + size)
        with m.If(ends | self.clear):
            m.d.sync += [self.offset.eq(0), fill.eq(0)]
        m.d.sync += [held.eq(held + ends - given), self.room.eq(held != self.frames)]

        # The reader: a byte is asked for in one cycle and comes in the next, at the top of the word.
        word, full, coming = Signal(8 * self._bytes), Signal(), Signal()
        fetch = Signal()
        m.d.comb += [fetch.eq((held != 0) & ~full & ~coming), read.en.eq(fetch)]
        m.d.sync += coming.eq(fetch)
        pointer = Signal(range(self._depth))
        m.d.comb += read.addr.eq(pointer)
        _, last_byte = wrapping_counter(m, self._bytes, coming, name="byte")
        ends_word = Signal()
        m.d.comb += ends_word.eq(coming & last_byte)
        _, last_word = wrapping_counter(m, self._words, ends_word, name="word")
        m.d.comb += given.eq(ends_word & last_word)
        with m.If(coming):
            m.d.sync += [word.eq(Cat(word[8:], read.data)), pointer.eq(pointer + 1), full.eq(last_byte)]
        with m.If(full & self.o.ready):
            m.d.sync += full.eq(0)
        m.d.comb += [self.o.valid.eq(full), self.o.payload.eq(word)]
        return m
