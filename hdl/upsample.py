"""Nearest-neighbour upsampling: every pixel some times in a row, and every row some times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import nested_counters
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream
from .ring import RingBuffer
from .schedule import Buffer
from .unit import Unit

__all__ = ["UpsampleParameters", "UpsampleUnit"]


@dataclass(frozen=True)
class UpsampleParameters:
    """An image ``height`` x ``width`` of ``words`` words a pixel, ``lanes`` lanes each; ``factors`` (down, across).

    ``depth`` is the words held, by default (and at least) a row; with a factor of 1 down, a pixel.

    Raises
    ------
    ValueError
        If a number is not a positive integer, or the depth is too small.
    """

    height: int
    width: int
    words: int
    lanes: int
    factors: tuple[int, int]
    depth: int | None = None

    def __post_init__(self):
        for name in ("height", "width", "words", "lanes"):
            check_positive(name, getattr(self, name))
        if not isinstance(self.factors, tuple) or len(self.factors) != 2:
            raise ValueError(f"factors must be a tuple of 2 integers, not {self.factors!r}")
        for factor in self.factors:
            check_positive("factors", factor)
        least = Buffer.least(*self.tables)
        if self.depth is None:
            object.__setattr__(self, "depth", least)
        if check_positive("depth", self.depth) < least:
            raise ValueError(f"depth must be at least {least} words, not {self.depth}")

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """``need`` and ``free`` of the schedule: a word is given back when it is read for the last time."""
        down, across = self.factors
        shape = self.height, down, self.width, across, self.words
        word = np.arange(self.height * self.width * self.words).reshape(self.height, 1, self.width, 1, self.words)
        need = np.broadcast_to(word + 1, shape)
        last = np.zeros(shape, dtype=np.int64)
        last[:, -1, :, -1] = 1
        return need.reshape(-1), last.reshape(-1).cumsum()

    @cached_property
    def schedule(self) -> Buffer:
        return Buffer(*self.tables, self.height * self.width * self.words, self.depth)


class UpsampleUnit(Unit):
    """Gives a word a cycle, 1 cycle after it has come; takes a word a cycle while it has room.

    A row (with a factor of 1 down: a pixel) is read for the last time while the next one comes in, word for word.

    Parameters
    ----------
    shape : ShapeLike
        Shape of one lane.
    parameters : UpsampleParameters

    Members
    -------
    i : In(lane_stream(shape, lanes))
    o : Out(lane_stream(shape, lanes))

    Resources: a memory of ``depth`` words and a few counters.
    """

    def __init__(self, shape, parameters: UpsampleParameters):
        word = lane_stream(shape, parameters.lanes)
        super().__init__(parameters, {"i": In(word), "o": Out(word)})

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        down, across = p.factors
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        # Rows are all alike, so neither rows nor frames are counted.
        _, lasts, _ = nested_counters(m, {"word": p.words, "again_across": across, "column": p.width,
                                          "again_down": down}, stages.fire)
        ring = RingBuffer(m, self.i, p.depth, p.width * p.words)
        m.d.comb += [
            stages.fire.eq(stages.ready & ring.present),
            stages.gives.eq(1),
            ring.fire.eq(stages.fire),
            ring.freed.eq(lasts["again_across"] & lasts["again_down"]),
            self.o.payload.as_value().eq(ring.data),
        ]
        with m.If(lasts["word"] & ~lasts["again_across"]):
            m.d.comb += ring.steps(1 - p.words)
        with m.Elif(lasts["word"] & lasts["column"] & ~lasts["again_down"]):
            m.d.comb += ring.steps(1 - p.width * p.words)
        with m.Else():
            m.d.comb += ring.steps(1)
        return m
