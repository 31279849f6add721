"""Split: the channels of a stream shared out to several streams, range by range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .concat import channel_words
from .counter import lookup, wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream
from .schedule import Schedule
from .unit import Unit

__all__ = ["SplitParameters", "SplitUnit"]


@dataclass(frozen=True)
class SplitParameters:
    """A stream whose first ``channels[0]`` channels of a pixel go to the first output, and so on; ``pixels`` a frame.

    ``lanes``, on all streams, must divide all ranges; None stands for whole pixels: a word of every stream holds all
    its channels of a pixel. Those may go in another order: channel ``order[k]`` of the input as the ``k``-th.

    Raises
    ------
    ValueError
        As :func:`.concat.channel_words` says, or if the order is not one of whole pixels.
    """

    channels: tuple[int, ...]
    lanes: int | None
    pixels: int
    order: tuple[int, ...] | None = None

    def __post_init__(self):
        check_positive("pixels", self.pixels)
        channel_words(self.channels, self.lanes)
        if self.order is not None and (self.lanes is not None or sorted(self.order) != list(range(sum(self.channels)))):
            raise ValueError(f"order must be one of all {sum(self.channels)} channels of whole pixels, not "
                             f"{self.order!r} with lanes {self.lanes!r}")

    @property
    def schedule(self) -> Schedule:
        gives = channel_words(self.channels, self.lanes)
        return Schedule(np.ones((len(gives), 1)), gives, stages=1, repeats=self.pixels)


class SplitUnit(Unit):
    """Sends each word to the output whose turn it is, or each range of a whole pixel to its own output.

    A word a cycle, latency 1 cycle. A word that is not taken holds up all outputs, so each wants a FIFO behind it.

    Parameters
    ----------
    shape : ShapeLike
        Shape of one lane.
    parameters : SplitParameters

    Members
    -------
    i : In(lane_stream(shape, lanes or sum(channels)))
    o0, o1, … : Out(lane_stream(shape, lanes or channels[k]))

    Resources: one register of a word, and a bit for each output.
    """

    def __init__(self, shape, parameters: SplitParameters):
        p = parameters
        super().__init__(parameters, {
            "i": In(lane_stream(shape, p.lanes or sum(p.channels))),
            **{f"o{k}": Out(lane_stream(shape, p.lanes or each)) for k, each in enumerate(p.channels)},
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        outputs = [getattr(self, f"o{k}") for k in range(len(p.channels))]
        stages = ElasticStages(m, 1, [o.valid for o in outputs], [o.ready for o in outputs])
        word = Signal(len(self.i.payload.as_value()), reset_less=True)
        m.d.comb += [stages.fire.eq(stages.ready & self.i.valid), self.i.ready.eq(stages.ready)]
        arriving = self.i.payload.as_value()
        if p.order is not None:
            arriving = Cat(arriving.word_select(channel, len(word) // len(p.order)) for channel in p.order)
        with m.If(stages.fire):
            m.d.sync += word.eq(arriving)
        begin = 0
        for o in outputs:
            width = len(o.payload.as_value())
            m.d.comb += o.payload.as_value().eq(word[begin : begin + width])
            begin += width if p.lanes is None else 0
        gives = channel_words(p.channels, p.lanes)
        phase, _ = wrapping_counter(m, len(gives), stages.fire, name="phase")
        codes = (gives.astype(np.int64) << np.arange(len(outputs))).sum(axis=1)
        m.d.comb += stages.gives.eq(lookup(m, phase, codes, name="turn"))
        return m
