"""From activations and weights to codes or dot products: the pipeline that all units with weights share.

    stage 0                activations and weights read (the unit's own)
    one more               the same, registered once more, and likewise thresholds and offsets, if pipelined so
    the next L             products, and sums over the columns of one cycle (``hdl.dot_gates``)
    one more               accumulated over cycles, if more than one
    two more               several sums multiplied and added up ("levels" lanes only)
    last                   thresholds, or offsets, where there are any
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import *

from .adders import Term
from .codes import count_met
from .dot_gates import DotProducts, lane_stages
from .number import IntType
from .pipeline import DEGREES, Pipeline
from .rom import Constants, add_rom
from .rows import Rows

__all__ = ["RowPipeline", "row_stages"]


def row_stages(rows: Rows, lanes: int, accumulates: bool, degree: int = 0) -> int:
    """Elastic stages of a unit that works on ``lanes`` columns of each row in a cycle, pipelined to a degree."""
    pipeline = DEGREES[degree]
    return (1 + pipeline.reads + lane_stages(rows.lane, lanes, pipeline) + accumulates
            + 2 * (rows.lane.kind == "levels") + rows.finishes)


@dataclass
class RowPipeline:
    """Stages 1 to the last of a unit with weights.

    Parameters
    ----------
    m, platform
        The module, and what it is elaborated with.
    rows
        The weights' constants.
    lanes
        Columns of each row in a cycle.
    output, base
        What leaves.
    enter
        Of each stage: an item enters it.
    accumulates
        Whether a dot product takes several cycles.
    lut, multiplier
        The target: inputs of its lookup tables, and bits of its multipliers' ports or None.
    register
        Makes a pipeline register: ``register(value, stage, name)``.
    thresholds
        Reads a fold's thresholds instead of the ROM: ``thresholds(fold, enable)``.
    pipeline
        What lies between two registers.
    """

    m: Module
    platform: object
    rows: Rows
    lanes: int
    output: IntType
    base: int
    enter: list[Signal]
    accumulates: bool
    lut: int
    multiplier: tuple[int, int] | None
    register: Callable[[Value, int, str], Value]
    thresholds: Callable[[Value, Value], Value] | None = None
    pipeline: Pipeline = DEGREES[0]

    def make(self, payload: Signal, xs: list[Value], ws: list[Value], *, first: Value, fold: Value,
             double: Value | None = None, negative: Value | None = None) -> None:
        """Add the pipeline.

        Parameters
        ----------
        payload
            The output word: a register of the last stage, or what it holds.
        xs, ws
            As for ``DotProducts.make``, in stage 0.
        first, fold
            Of the item in stage 0: whether its sums begin, and which rows it is of.
        double
            Of a "serial" lane: whether what has been accumulated is doubled before.
        negative
            Likewise: whether this bit of the activations counts negatively.
        """
        rows, modulus = self.rows, self._modulus
        last = len(self.enter) - 1
        bits = [min(kind.bits, modulus) for kind in rows.sum_types]
        reads = self.pipeline.reads
        if reads:
            xs, ws = ([self._again(value, f"{name}{place}") for place, value in enumerate(values)]
                      for name, values in (("x_read", xs), ("w_read", ws)))
            negative = None if negative is None else self._again(negative, "negative_read")

        def register(value, stage, name):
            return self.register(value, stage + reads, name)

        dots = DotProducts(self.m, rows.lane, self.lut, self.lanes, bits, self.multiplier, register, self.pipeline)
        sums = dots.make(xs, ws, negative)

        # Which fold an item belongs to travels with it, and how it is accumulated.
        stage = reads + lane_stages(rows.lane, self.lanes, self.pipeline)
        control = [Cat(first, fold) if double is None else Cat(first, double, fold)]
        for d in range(1, max(stage * self.accumulates, (last - 2 - reads) * rows.finishes) + 1):
            control.append(self.register(control[-1], d, f"control{d}"))
        flags = 1 if double is None else 2

        signals = [[self._whole(total, kind, width, f"pe{row}_{place}") for place, (total, kind, width) in
                    enumerate(zip(each, rows.sum_types, bits, strict=True))] for row, each in enumerate(sums)]
        if self.accumulates:
            stage += 1
            now = control[stage - 1]
            signals = [[self._accumulated(value, stage, now[0], None if double is None else now[1],
                                          f"total{row}" if place == 0 else f"total{row}_{place}")
                        for place, value in enumerate(each)] for row, each in enumerate(signals)]
        if rows.lane.kind == "levels":
            signals = [[self._multiplied(each, stage, row)] for row, each in enumerate(signals)]
            stage += 2
        totals, place = [total for (total,) in signals], last - 2 - reads if rows.finishes else 0
        self._finish(payload, totals, control[place][flags:])

    def _again(self, value: Value, name: str) -> Value:
        """What was read, registered once more; a constant is one in any stage."""
        return value if isinstance(value, Const) else self.register(value, 1, name)

    @property
    def _modulus(self) -> int:
        """Bits that sums need: all of them to be compared, else as many as leave."""
        return 1 << 30 if self.rows.thresholds is not None else self.rows.accumulator.bits

    def _whole(self, total: tuple[Term, list[Value]], kind: IntType, width: int, name: str) -> Value:
        """A lane's sum and what is still to be added to it, as one number modulo two to its bits."""
        term, carries = total
        value = Signal(Shape(width, kind.signed), name=name)
        shifted = Term(Cat(Const(0, term.shift), term.value) if term.shift else term.value, term.lo, term.hi)
        self.m.d.comb += value.eq(sum(carries, shifted.bits(width)))
        return value

    def _accumulated(self, value: Signal, stage: int, first, double, name: str) -> Signal:
        total = Signal.like(value, name=name, reset_less=True)
        before = total if double is None else Mux(double, total << 1, total)
        with self.m.If(self.enter[stage]):
            self.m.d.sync += total.eq(Mux(first, 0, before) + value)
        return total

    def _multiplied(self, sums: list[Signal], stage: int, row: int) -> Signal:
        """The total of sums that are each worth something else: products, registered, then added up."""
        kind = self.rows.total_type
        shape = Shape(min(kind.bits, self._modulus), kind.signed)
        products = []
        for place, (value, gain) in enumerate(zip(sums, self.rows.lane.gains, strict=True)):
            product = Signal(shape, name=f"product{row}_{place}_now")
            self.m.d.comb += product.eq(value * gain)
            products.append(self.register(product, stage + 1, f"product{row}_{place}"))
        total = Signal(shape, name=f"weighted{row}_now")
        self.m.d.comb += total.eq(sum(products[1:], products[0]))
        return self.register(total, stage + 2, f"weighted{row}")

    def _finish(self, payload: Signal, totals: list[Signal], fold: Value) -> None:
        """Codes or dot products, in the last stage."""
        rows, m = self.rows, self.m
        if not rows.finishes:
            m.d.comb += [payload[lane].eq(self._scaled(total, lane)) for lane, total in enumerate(totals)]
            return
        # What is compared in stage ``last - 1`` is read to be there as the item is, or one stage before that.
        reads, last = self.pipeline.reads, len(self.enter) - 1
        read, leave = self.enter[last - 1 - reads], self.enter[last]

        def late(value, name):
            return self.register(value, last - 1, name) if reads and not isinstance(value, Const) else value

        if rows.thresholds is None:
            offsets = Constants(rows.offset_words).read(m, self.platform, fold, read, name="offsets")
            offsets = [late(offset, f"offset_read{lane}") for lane, offset in enumerate(offsets)]
            results = []
            for lane, (total, offset) in enumerate(zip(totals, offsets, strict=True)):
                results.append(Signal(Shape(rows.accumulator.bits, rows.accumulator.signed), name=f"dot{lane}"))
                m.d.comb += results[-1].eq(self._scaled(total, lane) + offset)
            with m.If(leave):
                m.d.sync += [payload[lane].eq(result) for lane, result in enumerate(results)]
            return
        kind, levels = rows.threshold_type, rows.thresholds.shape[1]
        words = rows.threshold_words
        table = (add_rom(m, self.platform, words, kind.bits * levels * len(totals), fold, read, name="thresholds")
                 if self.thresholds is None else self.thresholds(fold, read))
        table = late(table, "thresholds_read")
        codes = []
        for lane, total in enumerate(totals):
            steps = [table.word_select(lane * levels + level, kind.bits) for level in range(levels)]
            steps = [step.as_signed() if kind.signed else step for step in steps]
            codes.append(count_met(m, total, steps, self.output, self.base, name=f"pe{lane}"))
        with m.If(leave):
            m.d.sync += payload.as_value().eq(Cat(*codes))

    def _scaled(self, total: Signal, lane: int) -> Value:
        """The total times its gain, a power of two."""
        if self.rows.gain == 1:
            return total
        kind = self.rows.accumulator
        scaled = Signal(Shape(kind.bits, kind.signed), name=f"scaled{lane}")
        self.m.d.comb += scaled.eq(total << self.rows.gain.bit_length() - 1)
        return scaled
