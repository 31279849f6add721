"""Frames over eight pins each way: bytes with ready and valid, words of a core from them, and bytes of its answers.

What a chip has to give to a small design is pins; a TinyTapeout tile has 8 in, 8 out and 8 that go either way. Bytes
cross in every clock cycle in which both sides agree, so whoever drives the pins drives the clock too, or knows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .lanes import check_positive, word_stream

__all__ = ["BytePins", "Packing"]


@dataclass(frozen=True)
class Packing:
    """How a frame of ``words`` words of ``bits`` bits lies in bytes.

    Words of 1, 2 or 4 bits share a byte, the first in its lowest bits, where that makes whole bytes of a frame; any
    other word has as many bytes as it needs, the lowest first, its padding above. Padding is ignored, or 0.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    bits: int
    words: int

    def __post_init__(self):
        check_positive("bits", self.bits)
        check_positive("words", self.words)

    @property
    def words_a_byte(self) -> int:
        """Words that share a byte, or 1."""
        share = 8 // self.bits if self.bits in (1, 2, 4) else 1
        return share if self.words % share == 0 else 1

    @property
    def bytes_a_word(self) -> int:
        """Bytes of a word, or 1."""
        return -(-self.bits // 8)

    @property
    def bytes(self) -> int:
        """Bytes of a frame."""
        return self.words * self.bytes_a_word // self.words_a_byte

    def to_bytes(self, words: list[int]) -> bytes:
        """A frame's words as its bytes."""
        share, size = self.words_a_byte, self.bytes_a_word
        together = [sum(word << self.bits * place for place, word in enumerate(words[at : at + share]))
                    for at in range(0, len(words), share)]
        return b"".join(byte.to_bytes(size, "little") for byte in together)


class BytePins(wiring.Component):
    """Between bytes at pins and the streams of a core.

    A byte is taken in each cycle in which ``in_valid`` and ``in_ready`` are high, and given in each in which
    ``out_valid`` and ``out_ready`` are; ``in_ready``, ``out_valid``, ``out_data`` and ``out_last`` come from registers
    alone. The byte taken in the last cycle goes on while the next one waits, so that a word of one byte takes two
    cycles at the least.

    Parameters
    ----------
    frame_in, frame_out : Packing

    Members
    -------
    in_data : In(8), in_valid : In(1), in_ready : Out(1)
    out_data : Out(8), out_valid : Out(1), out_ready : In(1)
    out_last : Out(1)
        The byte given is a frame's last.
    i : Out(word_stream), o : In(word_stream)
        To the core, and from it.
    """

    def __init__(self, frame_in: Packing, frame_out: Packing):
        self._in, self._out = frame_in, frame_out
        super().__init__({
            "in_data": In(8), "in_valid": In(1), "in_ready": Out(1),
            "out_data": Out(8), "out_valid": Out(1), "out_ready": In(1), "out_last": Out(1),
            "i": Out(word_stream(frame_in.bits)), "o": In(word_stream(frame_out.bits)),
        })

    def elaborate(self, platform):
        m = Module()
        self._elaborate_in(m)
        self._elaborate_out(m)
        return m

    def _elaborate_in(self, m):
        p = self._in
        taken, moves, full = Signal(name="in_taken"), Signal(name="in_moves"), Signal(name="in_full")
        held = Signal(8 * p.bytes_a_word, name="in_word", reset_less=True)
        _, last_byte = wrapping_counter(m, p.bytes_a_word, taken, name="in_byte")
        _, last_word = wrapping_counter(m, p.words_a_byte, moves, name="in_place")
        m.d.comb += [
            self.in_ready.eq(~full), taken.eq(self.in_valid & ~full),
            self.i.valid.eq(full), self.i.payload.eq(held), moves.eq(full & self.i.ready),
        ]
        with m.If(taken):
            # The last byte of a word comes to stand at its top.
            m.d.sync += [held.eq(Cat(held, self.in_data)[8:]), full.eq(last_byte)]
        with m.If(moves):
            m.d.sync += full.eq(~last_word)
            if p.words_a_byte > 1:
                m.d.sync += held.eq(held >> p.bits)

    def _elaborate_out(self, m):
        p = self._out
        taken, moves = Signal(name="out_taken"), Signal(name="out_moves")
        full = Signal(name="out_full")
        held = Signal(8 * p.bytes_a_word, name="out_word", reset_less=True)
        _, last_word_of_byte = wrapping_counter(m, p.words_a_byte, taken, name="out_place")
        _, last_byte_of_word = wrapping_counter(m, p.bytes_a_word, moves, name="out_byte")
        _, last_byte = wrapping_counter(m, p.bytes, moves, name="out_frame")
        m.d.comb += [
            self.o.ready.eq(~full), taken.eq(self.o.valid & ~full),
            self.out_valid.eq(full), self.out_data.eq(held), self.out_last.eq(full & last_byte),
            moves.eq(full & self.out_ready),
        ]
        with m.If(taken):
            m.d.sync += full.eq(last_word_of_byte)
            if p.words_a_byte > 1:
                m.d.sync += held.eq(Cat(held, self.o.payload)[p.bits :])
            else:
                m.d.sync += held.eq(self.o.payload)
        with m.If(moves):
            m.d.sync += full.eq(~last_byte_of_word)
            if p.bytes_a_word > 1:
                m.d.sync += held.eq(held >> 8)
