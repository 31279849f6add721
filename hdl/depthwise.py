"""Depthwise unit: every channel sees itself alone, tap by tap or whole, on the same lanes as the matrix-vector unit."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .dot import Lane, choose_lane
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream, word_stream, words
from .matrix import weight_words
from .number import BIPOLAR, IntType
from .pipeline import DEGREES, check_pipeline
from .rom import add_rom
from .rows import Rows, checked_thresholds
from .rows_gates import RowPipeline, row_stages
from .schedule import Schedule
from .steps import by_word
from .unit import Unit
from .weights import LoadPort

__all__ = ["DepthwiseParameters", "DepthwiseUnit"]


@dataclass(frozen=True, eq=False)
class DepthwiseParameters:
    """The weights of each channel, thresholds and lanes.

    Parameters
    ----------
    weights
        int64 ``[C, taps]``.
    lanes
        Channels worked on in a cycle, at most C; it need not divide them.
    input, output
        Types. By default the output is bipolar with thresholds, and ``accumulator`` without.
    thresholds
        int64 ``[C]`` or ``[C, levels]`` of up to 3 levels, or None: as of ``MatrixVectorParameters``.
    base
        The code of a sum that meets no threshold.
    positions
        Positions a frame. At each, for each word of ``lanes`` channels, one word for every ``simd`` taps arrives, and
        one leaves.
    simd
        Taps that come in a word, all channels of a tap together: 1, or all of them.
    lane
        One of ``hdl.dot.LANES`` but "serial", or None for the cheapest that holds the weights.
    accumulator
        A type that holds every sum that occurs, if the caller knows better than the input's type says.
    lut
        Inputs of the target's lookup table, 4 or 6.
    loadable
        Whether weights and thresholds can be written anew through the input ``load``.
    weight
        Of weights to come, as of ``MatrixVectorParameters``.
    pipeline
        How short paths between registers are, a degree of ``hdl.pipeline.DEGREES``.

    Raises
    ------
    ValueError
        If a shape, a number or a lane is not as said above.
    """

    weights: np.ndarray
    lanes: int
    input: IntType
    thresholds: np.ndarray | None = None
    output: IntType | None = None
    base: int = 0
    positions: int = 1
    _: KW_ONLY
    simd: int = 1
    lane: str | None = None
    accumulator: IntType | None = None
    lut: int = 4
    loadable: bool = False
    weight: IntType | tuple[int, int] | None = None
    pipeline: int = 0

    def __post_init__(self):
        weights = np.array(self.weights, dtype=np.int64)
        if weights.ndim != 2 or not weights.size:
            raise ValueError(f"weights must be of shape [C, taps], not {weights.shape}")
        object.__setattr__(self, "weights", weights)
        check_positive("positions", self.positions)
        check_pipeline(self.pipeline)
        if check_positive("lanes", self.lanes) > self.channels:
            raise ValueError(f"lanes must be at most the {self.channels} channels, not {self.lanes}")
        if self.simd not in (1, self.taps):
            raise ValueError(f"simd must be 1 or the {self.taps} taps, not {self.simd!r}")
        if self.lane == "serial":
            raise ValueError("lane must be one that takes a whole activation a cycle, not 'serial'")
        if self.weight is not None and not self.loadable:
            raise ValueError("weight is what weights that are loaded may be: only of loadable ones")
        if self.thresholds is not None:
            object.__setattr__(self, "output", self.output or BIPOLAR)
            object.__setattr__(self, "thresholds",
                               checked_thresholds(self.thresholds, self.channels, self.output, self.base))
        given = self.accumulator or (self.output if self.thresholds is None else None)
        object.__setattr__(self, "accumulator", given)
        object.__setattr__(self, "accumulator", self.rows_of.accumulator)
        if self.thresholds is None:
            object.__setattr__(self, "output", self.output or self.accumulator)

    @cached_property
    def arithmetic(self) -> Lane:
        """What the lanes do."""
        return choose_lane(self.weights, self.input, self.lane, loadable=self.loadable, weight=self.weight)

    @cached_property
    def rows_of(self) -> Rows:
        """The weights' constants: a channel is a row, a tap a column."""
        return Rows(self.weights, by_word(self.channels, self.lanes), 0, self.arithmetic, self.thresholds,
                    self.accumulator)

    @property
    def channels(self) -> int:
        return self.weights.shape[0]

    @property
    def taps(self) -> int:
        return self.weights.shape[1]

    @property
    def folds(self) -> int:
        """Words of channels."""
        return words(self.channels, self.lanes)

    @property
    def phases(self) -> int:
        """Cycles a position."""
        return self.folds * self.column_folds

    @property
    def column_folds(self) -> int:
        """Words that bring a channel's taps."""
        return self.taps // self.simd

    @property
    def weight_bits(self) -> int:
        """Bits of a weight's code."""
        return self.arithmetic.bits

    @cached_property
    def weight_words(self) -> tuple[int, ...]:
        """One word of ``lanes * simd`` codes, lane by lane, for each word of channels and, within it, ``simd`` taps."""
        return tuple(weight_words(self.rows_of.codes, self.rows_of.folds, self.simd, self.weight_bits))

    @cached_property
    def threshold_words(self) -> tuple[int, ...]:
        """One word for each word of channels: its thresholds on what lanes sum up."""
        return tuple(self.rows_of.threshold_words)

    @property
    def threshold_bits(self) -> int:
        """Bits of a threshold in ``threshold_words``."""
        return self.rows_of.threshold_type.bits

    @property
    def load_words(self) -> tuple[int, ...]:
        """What to write to ``load``, in order, for these weights and thresholds: as of ``MatrixVectorParameters``."""
        return self.weight_words + (() if self.thresholds is None else self.threshold_words)

    @property
    def load_bits(self) -> int:
        """Bits of a word of ``load``."""
        levels = 0 if self.thresholds is None else self.thresholds.shape[1] * self.threshold_bits
        return self.lanes * max(self.simd * self.weight_bits, levels)

    @property
    def schedule(self) -> Schedule:
        """One word of channels is one repetition of the tables."""
        word = np.arange(self.column_folds)[:, None]
        return Schedule(np.ones_like(word), word == self.column_folds - 1, repeats=self.positions * self.folds,
                        stages=row_stages(self.rows_of, self.simd, self.column_folds > 1, self.pipeline))


class DepthwiseUnit(Unit):
    """Sums of each channel's taps, a word taken in every cycle: ``phases`` cycles a position without a bubble.

    Latency ``schedule.stages`` cycles from the last tap of a word of channels to that word out.

    Members
    -------
    i : In(lane_stream(input, simd * lanes))
        For each word of channels, the taps one after another, or all in one word; padding lanes of a last word of
        channels mean nothing.
    load : In(word_stream(load_bits)), of loadable weights only
        ``load_words``, always ready; after the last word it begins anew. Load while no frame is inside.
    o : Out(lane_stream(output, lanes))
        For each word of channels one word.

    Resources: ``simd * lanes`` products; as many sums, accumulators (of several words) and, for each threshold,
    comparators as lanes; a memory of ``phases`` words.
    """

    def __init__(self, parameters: DepthwiseParameters):
        p, output = parameters, parameters.output
        assert output is not None  # once the parameters are made
        ports = {"i": In(lane_stream(Shape(p.input.bits, p.input.signed), p.simd * p.lanes)),
                 "o": Out(lane_stream(Shape(output.bits, output.signed), p.lanes))}
        if p.loadable:
            ports["load"] = In(word_stream(p.load_bits))
        super().__init__(parameters, ports)

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        fire = stages.fire
        word, last_word = wrapping_counter(m, p.column_folds, fire, name="word")
        fold, _ = wrapping_counter(m, p.folds, fire & last_word, name="fold")
        phase, _ = wrapping_counter(m, p.phases, fire, name="phase")
        m.d.comb += [
            fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(last_word),
            self.i.ready.eq(stages.ready),
        ]

        def register(value, stage, name):
            kept = Signal.like(value, name=name, reset_less=True)
            with m.If(stages.enter[stage]):
                m.d.sync += kept.eq(value)
            return kept

        weights, thresholds = self._constants(m, platform, phase, fire)
        integers = register(self.i.payload.as_value(), 0, "integers")
        control = register(Cat(word == 0, fold), 0, "control0")
        pipeline = RowPipeline(m, platform, p.rows_of, p.simd, p.output, p.base, stages.enter, p.column_folds > 1,
                               p.lut, None, register, thresholds, DEGREES[p.pipeline])
        # A word has all channels of a tap together; a lane works on the taps of one channel.
        seen = [Cat(integers.word_select(tap * p.lanes + lane, p.input.bits) for tap in range(p.simd))
                for lane in range(p.lanes)]
        pipeline.make(self.o.payload, seen, [weights.word_select(lane, p.simd * p.weight_bits)
                                             for lane in range(p.lanes)], first=control[0], fold=control[1:])
        return m

    def _constants(self, m, platform, phase, fire):
        """The weights' word in stage 0, and how thresholds are read if not from a ROM."""
        p = self._parameters
        width = p.lanes * p.simd * p.weight_bits
        if not p.loadable:
            return add_rom(m, platform, p.weight_words, width, phase, fire, name="weights"), None
        port = LoadPort(m, platform, self.load, len(p.load_words))
        weights = port.section(len(p.weight_words)).memory(p.weight_words, width, phase, fire, name="weights")
        if p.thresholds is None:
            return weights, None
        section, of_thresholds = port.section(p.folds), p.lanes * p.thresholds.shape[1] * p.threshold_bits
        return weights, lambda fold, enable: section.memory(p.threshold_words, of_thresholds, fold, enable,
                                                            name="thresholds")
