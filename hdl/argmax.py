"""Arg-max over the channels of a pixel: the class decision, top-1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream, words
from .number import IntType
from .schedule import Schedule
from .unit import Unit

__all__ = ["ArgMaxParameters", "ArgMaxUnit"]


@dataclass(frozen=True)
class ArgMaxParameters:
    """``channels`` integers of type ``input``, ``lanes`` a word, for each of ``pixels`` pixels a frame.

    Raises
    ------
    ValueError
        If a number is not a positive integer.
    """

    channels: int
    lanes: int
    input: IntType
    pixels: int = 1

    def __post_init__(self):
        check_positive("channels", self.channels)
        check_positive("lanes", self.lanes)
        check_positive("pixels", self.pixels)

    @property
    def phases(self) -> int:
        """Words, and so cycles, a pixel."""
        return words(self.channels, self.lanes)

    @property
    def index_bits(self) -> int:
        return max(1, (self.channels - 1).bit_length())

    @property
    def output(self) -> IntType:
        """The type of the index."""
        return IntType(self.index_bits)

    @property
    def schedule(self) -> Schedule:
        gives = np.zeros((self.phases, 1))
        gives[-1] = 1
        return Schedule(np.ones((self.phases, 1)), gives, stages=2, repeats=self.pixels)


class ArgMaxUnit(Unit):
    """The index of the largest integer of a pixel; of equal ones, the lowest index (as ``numpy.argmax``).

    Takes a word a cycle, gives one index a pixel, 2 cycles after the pixel's last word.

    Members
    -------
    i : In(lane_stream(input, lanes))
    o : Out(lane_stream(index_bits, 1))

    Resources: ``lanes`` comparators of the input's bits with their multiplexers, in a tree.
    """

    def __init__(self, parameters: ArgMaxParameters):
        p = parameters
        super().__init__(parameters, {
            "i": In(lane_stream(Shape(p.input.bits, p.input.signed), p.lanes)),
            "o": Out(lane_stream(p.index_bits, 1)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, 2, self.o.valid, self.o.ready)
        phase, last = wrapping_counter(m, p.phases, stages.fire, name="phase")
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(last),
            self.i.ready.eq(stages.ready),
        ]

        # First stage: the best lane of the word. A later lane wins only if it is larger.
        in_last = p.channels - (p.phases - 1) * p.lanes
        best = []
        for lane in range(p.lanes):
            present = Const(1) if lane < in_last else ~last
            best.append((self.i.payload[lane], Const(lane, p.index_bits), present))
        while len(best) > 1:
            best = [self._better(m, *best[k : k + 2], name=f"best{len(best)}_{k}") if k + 1 < len(best) else best[k]
                    for k in range(0, len(best), 2)]
        value, index, _ = best[0]
        word_value = Signal(Shape(p.input.bits, p.input.signed))
        word_index = Signal(p.index_bits)
        word_first = Signal()
        with m.If(stages.fire):
            m.d.sync += [word_value.eq(value), word_index.eq(index + phase * p.lanes), word_first.eq(phase == 0)]

        # Second stage: the best of the pixel so far.
        top = Signal(Shape(p.input.bits, p.input.signed))
        with m.If(stages.enter[1] & (word_first | (word_value > top))):
            m.d.sync += [top.eq(word_value), self.o.payload[0].eq(word_index)]
        return m

    def _better(self, m, low, high, *, name):
        p = self._parameters
        value = Signal(Shape(p.input.bits, p.input.signed), name=name)
        index, present = Signal(p.index_bits, name=f"{name}_index"), low[2]
        take_high = Signal(name=f"{name}_high")
        # Lanes fill from the lowest, so where the higher one is present the lower one is too.
        m.d.comb += [
            take_high.eq(high[2] & (high[0] > low[0])),
            value.eq(Mux(take_high, high[0], low[0])),
            index.eq(Mux(take_high, high[1], low[1])),
        ]
        return value, index, present
