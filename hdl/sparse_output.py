"""The output of a sparse engine: which banks of sums are closed, and the words read from the oldest of them.

Sums are zeroed as they leave, in the cycle after they were read, so that a bank is ready when it is opened. A reset
while a vector is inside leaves sums behind: the first cycles after such a reset go through all slots and zero them.
"""

from __future__ import annotations

from amaranth.hdl import *

from .counter import below, wrapping_counter
from .elastic import ElasticStages
from .sparse_parameters import EngineParameters

__all__ = ["Drain"]


class Drain:
    """What elements and output share. Each vector of signals has an entry for every element; a bank is a bit.

    Attributes
    ----------
    closes : list of Signal, driven by the elements
        The element works on the last cycle of a vector: its bank is closed from the next one on.
    closed : list of Signal
        The element's sums wait to leave.
    sweeps : Signal
        All sums are being zeroed, and no element may work.
    drained, reads, slot
        The bank's sums are read by the output: those of ``slot``, where ``reads`` is high.
    zeroes, zero_slot
        The element's sum is to be zeroed, in either bank.
    """

    def __init__(self, m: Module, parameters: EngineParameters):
        p = self._parameters = parameters
        self._m = m
        self.closes = [Signal(2, name=f"closes{k}") for k in range(p.elements)]
        self.closed = [Signal(2, name=f"closed{k}") for k in range(p.elements)]
        self.zeroes = [Signal(2, name=f"zeroes{k}") for k in range(p.elements)]
        self.sweeps, self.reads = Signal(name="sweeps"), Signal(name="drain_reads")
        self.slot = Signal(below(p.slots), name="drain_slot")
        self.zero_slot = Signal.like(self.slot, name="zero_slot")
        self._opens = Signal(2, name="opens")
        self.drained = self._close()

    def _close(self) -> Signal:
        """Banks close for one element after the other, and open for all of them."""
        m, complete = self._m, Signal(2, name="complete")
        for closes, closed in zip(self.closes, self.closed, strict=True):
            m.d.sync += closed.eq((closed | closes) & ~self._opens)
        m.d.comb += [complete[b].eq(Cat(closed[b] for closed in self.closed).all()) for b in range(2)]
        # What the elements closed last is on its way to its sum.
        for stage in range(1, self._parameters.latency):
            later = Signal(2, name=f"complete{stage}")
            m.d.sync += later.eq(complete & ~self._opens)
            complete = later
        return complete

    def make(self, o, sums: list[list[Value]], worked: Value) -> None:
        """Let the words leave through ``o``.

        ``sums`` are those of either bank of each element, in the cycle after they were read; ``worked`` says, of each
        bank, whether a sum may be written from the next cycle on that was not before.
        """
        m, p = self._m, self._parameters
        lanes, groups = p.lanes_out, p.elements // p.lanes_out
        stages = ElasticStages(m, 2, o.valid, o.ready)
        turn, group = Signal(name="drain_bank"), Signal(below(groups), name="drain_group")
        last_group, last = Signal(name="drain_group_last"), Signal(name="drain_last")
        m.d.comb += [
            self.reads.eq(stages.ready & self.drained.bit_select(turn, 1)),
            stages.fire.eq(self.reads), stages.gives.eq(1),
            last_group.eq(group == groups - 1),
            last.eq((self.slot == (p.words_out - 1) // groups) & (group == (p.words_out - 1) % groups)),
            self._opens.eq(Mux(self.reads & last, Mux(turn, 2, 1), 0)),
        ]
        with m.If(self.reads):
            m.d.sync += [
                turn.eq(turn ^ last),
                group.eq(Mux(last | last_group, 0, group + 1)),
                self.slot.eq(Mux(last, 0, self.slot + last_group)),
            ]

        # The first stage is the memories' output registers, which the elements may use from the next cycle on.
        fresh = Signal(name="sums_fresh", reset_less=True)
        of_bank, of_group = Signal.like(turn, name="sums_bank", reset_less=True), Signal.like(
            group, name="sums_group", reset_less=True)
        of_slot = Signal.like(self.slot, name="sums_slot", reset_less=True)
        m.d.sync += fresh.eq(self.reads)
        with m.If(self.reads):
            m.d.sync += [of_bank.eq(turn), of_group.eq(group), of_slot.eq(self.slot)]
        for lane in range(lanes):
            picked = Signal.like(sums[0][0], name=f"picked{lane}")
            kept = Signal.like(picked, name=f"kept{lane}", reset_less=True)
            with m.Switch(of_group):
                for number in range(groups):
                    with m.Case(number):
                        of_lane = sums[number * lanes + lane]
                        m.d.comb += picked.eq(Mux(of_bank, of_lane[1], of_lane[0]))
            with m.If(fresh):
                m.d.sync += kept.eq(picked)
            with m.If(stages.enter[1]):
                m.d.sync += o.payload[lane].eq(Mux(fresh, picked, kept))
        self._zero(fresh, of_bank, of_group, of_slot, worked)

    def _zero(self, fresh, bank, group, slot, worked) -> None:
        """Zero what was read in the cycle before, and everything after a reset that found sums."""
        m, p = self._m, self._parameters
        awake, dirty = Signal(name="awake"), Signal(2, name="dirty", reset_less=True)
        sweep, swept = wrapping_counter(m, p.slots, self.sweeps, name="sweep")
        m.d.sync += [
            awake.eq(1),
            self.sweeps.eq(Mux(self.sweeps, ~swept, ~awake & dirty.any())),
            dirty.eq((dirty | worked) & ~self._opens & ~(self.sweeps & swept).replicate(2)),
        ]
        m.d.comb += self.zero_slot.eq(Mux(self.sweeps, sweep, slot))
        for k, zeroes in enumerate(self.zeroes):
            here = fresh & (group == k // p.lanes_out)
            m.d.comb += zeroes.eq(Cat(here & ~bank, here & bank) | self.sweeps.replicate(2))
