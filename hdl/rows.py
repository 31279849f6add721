"""Rows of weights on lanes: exact types of their sums, and the constants that turn sums into codes or dot products.

A lane's arithmetic leaves a row's dot product as ``gain * sum + offset``, or as a sum of several such (``hdl.dot``).
What a row's offset is, how wide a sum may become, and what a threshold on the dot product is on the sum: all that
follows from the weights, here, in integers, and the matrix-vector and depthwise units share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .codes import PARALLEL_LEVELS, check_codes
from .dot import Lane
from .dot_planes import ones_at_zero
from .number import IntType
from .rom import packed

__all__ = ["Rows", "checked_thresholds"]


@dataclass(frozen=True, eq=False)
class Rows:
    """``N`` rows of ``K`` weights, of which some are worked on at a time.

    Parameters
    ----------
    weights
        int64 ``[N, K]``.
    folds
        int64 ``[folds, PE]``: the rows worked on together. Padding lanes name any row.
    padding
        Columns without a weight that a row is worked on beside its own.
    lane
        The kind of lane.
    thresholds
        int64 ``[N, levels]`` or None.
    accumulator
        A type that holds every dot product, or None: the caller may know more of the activations than their type.
    worked
        bool ``[N, K + padding]``: the columns that each row is worked on, or None for all. The others' weights are 0.
    """

    weights: np.ndarray
    folds: np.ndarray
    padding: int
    lane: Lane
    thresholds: np.ndarray | None = None
    narrowed: IntType | None = None
    worked: np.ndarray | None = None

    @cached_property
    def codes(self) -> np.ndarray:
        """The weights' codes with the padding columns: int64 ``[N, K + padding]``."""
        return np.pad(self.lane.encode(self.weights), ((0, 0), (0, self.padding)), constant_values=self.lane.padding)

    @cached_property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest dot product of each row over all activations of the type: int64 ``[N]`` each.

        All sums on the way are modulo two to the bits of the range found here. They may overflow and come back: that
        the end lies within the range is all that two's complement needs.
        """
        lo, hi = self._span(self.weights)
        if self.lane.loadable:
            corners = [a * b for a in self.lane.range for b in (self.lane.input.lo, self.lane.input.hi)]
            lo, hi = np.full_like(lo, min(corners) * self._columns), np.full_like(hi, max(corners) * self._columns)
        if self.narrowed is not None:
            lo, hi = (np.clip(end, self.narrowed.lo, self.narrowed.hi) for end in (lo, hi))
        return lo, hi

    @property
    def accumulator(self) -> IntType:
        """The narrowest type of all dot products."""
        lo, hi = self.interval
        return IntType.spanning(int(lo.min()), int(hi.max()))

    @property
    def _columns(self) -> int:
        return self.weights.shape[1]

    def _span(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lo, hi = self.lane.input.lo, self.lane.input.hi
        positive, negative = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
        return positive * lo + negative * hi, positive * hi + negative * lo

    def _sums_at_zero(self) -> np.ndarray:
        """What the lanes sum up where all bits of the activations are 0."""
        lane = self.lane
        if lane.by_planes:
            return ones_at_zero(lane, self.codes, self.worked)
        if lane.input.bipolar:
            return np.zeros(len(self.weights), dtype=np.int64)
        # A negative weight adds the complement of the activation.
        complement = -1 if lane.input.signed else lane.input.hi
        return np.maximum(-self.weights // lane.gains[0], 0).sum(axis=1) * complement

    @cached_property
    def _sums(self) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Of each sum the least and the largest in each row, and of each row the offset of its dot product."""
        lane = self.lane
        if lane.coding == "level":
            sums, offset = [], np.zeros(len(self.weights), dtype=np.int64)
            for value in lane.values:
                indicator = Rows((self.weights == value).astype(np.int64), self.folds, self.padding, lane.indicator,
                                 worked=self.worked)
                ((span,), part) = indicator._sums
                sums.append(span)
                offset += value * part
            return sums, offset
        (gain,) = lane.gains
        offset = np.zeros(len(self.weights), dtype=np.int64)
        if not lane.exact:
            at_zero = -self.weights.sum(axis=1) if lane.input.bipolar else 0
            offset = at_zero - gain * self._sums_at_zero()
        lo, hi = self.interval
        # Rounded outwards: an interval that a caller narrowed need not end where sums do.
        return [((lo - offset) // gain, -((offset - hi) // gain))], offset

    @property
    def offsets(self) -> np.ndarray:
        """What each row's dot product is beyond its weighted sums: int64 ``[N]``."""
        return self._sums[1]

    @cached_property
    def sum_types(self) -> tuple[IntType, ...]:
        """The narrowest type of each sum."""
        return tuple(IntType.spanning(int(lo.min()), int(hi.max())) for lo, hi in self._sums[0])

    @property
    def gain(self) -> int:
        """What the total is worth: the one sum, or the sum of several after they have been multiplied."""
        return 1 if self.lane.coding == "level" else self.lane.gains[0]

    @cached_property
    def total_type(self) -> IntType:
        """The narrowest type of the total, which thresholds are compared with."""
        if self.lane.coding != "level":
            return self.sum_types[0]
        lo, hi = self.interval
        return IntType.spanning(int((lo - self.offsets).min()), int((hi - self.offsets).max()))

    @property
    def finishes(self) -> bool:
        """Whether totals need a stage of their own to become what leaves."""
        return self.thresholds is not None or bool(self.offsets.any())

    @cached_property
    def total_thresholds(self) -> np.ndarray:
        """Thresholds on the total: int64 ``[folds, PE * levels]``, a lane's levels together.

        A dot product is >= t where the total is >= ceil((t - offset) / gain). One that no total meets lies one beyond.
        """
        if self.thresholds is None:
            raise ValueError("the rows have no thresholds")
        on_total = -((self.offsets[:, None] - self.thresholds) // self.gain)
        on_total = np.clip(on_total, self._ends[0], self._ends[1] + 1)
        return on_total[self.folds].reshape(len(self.folds), -1)

    @property
    def _ends(self) -> tuple[int, int]:
        """The least and the largest total of any row."""
        lo, hi = (self._sums[0][0] if self.lane.coding != "level"
                  else tuple(end - self.offsets for end in self.interval))
        return int(lo.min()), int(hi.max())

    @property
    def threshold_type(self) -> IntType:
        """The type of a threshold on the total, which may be met by none."""
        lo, hi = self._ends
        return IntType.spanning(lo, hi + 1)

    @property
    def threshold_words(self) -> list[int]:
        """One word a fold: the lanes' thresholds on the total, lane 0 lowest and of each lane level 0."""
        return packed(self.total_thresholds, self.threshold_type.bits)

    @property
    def offset_words(self) -> np.ndarray:
        """The lanes' offsets: int64 ``[folds, PE]``."""
        return self.offsets[self.folds]


def checked_thresholds(thresholds, rows: int, output: IntType, base: int) -> np.ndarray:
    """Thresholds as int64 ``[rows, levels]``. Raises ``ValueError`` if shape, levels or codes do not fit."""
    thresholds = np.array(thresholds, dtype=np.int64)
    table = thresholds[:, None] if thresholds.ndim == 1 else thresholds
    if table.ndim != 2 or len(table) != rows or not 1 <= table.shape[1] <= PARALLEL_LEVELS:
        raise ValueError(f"thresholds must be of shape ({rows},) or ({rows}, 1 to {PARALLEL_LEVELS}), not "
                         f"{thresholds.shape}")
    check_codes(output, base, table.shape[1])
    return table
