"""Thresholds on a stream of integers: what the model's input quantiser has become.

Each channel's integer is compared with that channel's threshold; the answer is one bit, 1 for +1 and 0 for -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream, words
from .rom import add_rom
from .schedule import Schedule
from .unit import Unit

__all__ = ["ThresholdParameters", "ThresholdUnit"]


@dataclass(frozen=True, eq=False)
class ThresholdParameters:
    """Thresholds int64 ``[channels]`` on ``lanes`` integers of ``bits`` bits (``signed`` or not) a word.

    The bit of channel ``c`` is ``x >= thresholds[c]``, or ``x <= thresholds[c]`` where ``falling[c]``. A threshold
    that no integer meets lies one beyond their range.

    Raises
    ------
    ValueError
        If shapes differ, a number is not positive, or a threshold lies more than one beyond the range.
    """

    thresholds: np.ndarray
    falling: np.ndarray
    lanes: int
    bits: int
    signed: bool = False

    def __post_init__(self):
        check_positive("lanes", self.lanes)
        check_positive("bits", self.bits)
        thresholds, falling = np.array(self.thresholds, dtype=np.int64), np.array(self.falling, dtype=bool)
        if thresholds.ndim != 1 or thresholds.shape != falling.shape or not len(thresholds):
            raise ValueError(f"thresholds and falling must be of one shape [channels], not {thresholds.shape} and "
                             f"{falling.shape}")
        lo = -(1 << self.bits - 1) if self.signed else 0
        hi = lo + (1 << self.bits) - 1
        if thresholds.min() < lo - 1 or thresholds.max() > hi + 1:
            raise ValueError(f"thresholds must lie from {lo - 1} to {hi + 1}, "
                             f"not {thresholds.min()} to {thresholds.max()}")
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "falling", falling)

    @property
    def channels(self) -> int:
        return len(self.thresholds)

    @property
    def phases(self) -> int:
        """Words, and so cycles, a frame."""
        return words(self.channels, self.lanes)

    @cached_property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Thresholds and directions as ``[phases, lanes]``; padding lanes repeat a channel of their own lane."""
        index = np.arange(self.phases * self.lanes)
        index = np.where(index < self.channels, index, index - self.lanes if self.phases > 1 else 0)
        return (self.thresholds[index].reshape(self.phases, self.lanes),
                self.falling[index].reshape(self.phases, self.lanes))

    @property
    def constant(self) -> bool:
        """Whether each lane has one threshold in all phases, which needs no memory."""
        thresholds, falling = self.table
        return bool((thresholds == thresholds[0]).all() and (falling == falling[0]).all())

    @property
    def schedule(self) -> Schedule:
        ones = np.ones((self.phases, 1))
        return Schedule(ones, ones, stages=1 if self.constant else 2)


class ThresholdUnit(Unit):
    """Compares each channel with its threshold, a word a cycle.

    Latency 1 cycle where every lane's threshold is a constant, else 2 (a ROM is read first).

    Members
    -------
    i : In(lane_stream(bits, lanes))
    o : Out(lane_stream(1, lanes))

    Resources: one comparator a lane, with a constant or with a ROM of ``phases`` words.
    """

    def __init__(self, parameters: ThresholdParameters):
        p = parameters
        super().__init__(parameters, {
            "i": In(lane_stream(Shape(p.bits, p.signed), p.lanes)),
            "o": Out(lane_stream(1, p.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(1),
            self.i.ready.eq(stages.ready),
        ]
        thresholds, falling = p.table
        wide = p.bits + 2  # one beyond the range on either side, with a sign
        result = Signal(p.lanes)
        if p.constant:
            for lane in range(p.lanes):
                x, t = self.i.payload[lane], int(thresholds[0, lane])
                m.d.comb += result[lane].eq(x <= t if falling[0, lane] else x >= t)
        else:
            # A word of the ROM holds, for each lane, the threshold and above it the direction.
            mask = (1 << wide) - 1
            rom = [sum(((int(t) & mask) | int(f) << wide) << lane * (wide + 1)
                       for lane, (t, f) in enumerate(zip(row, flips, strict=True)))
                   for row, flips in zip(thresholds, falling, strict=True)]
            phase, _ = wrapping_counter(m, p.phases, stages.fire, name="phase")
            read = add_rom(m, platform, rom, p.lanes * (wide + 1), phase, stages.fire, name="thresholds")
            kept = Signal.like(self.i.payload.as_value(), name="kept")
            with m.If(stages.fire):
                m.d.sync += kept.eq(self.i.payload.as_value())
            for lane in range(p.lanes):
                x = kept.word_select(lane, p.bits)
                x = x.as_signed() if p.signed else x
                entry = read[lane * (wide + 1) : (lane + 1) * (wide + 1)]
                t = Signal(signed(wide), name=f"threshold{lane}")
                m.d.comb += [t.eq(entry[:wide]), result[lane].eq(Mux(entry[wide], x <= t, x >= t))]
        with m.If(stages.enter[-1]):
            m.d.sync += self.o.payload.as_value().eq(result)
        return m
