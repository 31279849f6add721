"""Requantisation: integers of one scale to codes of another, by an integer multiplication and a shift.

``y = clip((a * multiplier + offset) >> shift, lo, hi)`` for each channel, where ``>>`` rounds down (Jacob et al.,
"Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018, section 2.2).
For codes of more than eight bits, where thresholds would fill memories. Rounding half to even, as models do it where
scales are powers of two, needs one more gate: an odd code of which all bits shifted out are 0 becomes the one below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .elastic import ElasticStages, later
from .lanes import check_positive, lane_stream, words
from .number import IntType
from .pipeline import DEGREES, check_pipeline
from .rom import Constants
from .schedule import Schedule
from .steps import by_word
from .unit import Unit

__all__ = ["RequantiseParameters", "RequantiseUnit"]


@dataclass(frozen=True, eq=False)
class RequantiseParameters:
    """The constants of each channel, and the types on both sides.

    Parameters
    ----------
    multiplier, offset
        int64 ``[channels]``.
    shift
        Bits, from 0 on.
    lo, hi
        The range of the codes: what lies beyond becomes its end.
    lanes
        Channels a word.
    input, output
        Plain integer types; ``output`` holds ``lo`` to ``hi``.
    pixels
        Pixels a frame; each begins a word.
    even
        Whether, before the clip, an odd code becomes the even one below where the bits shifted out are all 0.
    pipeline
        How short paths between registers are, a degree of ``hdl.pipeline.DEGREES``: from 1 on, what a memory gave is
        registered once more.

    Raises
    ------
    ValueError
        If shapes differ, a number is out of range, or a type is bipolar or too narrow.
    """

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lo: int
    hi: int
    lanes: int
    input: IntType
    output: IntType
    pixels: int = 1
    even: bool = False
    pipeline: int = 0

    def __post_init__(self):
        check_pipeline(self.pipeline)
        check_positive("lanes", self.lanes)
        check_positive("pixels", self.pixels)
        multiplier, offset = np.array(self.multiplier, dtype=np.int64), np.array(self.offset, dtype=np.int64)
        if multiplier.ndim != 1 or multiplier.shape != offset.shape or not len(multiplier):
            raise ValueError(f"multiplier and offset must be of one shape [channels], not {multiplier.shape} and "
                             f"{offset.shape}")
        if self.shift < 0:
            raise ValueError(f"shift must be a non-negative integer, not {self.shift!r}")
        if self.even and not self.shift:
            raise ValueError("shift must be positive to round half to even, not 0")
        if self.input.bipolar or self.output.bipolar:
            raise ValueError(f"input and output must be plain integer types, not {self.input} and {self.output}")
        if not self.output.lo <= self.lo <= self.hi <= self.output.hi:
            raise ValueError(f"output must hold the codes from {self.lo} to {self.hi}, not {self.output}")
        object.__setattr__(self, "multiplier", multiplier)
        object.__setattr__(self, "offset", offset)

    @property
    def channels(self) -> int:
        return len(self.multiplier)

    @property
    def phases(self) -> int:
        """Words, and so cycles, a pixel."""
        return words(self.channels, self.lanes)

    @cached_property
    def table(self) -> Constants:
        """What is looked up for each word: the lanes' multipliers, then their offsets."""
        index = by_word(self.channels, self.lanes)
        return Constants(np.concatenate([self.multiplier[index], self.offset[index]], axis=1))

    @cached_property
    def types(self) -> tuple[IntType, IntType]:
        """The narrowest types of the products and of the sums, over all channels."""
        # Python's integers: 64 bits may be too few for a bound.
        products, sums = [], []
        for m, b in zip(self.multiplier.tolist(), self.offset.tolist(), strict=True):
            ends = (self.input.lo * m, self.input.hi * m)
            products += ends
            sums += (ends[0] + b, ends[1] + b)
        return IntType.spanning(min(products), max(products)), IntType.spanning(min(sums), max(sums))

    @property
    def schedule(self) -> Schedule:
        ones = np.ones((self.phases, 1))
        reads = 0 if self.table.constant else 1 + DEGREES[self.pipeline].reads
        return Schedule(ones, ones, stages=3 + reads, repeats=self.pixels)


class RequantiseUnit(Unit):
    """Multiplies, adds, shifts and clips, a word a cycle.

    Latency 4 cycles: constants read, product, sum, code; 3 where each lane has the same constants in all words.
    Pipelined, constants that are read are registered once more.

    Members
    -------
    i : In(lane_stream(input, lanes))
    o : Out(lane_stream(output, lanes))

    Resources: a multiplier a lane between registers, as DSP blocks have them, an adder and a clip; a ROM of ``phases``
    words unless the constants are the same in all of them.
    """

    def __init__(self, parameters: RequantiseParameters):
        p = parameters
        super().__init__(parameters, {
            "i": In(lane_stream(Shape(p.input.bits, p.input.signed), p.lanes)),
            "o": Out(lane_stream(Shape(p.output.bits, p.output.signed), p.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        phase, _ = wrapping_counter(m, p.phases, stages.fire, name="phase")
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(1),
            self.i.ready.eq(stages.ready),
        ]
        enter = iter(stages.enter)
        columns = p.table.read(m, platform, phase, stages.fire, name="constants")
        integers = [self.i.payload[lane] for lane in range(p.lanes)]
        if not p.table.constant:
            integers = self._registers(m, next(enter), integers, p.input, name="kept")
            if DEGREES[p.pipeline].reads:
                entering = next(enter)
                integers, columns = later(m, entering, integers, "beside"), later(m, entering, columns, "column")
        multipliers, offsets = columns[: p.lanes], columns[p.lanes :]

        # Offsets wait a cycle for their products.
        of_products, of_sums = p.types
        entering = next(enter)
        products = self._registers(m, entering, [a * b for a, b in zip(integers, multipliers, strict=True)],
                                   of_products, name="product")
        offsets = [self._registers(m, entering, [b], IntType(len(b), b.shape().signed), name=f"offset{lane}_")[0]
                   if isinstance(b, Signal) else b for lane, b in enumerate(offsets)]
        sums = self._registers(m, next(enter), [a + b for a, b in zip(products, offsets, strict=True)], of_sums,
                               name="sum")
        with m.If(next(enter)):
            m.d.sync += [self.o.payload[lane].eq(self._clip(m, total, lane)) for lane, total in enumerate(sums)]
        return m

    @staticmethod
    def _registers(m, enter, values, kind, *, name):
        registers = [Signal(Shape(kind.bits, kind.signed), name=f"{name}{lane}", reset_less=True)
                     for lane in range(len(values))]
        with m.If(enter):
            m.d.sync += [register.eq(value) for register, value in zip(registers, values, strict=True)]
        return registers

    def _clip(self, m, total, lane):
        p = self._parameters
        shifted = Signal.like(total >> p.shift, name=f"shifted{lane}")
        m.d.comb += shifted.eq(total >> p.shift)
        if p.even:
            with m.If(~total[: p.shift].any()):
                m.d.comb += shifted[0].eq(0)
        kind = p.types[1]
        value = shifted
        if kind.hi >> p.shift > p.hi:
            value = Mux(shifted > p.hi, p.hi, value)
        if kind.lo >> p.shift < p.lo:
            value = Mux(shifted < p.lo, p.lo, value)
        return value
