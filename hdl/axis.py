"""The AXI4-Stream edge: a core counts words, a bus marks the last one, and here the two are held against each other.

A core inside has no notion of a frame's end and would drift for ever after one frame of the wrong length. The slave
keeps it aligned: whatever arrives between two ``tlast``, the core gets exactly one whole frame. Signals are named and
behave as in ARM IHI 0051 (AMBA AXI-Stream Protocol Specification): ``tdata`` is a whole number of bytes, the payload in
its low bits, and neither ``tvalid`` waits for its ``tready``.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .lanes import check_positive
from .schedule import Schedule

__all__ = ["AxiStreamMaster", "AxiStreamSlave", "frame_schedule", "padded_bits"]


def padded_bits(bits: int) -> int:
    """The width of ``tdata`` for a payload of so many bits: whole bytes."""
    check_positive("payload bits", bits)
    return -(-bits // 8) * 8


def frame_schedule(words: int) -> Schedule:
    """The timing of both ends of the bus: a word a cycle, a cycle later."""
    return Schedule(np.ones((words, 1)), np.ones((words, 1)), stages=1)


class _State(enum.Enum, shape=2):
    PASS = 0  # words of the bus go to the core
    FILL = 1  # tlast came early: the core gets zeros up to the end of its frame
    DROP = 2  # the frame is full and tlast did not come: words of the bus go nowhere until it does


class AxiStreamSlave(wiring.Component):
    """Takes frames from AXI4-Stream and gives the core whole frames of ``words`` words, whatever arrives.

    A frame that ends early is filled up with words of zeros; of a frame that ends late, or has lost its ``tlast``, the
    surplus words up to and including the next one with ``tlast`` are dropped. Both raise ``malformed``. Either way each
    ``tlast`` on the bus makes exactly one frame for the core, and the next frame is right.

    Latency is 1 cycle, throughput one word a cycle; ``s_axis_tready`` depends on ``o.ready`` within the cycle. While a
    frame is being filled up the bus waits, one cycle a word.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the core's payload; bits of ``tdata`` above it are ignored.
    words : int
        Words of a frame.

    Members
    -------
    s_axis_tdata : In(padded_bits(bits of shape))
    s_axis_tvalid : In(1)
    s_axis_tready : Out(1)
    s_axis_tlast : In(1)
    o : Out(stream.Signature(shape))
    malformed : Out(1)
        A frame had the wrong length; high from the cycle after its last word that fitted, until ``clear``.
    early, late : Out(1)
        In the cycle after that word only: ``tlast`` came before it was due, or was missing where it was due.
    clear : In(1)
        Lowers ``malformed`` (a malformed frame in the same cycle wins).
    """

    def __init__(self, shape, words: int):
        self._bits = Shape.cast(shape).width
        width = padded_bits(self._bits)
        self._words = check_positive("words", words)
        super().__init__({
            "s_axis_tdata": In(width), "s_axis_tvalid": In(1), "s_axis_tready": Out(1), "s_axis_tlast": In(1),
            "o": Out(stream.Signature(shape)), "malformed": Out(1), "early": Out(1), "late": Out(1),
            "clear": In(1),
        })

    @property
    def words(self) -> int:
        return self._words

    @property
    def schedule(self) -> Schedule:
        """The timing of a well-formed frame."""
        return frame_schedule(self._words)

    def elaborate(self, platform):
        m = Module()
        state = Signal(_State)
        room, taken, given = Signal(), Signal(), Signal()
        m.d.comb += [
            room.eq(~self.o.valid | self.o.ready),
            self.s_axis_tready.eq((state == _State.DROP) | ((state == _State.PASS) & room)),
            taken.eq(self.s_axis_tvalid & self.s_axis_tready),
            given.eq(((state == _State.PASS) & taken) | ((state == _State.FILL) & room)),
        ]
        # Counts the words of the core's frame.
        _, last_word = wrapping_counter(m, self._words, given, name="word")

        with m.If(room):
            m.d.sync += self.o.valid.eq(given)
        with m.If(given):
            m.d.sync += Value.cast(self.o.payload).eq(Mux(state == _State.FILL, 0, self.s_axis_tdata[: self._bits]))

        m.d.sync += [self.early.eq(0), self.late.eq(0)]
        with m.If(self.clear):
            m.d.sync += self.malformed.eq(0)
        with m.Switch(state):
            with m.Case(_State.PASS), m.If(taken & (self.s_axis_tlast != last_word)):
                m.d.sync += [self.malformed.eq(1), self.early.eq(self.s_axis_tlast), self.late.eq(last_word),
                             state.eq(Mux(last_word, _State.DROP, _State.FILL))]
            with m.Case(_State.FILL), m.If(given & last_word):
                m.d.sync += state.eq(_State.PASS)
            with m.Case(_State.DROP), m.If(taken & self.s_axis_tlast):
                m.d.sync += state.eq(_State.PASS)
        return m


class AxiStreamMaster(wiring.Component):
    """Gives the core's frames of ``words`` words to AXI4-Stream, the last word with ``tlast``.

    Latency is 1 cycle, throughput one word a cycle; ``i.ready`` depends on ``m_axis_tready`` within the cycle.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the core's payload; bits of ``tdata`` above it are zero.
    words : int
        Words of a frame.

    Members
    -------
    i : In(stream.Signature(shape))
    m_axis_tdata : Out(padded_bits(bits of shape))
    m_axis_tvalid : Out(1)
    m_axis_tready : In(1)
    m_axis_tlast : Out(1)
    """

    def __init__(self, shape, words: int):
        self._bits = Shape.cast(shape).width
        width = padded_bits(self._bits)
        self._words = check_positive("words", words)
        super().__init__({
            "i": In(stream.Signature(shape)),
            "m_axis_tdata": Out(width), "m_axis_tvalid": Out(1), "m_axis_tready": In(1), "m_axis_tlast": Out(1),
        })

    @property
    def words(self) -> int:
        return self._words

    @property
    def schedule(self) -> Schedule:
        """The timing of a frame."""
        return frame_schedule(self._words)

    def elaborate(self, platform):
        m = Module()
        taken = Signal()
        m.d.comb += [
            self.i.ready.eq(~self.m_axis_tvalid | self.m_axis_tready),
            taken.eq(self.i.valid & self.i.ready),
        ]
        _, last_word = wrapping_counter(m, self._words, taken, name="word")
        with m.If(self.i.ready):
            m.d.sync += self.m_axis_tvalid.eq(self.i.valid)
        with m.If(taken):
            m.d.sync += self.m_axis_tdata.eq(Value.cast(self.i.payload).as_unsigned())
            m.d.sync += self.m_axis_tlast.eq(last_word)
        return m
