"""Who works and who waits: counters of busy cycles for units and of stalled cycles for streams, from outside of them.

What is counted is what ``sim.dataflow`` predicts as ``Trace.busy`` and ``Trace.stalled``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["COUNTER_BITS", "Activity", "Watched"]

COUNTER_BITS = 32


@dataclass(frozen=True)
class Watched:
    """A unit: the numbers of the streams at its inputs and outputs, and whether it ``stores`` rather than computes."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    stores: bool


class Activity(wiring.Component):
    """Counts, in every cycle in which ``counts`` is high, and wraps at 2**32.

    - Of a stream, the cycles in which a word was offered and not taken: stalls of the unit that gives it and of the
      unit that takes it.
    - Of a unit that computes, the cycles in which it took a word, or neither lacked one nor had one refused. It lacks
      one if it asks for what is not offered; with several inputs, if one of them is not offered. Held up by nobody,
      it counts the phases of its schedule.
    - Of a unit that stores (a queue, a buffer, a sparse engine), the cycles in which it took or gave a word.

    What happens in a cycle is in the counts two cycles later.

    Parameters
    ----------
    streams : int
    units : sequence of Watched

    Members
    -------
    valid, ready : In(streams)
        Of each stream, the first in the lowest bit.
    counts : In(1)
    clear : In(1)
        All counts to 0; what happened in the cycle before is not counted.
    which : In
        The counter to look at: units first, then streams.
    value : Out(32)
        In the next cycle.

    Resources: a counter of 32 bits for each unit and stream, and a multiplexer of as many words.
    """

    def __init__(self, streams: int, units: Sequence[Watched]):
        self._streams, self._units = streams, tuple(units)
        super().__init__({
            "valid": In(streams), "ready": In(streams), "counts": In(1), "clear": In(1),
            "which": In(range(len(self._units) + streams)), "value": Out(COUNTER_BITS),
        })

    def elaborate(self, platform):
        m = Module()
        valid, ready = self.valid, self.ready
        taken, refused = (Signal(self._streams, name=name) for name in ("taken", "refused"))
        m.d.comb += [taken.eq(valid & ready), refused.eq(valid & ~ready)]
        happens = []
        for number, unit in enumerate(self._units):
            takes, gives = (Cat(taken[k] for k in ports).any() for ports in (unit.inputs, unit.outputs))
            if unit.stores:
                busy = takes | gives
            else:
                lacks = Const(0)
                if len(unit.inputs) == 1:
                    lacks = ready[unit.inputs[0]] & ~valid[unit.inputs[0]]
                elif unit.inputs:
                    lacks = ~Cat(valid[k] for k in unit.inputs).all()
                busy = ~lacks & ~Cat(refused[k] for k in unit.outputs).any()
                busy = takes | busy if unit.inputs else busy
            happens.append((f"busy{number}", busy))
        happens += [(f"stall{number}", refused[number]) for number in range(self._streams)]
        counters = []
        for name, event in happens:
            seen, count = Signal(name=f"{name}_seen"), Signal(COUNTER_BITS, name=name)
            m.d.sync += seen.eq(event & self.counts)
            with m.If(self.clear):
                m.d.sync += count.eq(0)
            with m.Elif(seen):
                m.d.sync += count.eq(count + 1)
            counters.append(count)
        with m.Switch(self.which):
            for place, count in enumerate(counters):
                with m.Case(place):
                    m.d.sync += self.value.eq(count)
        return m
