"""Thresholds on a stream of integers: what a model's quantiser has become, from one bit to eight.

The code of a channel is how many of its thresholds the integer meets. Up to three thresholds have a comparator each.
More are searched: thresholds in order are a balanced tree, and each of its levels is a stage with one comparator a
lane and a memory of that level's thresholds, so 255 thresholds take 8 comparators and still a word enters in every
cycle (the pipelined search trees of packet classifiers; Jiang and Prasanna, "A memory-balanced linear pipeline
architecture for trie-based IP lookup", Hot Interconnects 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .codes import PARALLEL_LEVELS, check_codes, count_met
from .counter import wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream, words
from .number import BIPOLAR, IntType
from .rom import Constants, add_rom, packed
from .schedule import Schedule
from .unit import Unit

__all__ = ["PARALLEL_LEVELS", "ThresholdParameters", "ThresholdUnit", "by_word"]


def by_word(channels: int, lanes: int) -> np.ndarray:
    """The channel in each lane of each word: int64 ``[words, lanes]``; padding lanes name a channel of their lane."""
    index = np.arange(words(channels, lanes) * lanes)
    return np.where(index < channels, index, index - lanes if channels > lanes else 0).reshape(-1, lanes)


@dataclass(frozen=True, eq=False)
class ThresholdParameters:
    """Thresholds of each channel, and the types on both sides.

    Parameters
    ----------
    thresholds
        int64 ``[channels, levels]``, in any order, or ``[channels]`` for one level. A threshold that no integer meets
        lies one beyond the range of ``input``.
    falling
        bool ``[channels]``: an integer ``a`` meets a threshold ``t`` where ``a >= t`` or, if falling, ``a <= t``.
    lanes
        Channels a word.
    input, output
        Types. The code is ``base`` plus the number of thresholds met; a bipolar output is +1 where the (only) threshold
        is met, else -1.
    base
        The code of an integer that meets none.
    pixels
        Pixels a frame; each begins a word.

    Raises
    ------
    ValueError
        If shapes differ, a number is not positive, a threshold lies more than one beyond the range, or the output does
        not hold every code.
    """

    thresholds: np.ndarray
    falling: np.ndarray
    lanes: int
    input: IntType
    output: IntType = BIPOLAR
    base: int = 0
    pixels: int = 1

    def __post_init__(self):
        check_positive("lanes", self.lanes)
        check_positive("pixels", self.pixels)
        thresholds, falling = np.array(self.thresholds, dtype=np.int64), np.array(self.falling, dtype=bool)
        thresholds = thresholds[:, None] if thresholds.ndim == 1 else thresholds
        if thresholds.ndim != 2 or falling.shape != thresholds.shape[:1] or not thresholds.size:
            raise ValueError(f"thresholds and falling must be of shapes [channels, levels] and [channels], not "
                             f"{thresholds.shape} and {falling.shape}")
        if self.input.bipolar:
            raise ValueError("input of thresholds must be a plain integer type, not bipolar")
        lo, hi = self.input.lo, self.input.hi
        if thresholds.min() < lo - 1 or thresholds.max() > hi + 1:
            raise ValueError(f"thresholds must lie from {lo - 1} to {hi + 1}, "
                             f"not {thresholds.min()} to {thresholds.max()}")
        check_codes(self.output, self.base, thresholds.shape[1])
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "falling", falling)

    @property
    def channels(self) -> int:
        return self.thresholds.shape[0]

    @property
    def levels(self) -> int:
        return self.thresholds.shape[1]

    @property
    def phases(self) -> int:
        """Words, and so cycles, a pixel."""
        return words(self.channels, self.lanes)

    @property
    def search_bits(self) -> int:
        """Levels of the search tree: bits of the number of thresholds met."""
        return self.levels.bit_length()

    @property
    def parallel(self) -> bool:
        """Whether each threshold has a comparator of its own."""
        return self.levels <= PARALLEL_LEVELS

    @cached_property
    def steps(self) -> np.ndarray:
        """Thresholds that all rise, in order, int64 ``[words, lanes, levels]``.

        ``a <= t`` is ``~a >= ~t``, so a falling channel compares complements, which no carry chain is needed for.
        """
        rising = np.clip(self.thresholds, self.input.lo, self.input.hi + 1)
        falling = ~np.clip(self.thresholds, self.input.lo - 1, self.input.hi)
        steps = np.sort(np.where(self.falling[:, None], falling, rising), axis=1)
        return steps[by_word(self.channels, self.lanes)]

    @cached_property
    def flips(self) -> np.ndarray:
        """Which lanes are complemented in each word: 0 and 1, int64 ``[words, lanes]``."""
        return self.falling[by_word(self.channels, self.lanes)].astype(np.int64)

    @property
    def constant(self) -> bool:
        """Whether each lane has the same thresholds in all words, which needs no memory to tell them apart."""
        return bool((self.steps == self.steps[0]).all() and (self.flips == self.flips[0]).all())

    def search_level(self, level: int) -> np.ndarray:
        """The tree's thresholds of one level: int64 ``[words, lanes, 2 ** level]``, one word if all words agree.

        Entry ``p`` is compared when the bits of the count that are known by then are ``p``. Where there are fewer than
        2**search_bits - 1 thresholds, others that every integer meets come first, and the code's base makes up for
        them: a threshold that none meets would need one more bit.
        """
        steps = self.steps[:1] if self.constant else self.steps
        flips = self.flips[: len(steps), :, None]
        always = np.where(flips, ~self.input.hi, self.input.lo)
        full = np.concatenate([np.repeat(always, self._missing, axis=2), steps], axis=2)
        stride = 1 << self.search_bits - level
        return full[:, :, stride // 2 - 1 :: stride]

    @property
    def _missing(self) -> int:
        return (1 << self.search_bits) - 1 - self.levels

    @property
    def search_base(self) -> int:
        """The code where the tree's count is 0."""
        return self.base - self._missing

    @property
    def schedule(self) -> Schedule:
        ones = np.ones((self.phases, 1))
        compare = 1 if self.parallel else self.search_bits
        return Schedule(ones, ones, stages=compare + (not self.constant), repeats=self.pixels)


class ThresholdUnit(Unit):
    """Codes by thresholds, a word a cycle.

    Latency up to three levels 1 cycle if each lane has the same thresholds in all words, else 2 (a memory is read
    first); with more levels as many cycles as the count has bits, and one more unless all words agree.

    Members
    -------
    i : In(lane_stream(input, lanes))
    o : Out(lane_stream(output, lanes))

    Resources: a comparator for each lane and level up to three levels, then one for each lane and bit of the count;
    all thresholds of the lane's channels in memories, none for those that are the same in all words.
    """

    def __init__(self, parameters: ThresholdParameters):
        p = parameters
        super().__init__(parameters, {
            "i": In(lane_stream(Shape(p.input.bits, p.input.signed), p.lanes)),
            "o": Out(lane_stream(Shape(p.output.bits, p.output.signed), p.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(1),
            self.i.ready.eq(stages.ready),
        ]
        phase, _ = (Const(0, 1), None) if p.constant else wrapping_counter(m, p.phases, stages.fire, name="phase")
        if p.parallel:
            # A word of the memory holds, for each lane, its thresholds and whether it is complemented.
            table = Constants(np.concatenate([p.steps, p.flips[:, :, None]], axis=2).reshape(p.phases, -1))
        else:
            table = Constants(np.concatenate([p.search_level(0)[..., 0], p.flips[: len(p.search_level(0))]], axis=1))
        columns = table.read(m, platform, phase, stages.fire, name="thresholds")
        integers = self._integers(m, stages)
        if p.parallel:
            each = p.levels + 1
            codes = []
            for lane, x in enumerate(integers):
                *steps, flip = columns[lane * each : (lane + 1) * each]
                codes.append(count_met(m, self._oriented(m, x, flip, lane), steps, p.output, p.base,
                                       name=f"lane{lane}"))
        else:
            if not p.constant:
                kept = Signal.like(phase, name="phase0", reset_less=True)
                with m.If(stages.fire):
                    m.d.sync += kept.eq(phase)
                phase = kept
            flips = columns[p.lanes :]
            integers = [self._oriented(m, x, flip, lane) for lane, (x, flip) in
                        enumerate(zip(integers, flips, strict=True))]
            codes = self._search(m, platform, stages, integers, columns[: p.lanes], phase)
        with m.If(stages.enter[-1]):
            m.d.sync += self.o.payload.as_value().eq(Cat(*codes))
        return m

    def _integers(self, m, stages):
        """The lanes' integers: as they arrive, or a cycle later beside what has been read for them."""
        p = self._parameters
        if p.constant:
            return [self.i.payload[lane] for lane in range(p.lanes)]
        integers = [Signal(Shape(p.input.bits, p.input.signed), name=f"kept{lane}", reset_less=True)
                    for lane in range(p.lanes)]
        with m.If(stages.fire):
            m.d.sync += [x.eq(self.i.payload[lane]) for lane, x in enumerate(integers)]
        return integers

    def _oriented(self, m, x, flip, lane):
        """The integer, or its complement in a lane that falls."""
        p = self._parameters
        if not p.falling.any():
            return x
        wide = Signal(signed(p.input.bits + (not p.input.signed)), name=f"oriented{lane}")
        m.d.comb += wide.eq(x ^ flip[0].replicate(len(wide)).as_signed())
        return wide

    def _search(self, m, platform, stages, integers, roots, phase):
        """The count's bits, the highest first, a stage each; the last one's are the codes that leave."""
        p = self._parameters
        first = len(stages.enter) - p.search_bits
        steps, counts = roots, [Const(0, 0)] * p.lanes
        for level in range(p.search_bits):
            enter = stages.enter[first + level]
            found = []
            for lane in range(p.lanes):
                count = Signal(level + 1, name=f"count{level}_{lane}")
                m.d.comb += count.eq(Cat(integers[lane] >= steps[lane], counts[lane]))
                found.append(count)
            if level + 1 == p.search_bits:
                break
            # What goes on to the next stage: the integer, the bits found, and with them the next threshold read.
            table = p.search_level(level + 1)
            steps = [self._node(m, platform, table[:, lane], Cat(count, phase) if len(table) > 1 else count, enter,
                                name=f"level{level + 1}_{lane}") for lane, count in enumerate(found)]
            kept = [*integers, *found] if p.constant else [*integers, *found, phase]
            copies = [Signal.like(value, name=f"stage{level}_{number}", reset_less=True)
                      for number, value in enumerate(kept)]
            with m.If(enter):
                m.d.sync += [copy.eq(value) for copy, value in zip(copies, kept, strict=True)]
            integers, counts = copies[: p.lanes], copies[p.lanes : 2 * p.lanes]
            phase = phase if p.constant else copies[-1]
        codes = [Signal(p.output.bits, name=f"lane{lane}_code") for lane in range(p.lanes)]
        m.d.comb += [code.eq(count + p.search_base) for code, count in zip(codes, found, strict=True)]
        return codes

    @staticmethod
    def _node(m, platform, table, addr, en, *, name):
        """The threshold of one lane that is compared next; ``table`` is ``[words, entries]``."""
        kind = IntType.spanning(int(table.min()), int(table.max()))
        entries = table.reshape(-1, 1)
        entries = entries[:1] if (entries == entries[0]).all() else entries
        read = add_rom(m, platform, packed(entries, kind.bits), kind.bits, addr, en, name=name, small_inline=True)
        step = Signal(Shape(kind.bits, kind.signed), name=f"{name}_step")
        m.d.comb += step.eq(read)
        return step
