"""Stream width conversion, both ways and for any ratio of lanes.

Each pixel's ``channels`` channels arrive in words of ``lanes_in`` and leave in words of ``lanes_out``; padding lanes of
the pixel's last word in are dropped, those of its last word out mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import below, wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream, words
from .schedule import Schedule
from .unit import Unit

__all__ = ["WidthConverter", "WidthParameters"]


@dataclass(frozen=True)
class _Step:
    """What one phase does with ``held`` lanes in the buffer: how many are ``there`` with those that come in, whether a
    word leaves, and how many are ``left``."""

    held: int
    there: int
    takes: bool
    last: bool  # takes the last word of the pixel
    draining: bool  # after the last word
    gives: bool
    left: int


@dataclass(frozen=True)
class WidthParameters:
    """``channels`` a pixel, from words of ``lanes_in`` lanes to words of ``lanes_out`` lanes; ``pixels`` a frame.

    One phase takes a word as long as fewer than ``lanes_out`` lanes are held, and gives one as soon as ``lanes_out``
    are there, or the pixel has ended. So a pixel takes max(words in, words out) cycles, and one more only where its
    last word in completes one word out and begins another. A vector is one pixel.

    Raises
    ------
    ValueError
        If a number is not a positive integer.
    """

    channels: int
    lanes_in: int
    lanes_out: int
    pixels: int = 1

    def __post_init__(self):
        for name in ("channels", "lanes_in", "lanes_out", "pixels"):
            check_positive(name, getattr(self, name))

    @cached_property
    def steps(self) -> tuple[_Step, ...]:
        """The phases of one pixel."""
        steps, held, coming = [], 0, self.channels
        while coming or held:
            draining = coming == 0
            takes = not draining and held < self.lanes_out
            arriving = min(self.lanes_in, coming) if takes else 0
            coming -= arriving
            there = held + arriving
            gives = there >= self.lanes_out or coming == 0
            left = max(there - self.lanes_out, 0) if gives else there
            steps.append(_Step(held, there, takes, takes and coming == 0, draining, gives, left))
            held = left
        return tuple(steps)

    @property
    def buffer_lanes(self) -> int:
        """Lanes that must be kept from one phase to the next."""
        return max(step.left for step in self.steps)

    @property
    def levels(self) -> tuple[int, ...]:
        """The numbers of lanes that the buffer can hold when a phase begins: one multiplexer input each."""
        return tuple(sorted({step.held for step in self.steps}))

    @property
    def schedule(self) -> Schedule:
        return Schedule(np.array([[step.takes] for step in self.steps]),
                        np.array([[step.gives] for step in self.steps]), stages=1, repeats=self.pixels)


class WidthConverter(Unit):
    """Regroups lanes. Latency 1 cycle from the word that completes an output word; see :class:`WidthParameters`.

    Parameters
    ----------
    shape : ShapeLike
        Shape of one lane.
    parameters : WidthParameters

    Members
    -------
    i : In(lane_stream(shape, lanes_in))
    o : Out(lane_stream(shape, lanes_out))

    Resources: a buffer of up to ``lanes_in - 1`` or ``lanes_out - 1`` lanes, an output register, and for each lane a
    multiplexer with as many inputs as ``parameters.levels`` (one or two where one number of lanes divides the other).
    """

    def __init__(self, shape, parameters: WidthParameters):
        self._shape = shape
        super().__init__(parameters, {
            "i": In(lane_stream(shape, parameters.lanes_in)),
            "o": Out(lane_stream(shape, parameters.lanes_out)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        lane = Shape.cast(self._shape).width
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        held = Signal(below(max(p.levels) + 1))
        buffer = Signal(max(p.buffer_lanes, 1) * lane, reset_less=True)
        gather = Signal(p.lanes_out * lane)
        remain = Signal.like(buffer)
        next_held = Signal.like(held)
        takes = Signal()
        _, last_word = wrapping_counter(m, words(p.channels, p.lanes_in), stages.fire & takes, name="word")
        # The pixel has been taken whole and lanes of it are still held.
        draining = Signal()

        # The level of the buffer, and whether this is the pixel's last word, decide all of a phase.
        incoming = Value.cast(self.i.payload)
        # Lanes that a phase leaves empty hold whatever is cheapest: each one picked from fewer places.
        moved = Cat(buffer, Const(0, p.lanes_out * lane))
        m.d.comb += [gather.eq(moved), remain.eq(moved[p.lanes_out * lane :] if p.lanes_in > p.lanes_out else buffer)]
        with m.Switch(held):
            for level in p.levels:
                with m.Case(level):
                    there = Cat(buffer[: level * lane], incoming)
                    steps = [step for step in p.steps if step.held == level]
                    for condition, step in self._distinct(m, steps, last_word, draining):
                        rest = there[p.lanes_out * lane :] if step.gives else there
                        kept, given = step.left * lane, min(step.there, p.lanes_out) * step.gives * lane
                        with condition:
                            m.d.comb += [takes.eq(step.takes), stages.gives.eq(step.gives), next_held.eq(step.left),
                                         remain[:kept].eq(rest[:kept]), gather[:given].eq(there[:given])]
        m.d.comb += [
            stages.fire.eq(stages.ready & (~takes | self.i.valid)),
            self.i.ready.eq(stages.ready & takes),
        ]
        with m.If(stages.fire):
            m.d.sync += [held.eq(next_held), buffer.eq(remain)]
            m.d.sync += draining.eq((draining | (takes & last_word)) & (next_held != 0))
            with m.If(stages.gives):
                m.d.sync += Value.cast(self.o.payload).eq(gather)
        return m

    def _distinct(self, m, steps, last_word, draining):
        """The different things done at one level, each with the condition that selects it."""
        conditions = (
            (draining, next((step for step in steps if step.draining), None)),
            (last_word & ~draining, next((step for step in steps if step.last), None)),
            (~last_word & ~draining, next((step for step in steps if not step.last and not step.draining), None)),
        )
        chosen = [(condition, step) for condition, step in conditions if step is not None]
        for position, (condition, step) in enumerate(chosen):
            if position == 0:
                yield m.If(condition) if len(chosen) > 1 else m.If(1), step
            else:
                yield (m.Elif(condition) if position + 1 < len(chosen) else m.Else()), step
