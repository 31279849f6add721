"""Shuffle: the channels of every pixel in another order, some left out, some twice: wires, where a word is a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .elastic import ElasticStages
from .lanes import check_positive, lane_stream
from .schedule import Schedule
from .unit import Unit

__all__ = ["ShuffleParameters", "ShuffleUnit"]


@dataclass(frozen=True, eq=False)
class ShuffleParameters:
    """Lane ``k`` of a word out is lane ``index[k]`` of the word in, or all bits 0 where that is -1.

    ``index`` is int64 ``[lanes out]``; ``pixels`` are the words a frame.

    Raises
    ------
    ValueError
        If the index is not a vector of lanes, or a number is not a positive integer.
    """

    index: np.ndarray
    lanes_in: int
    pixels: int

    def __post_init__(self):
        check_positive("lanes_in", self.lanes_in)
        check_positive("pixels", self.pixels)
        index = np.array(self.index, dtype=np.int64)
        if index.ndim != 1 or not len(index) or index.min() < -1 or index.max() >= self.lanes_in:
            raise ValueError(f"index must be a vector of lanes from 0 to {self.lanes_in - 1}, or -1, not an array of "
                             f"shape {index.shape}" + (f" from {index.min()} to {index.max()}" if index.size else ""))
        object.__setattr__(self, "index", index)

    @property
    def schedule(self) -> Schedule:
        return Schedule(np.ones((1, 1)), np.ones((1, 1)), stages=1, repeats=self.pixels)


class ShuffleUnit(Unit):
    """Moves lanes within a word. A word a cycle, latency 1 cycle.

    Parameters
    ----------
    shape : ShapeLike
        Shape of one lane.
    parameters : ShuffleParameters

    Members
    -------
    i : In(lane_stream(shape, lanes_in))
    o : Out(lane_stream(shape, len(index)))

    Resources: a register of a word out.
    """

    def __init__(self, shape, parameters: ShuffleParameters):
        super().__init__(parameters, {"i": In(lane_stream(shape, parameters.lanes_in)),
                                      "o": Out(lane_stream(shape, len(parameters.index)))})

    def elaborate(self, platform):
        m = Module()
        index = self._parameters.index
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        word = self.i.payload.as_value()
        lane = len(word) // self._parameters.lanes_in
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(1),
            self.i.ready.eq(stages.ready),
        ]
        with m.If(stages.fire):
            m.d.sync += self.o.payload.as_value().eq(
                Cat(word.word_select(int(k), lane) if k >= 0 else Const(0, lane) for k in index))
        return m
