"""Fork: one stream for several readers, each of which takes its copy of a word when it likes.

A branch that is slower for a while does not hold up the others beyond the word at hand; FIFOs behind the fork let
branches part further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .elastic import ElasticStages
from .lanes import check_positive, lane_stream
from .schedule import Schedule
from .unit import Unit

__all__ = ["ForkParameters", "ForkUnit"]


@dataclass(frozen=True)
class ForkParameters:
    """``outputs`` copies of a stream of ``words`` words a frame, ``lanes`` lanes each.

    Raises
    ------
    ValueError
        If a number is not a positive integer.
    """

    outputs: int
    lanes: int
    words: int

    def __post_init__(self):
        for name in ("outputs", "lanes", "words"):
            check_positive(name, getattr(self, name))

    @property
    def schedule(self) -> Schedule:
        return Schedule(np.ones((1, 1)), np.ones((1, self.outputs)), stages=1, repeats=self.words)


class ForkUnit(Unit):
    """An eager fork. Latency 1 cycle; a word a cycle; the next word enters when the last reader takes this one.

    Parameters
    ----------
    shape : ShapeLike
        Shape of one lane.
    parameters : ForkParameters

    Members
    -------
    i : In(lane_stream(shape, lanes))
    o0, o1, … : Out(lane_stream(shape, lanes))

    Resources: one register of a word, which all outputs share, and a bit for each output.
    """

    def __init__(self, shape, parameters: ForkParameters):
        word = lane_stream(shape, parameters.lanes)
        super().__init__(parameters, {"i": In(word), **{f"o{k}": Out(word) for k in range(parameters.outputs)}})

    def elaborate(self, platform):
        m = Module()
        outputs = [getattr(self, f"o{k}") for k in range(self._parameters.outputs)]
        stages = ElasticStages(m, 1, [o.valid for o in outputs], [o.ready for o in outputs])
        word = Signal(len(self.i.payload.as_value()), reset_less=True)
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(~0),
            self.i.ready.eq(stages.ready),
        ]
        m.d.comb += [o.payload.as_value().eq(word) for o in outputs]
        with m.If(stages.fire):
            m.d.sync += word.eq(self.i.payload.as_value())
        return m
