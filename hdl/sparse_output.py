"""The output of a sparse engine: which banks of sums are closed, and the words read from the oldest of them.

Sums are zeroed as they leave, in the cycle after they were read, so that a bank is ready when it is opened. A reset
while a vector is inside leaves sums behind: the first cycles after such a reset go through all slots and zero them.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

from .counter import below, wrapping_counter
from .elastic import ElasticStages
from .sparse_parameters import EngineParameters

__all__ = ["Drain", "drain_port"]


def drain_port(parameters: EngineParameters) -> Signature:
    """What an element and the output say to each other. Of two bits, each stands for a bank.

    Members
    -------
    closes : In(2)
        The element works on the last cycle of a vector: its bank is closed from the next cycle on.
    closed : Out(2)
        The element's sums wait to leave.
    worked : In(2)
        The element worked on an entry in the cycle before.
    sweeps : Out(1)
        All sums are being zeroed, and no element may work.
    drained : Out(2), reads : Out(1), slot : Out
        Whose sums the output reads: those of ``slot``, where ``reads`` is high.
    sums : In
        What was read in the cycle before.
    zeroes : Out(2), zero_slot : Out
        The sum to zero.
    """
    kind = parameters.accumulator
    assert kind is not None  # once the parameters are made
    return Signature({
        "closes": In(2), "closed": Out(2), "worked": In(2), "sweeps": Out(1),
        "drained": Out(2), "reads": Out(1), "slot": Out(below(parameters.slots)),
        "sums": In(data.ArrayLayout(Shape(kind.bits, kind.signed), 2)),
        "zeroes": Out(2), "zero_slot": Out(below(parameters.slots)),
    })


class Drain:
    """Adds the output to a module: words leave through ``o`` from the ``elements``, each a ``drain_port``."""

    def __init__(self, m: Module, parameters: EngineParameters, o, elements: list):
        self._m, self._parameters, self._elements = m, parameters, elements
        self._opens = Signal(2, name="opens")
        self._drained = self._close()
        self._reads, self._slot = Signal(name="drain_reads"), Signal(below(parameters.slots), name="drain_slot")
        for element in elements:
            m.d.comb += [element.drained.eq(self._drained), element.reads.eq(self._reads), element.slot.eq(self._slot)]
        self._leave(o)

    def _close(self) -> Signal:
        """Banks close for one element after the other, and open for all of them. Returns those whose sums may leave."""
        m, complete = self._m, Signal(2, name="complete")
        every = []
        for number, element in enumerate(self._elements):
            closed = Signal(2, name=f"closed{number}")
            m.d.sync += closed.eq((closed | element.closes) & ~self._opens)
            m.d.comb += element.closed.eq(closed)
            every.append(closed)
        m.d.comb += [complete[b].eq(Cat(closed[b] for closed in every).all()) for b in range(2)]
        # What the elements worked on last is on its way to its sum.
        for stage in range(1, self._parameters.latency):
            later = Signal(2, name=f"complete{stage}")
            m.d.sync += later.eq(complete & ~self._opens)
            complete = later
        return complete

    def _leave(self, o) -> None:
        """Rows in order: the groups of ``lanes_out`` elements within each slot."""
        m, p = self._m, self._parameters
        groups = p.elements // p.lanes_out
        stages = ElasticStages(m, 2, o.valid, o.ready)
        turn, group = Signal(name="drain_bank"), Signal(below(groups), name="drain_group")
        last_group, last = Signal(name="drain_group_last"), Signal(name="drain_last")
        final_slot, final_group = divmod(p.words_out - 1, groups)
        m.d.comb += [
            self._reads.eq(stages.ready & self._drained.bit_select(turn, 1)),
            stages.fire.eq(self._reads), stages.gives.eq(1),
            last_group.eq(group == groups - 1),
            last.eq((self._slot == final_slot) & (group == final_group)),
            self._opens.eq(Mux(self._reads & last, Mux(turn, 2, 1), 0)),
        ]
        # What was read is in the memories' output registers in the next cycle, and only then sure to be there.
        fresh, of_bank = Signal(name="sums_fresh", reset_less=True), Signal(name="sums_bank", reset_less=True)
        of_group = Signal.like(group, name="sums_group", reset_less=True)
        of_slot = Signal.like(self._slot, name="sums_slot", reset_less=True)
        m.d.sync += fresh.eq(self._reads)
        with m.If(self._reads):
            m.d.sync += [
                turn.eq(turn ^ last),
                group.eq(Mux(last | last_group, 0, group + 1)),
                self._slot.eq(Mux(last, 0, self._slot + last_group)),
                of_bank.eq(turn), of_group.eq(group), of_slot.eq(self._slot),
            ]
        for lane in range(p.lanes_out):
            of_lane = [element.sums for element in self._elements[lane :: p.lanes_out]]
            picked = Signal.like(of_lane[0][0], name=f"picked{lane}")
            kept = Signal.like(picked, name=f"kept{lane}", reset_less=True)
            with m.Switch(of_group):
                for number, sums in enumerate(of_lane):
                    with m.Case(number):
                        m.d.comb += picked.eq(Mux(of_bank, sums[1], sums[0]))
            with m.If(fresh):
                m.d.sync += kept.eq(picked)
            with m.If(stages.enter[1]):
                m.d.sync += o.payload[lane].eq(Mux(fresh, picked, kept))
        self._zero(fresh, of_bank, of_group, of_slot)

    def _zero(self, fresh, bank, group, slot) -> None:
        """Zero what was read in the cycle before, and everything after a reset that found sums."""
        m, p = self._m, self._parameters
        worked, awake, dirty = Signal(2, name="worked"), Signal(name="awake"), Signal(2, name="dirty", reset_less=True)
        sweeps, zero_slot = Signal(name="sweeps"), Signal.like(slot, name="zero_slot")
        sweep, swept = wrapping_counter(m, p.slots, sweeps, name="sweep")
        m.d.comb += [
            *(worked[b].eq(Cat(element.worked[b] for element in self._elements).any()) for b in range(2)),
            zero_slot.eq(Mux(sweeps, sweep, slot)),
        ]
        m.d.sync += [
            awake.eq(1),
            sweeps.eq(Mux(sweeps, ~swept, ~awake & dirty.any())),
            dirty.eq(Mux(sweeps & swept, 0, (dirty | worked) & ~self._opens)),
        ]
        for number, element in enumerate(self._elements):
            here = Signal(name=f"zeroes{number}")
            m.d.comb += [
                here.eq(fresh & (group == number // p.lanes_out)),
                element.sweeps.eq(sweeps),
                element.zero_slot.eq(zero_slot),
                element.zeroes.eq(Cat(here & ~bank, here & bank) | sweeps.replicate(2)),
            ]
