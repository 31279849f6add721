"""Concatenation: the channels of several streams side by side, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import lookup, wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream
from .schedule import Schedule
from .unit import Unit

__all__ = ["ConcatParameters", "ConcatUnit", "channel_words"]


def channel_words(channels: tuple[int, ...], lanes: int | None) -> np.ndarray:
    """Which streams a phase serves: ``[phases of a pixel, streams]`` of 0 and 1.

    With ``lanes`` one after the other, a word each; without, all in one phase, each with a word of all its channels.

    Raises
    ------
    ValueError
        If there are no streams, a number is not a positive integer, or the lanes do not divide all channels.
    """
    if not isinstance(channels, tuple) or not channels:
        raise ValueError(f"channels must be a tuple of positive integers, not {channels!r}")
    for each in channels:
        check_positive("channels", each)
    if lanes is None:
        return np.ones((1, len(channels)), dtype=np.uint8)
    check_positive("lanes", lanes)
    if any(each % lanes for each in channels):
        raise ValueError(f"lanes must divide the channels of every stream, {channels}, not {lanes}")
    return np.eye(len(channels), dtype=np.uint8).repeat([each // lanes for each in channels], axis=0)


@dataclass(frozen=True)
class ConcatParameters:
    """Streams of ``channels[k]`` channels a pixel, ``pixels`` a frame.

    ``lanes``, on all streams, must divide all of them; None stands for whole pixels: a word of every stream holds all
    channels of a pixel.

    Raises
    ------
    ValueError
        As :func:`channel_words` says.
    """

    channels: tuple[int, ...]
    lanes: int | None
    pixels: int

    def __post_init__(self):
        check_positive("pixels", self.pixels)
        channel_words(self.channels, self.lanes)

    @property
    def schedule(self) -> Schedule:
        takes = channel_words(self.channels, self.lanes)
        return Schedule(takes, np.ones((len(takes), 1)), stages=1, repeats=self.pixels)


class ConcatUnit(Unit):
    """For each pixel the words of the first stream, then of the second, and so on; or all side by side in one word.

    A word a cycle, latency 1 cycle. A stream waits while it is not its turn, so each wants a FIFO before it.

    Parameters
    ----------
    shape : ShapeLike
        Shape of one lane.
    parameters : ConcatParameters

    Members
    -------
    i0, i1, … : In(lane_stream(shape, lanes or channels[k]))
    o : Out(lane_stream(shape, lanes or sum(channels)))

    Resources: a register of a word, and a multiplexer with as many inputs as there are streams (none for whole pixels).
    """

    def __init__(self, shape, parameters: ConcatParameters):
        p = parameters
        super().__init__(parameters, {
            **{f"i{k}": In(lane_stream(shape, p.lanes or each)) for k, each in enumerate(p.channels)},
            "o": Out(lane_stream(shape, p.lanes or sum(p.channels))),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        inputs = [getattr(self, f"i{k}") for k in range(len(p.channels))]
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        word = Signal(len(self.o.payload.as_value()))
        m.d.comb += stages.gives.eq(1)
        if p.lanes is None:
            m.d.comb += [stages.fire.eq(stages.ready & Cat(i.valid for i in inputs).all()),
                         word.eq(Cat(i.payload.as_value() for i in inputs))]
            for k, i in enumerate(inputs):
                others = Cat(other.valid for j, other in enumerate(inputs) if j != k)
                m.d.comb += i.ready.eq(stages.ready & others.all())
        else:
            takes = channel_words(p.channels, p.lanes)
            phase, _ = wrapping_counter(m, len(takes), stages.fire, name="phase")
            with m.Switch(lookup(m, phase, takes.argmax(axis=1), name="turn")):
                for k, i in enumerate(inputs):
                    with m.Case(k):
                        m.d.comb += [stages.fire.eq(stages.ready & i.valid), word.eq(i.payload.as_value()),
                                     i.ready.eq(stages.ready)]
        with m.If(stages.fire):
            m.d.sync += self.o.payload.as_value().eq(word)
        return m
