"""What a threshold unit is made from: thresholds of each channel, sorted, and as a tree that is searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .codes import PARALLEL_LEVELS, check_codes
from .lanes import check_positive, words
from .number import BIPOLAR, IntType
from .pipeline import DEGREES, check_pipeline
from .rom import packed
from .schedule import Schedule

__all__ = ["ThresholdParameters", "by_word"]


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
    loadable
        Whether thresholds and directions can be written anew through the input ``load``.
    pipeline
        How short paths between registers are, a degree of ``hdl.pipeline.DEGREES``: from 1 on, what a memory gave is
        registered once more.

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
    loadable: bool = False
    pipeline: int = 0

    def __post_init__(self):
        check_pipeline(self.pipeline)
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
        if self.loadable:
            return self.phases == 1
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
    def turns(self) -> bool:
        """Whether a lane may have to be complemented."""
        return self.loadable or bool(self.falling.any())

    @property
    def step_type(self) -> IntType:
        """The type of any threshold that may be loaded: at most one beyond the range of what lanes compare."""
        lo, hi = self.input.lo, self.input.hi
        return IntType.spanning(min(lo, ~hi), max(hi, ~lo) + 1)

    @cached_property
    def load_tables(self) -> list[np.ndarray]:
        """Thresholds as memories hold them, each int64 ``[entries, lanes]``: one for each level.

        Up to three levels an entry is a word of channels; beyond, those of a level of the tree follow each other within
        a word of channels (:meth:`search_level`).
        """
        if self.parallel:
            return [self.steps[:, :, level] for level in range(self.levels)]
        return [self.search_level(level).transpose(0, 2, 1).reshape(-1, self.lanes)
                for level in range(self.search_bits)]

    @cached_property
    def load_words(self) -> tuple[int, ...]:
        """What to write to ``load``, in order, for these thresholds: for each word of channels which lanes fall, then
        :attr:`load_tables`. Parameters of the same shape and types give the words that turn this unit into theirs.
        """
        steps = [word for table in self.load_tables for word in packed(table, self.step_type.bits)]
        return (*packed(self.flips, 1), *steps)

    @property
    def load_bits(self) -> int:
        """Bits of a word of ``load``."""
        return self.lanes * self.step_type.bits

    @property
    def schedule(self) -> Schedule:
        ones = np.ones((self.phases, 1))
        return Schedule(ones, ones, stages=self.first_compared + 1 + self.search_stride * (self.compared - 1),
                        repeats=self.pixels)

    @property
    def compared(self) -> int:
        """Comparisons one after another."""
        return 1 if self.parallel else self.search_bits

    @property
    def first_compared(self) -> int:
        """Stages before the first comparison's: those in which its memory is read."""
        return 0 if self.constant else self.search_stride

    @property
    def search_stride(self) -> int:
        """Stages from one comparison's to the next one's."""
        return 1 + DEGREES[self.pipeline].reads
