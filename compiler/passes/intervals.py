"""Interval arithmetic, channel by channel: exact ranges of sums, codes and moved integers.

An interval is a pair of int64 arrays ``[channels]``, least and greatest, over all pixels. Every bound is reached if the
channels' integers are independent of each other; what two branches have in common is not looked at.
"""

from __future__ import annotations

import numpy as np

from ..ir import Window

__all__ = ["Interval", "any_interval", "count_all", "count_steps", "dot_interval", "moved_interval", "partial_interval",
           "pool_interval", "table_interval", "window_interval"]

Interval = tuple[np.ndarray, np.ndarray]
Bound = int | np.ndarray


def dot_interval(weights: np.ndarray, low: Bound, high: Bound) -> Interval:
    """The least and the greatest value of each row of ``weights`` (int64 ``[out, in]``) times inputs in [low, high].

    The bounds are one for all inputs, or ``[in]``.
    """
    low, high = _column(weights, low), _column(weights, high)
    ends = _halves(weights, np.stack([low, high], axis=1), np.stack([high, low], axis=1))
    return ends[:, 0], ends[:, 1]


def partial_interval(weights: np.ndarray, low: Bound, high: Bound) -> tuple[int, int]:
    """What an accumulator may hold on the way to any row's sum, whatever the order: any subset of the terms."""
    low, high = np.minimum(_column(weights, low), 0), np.maximum(_column(weights, high), 0)
    ends = _halves(weights, np.stack([low, high], axis=1), np.stack([high, low], axis=1))
    return int(ends[:, 0].min(initial=0)), int(ends[:, 1].max(initial=0))


def _column(weights: np.ndarray, bound: Bound) -> np.ndarray:
    return np.broadcast_to(np.asarray(bound, dtype=np.int64), weights.shape[1:])


def _halves(weights: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """The positive weights times one matrix and the negative ones times another, added: int64 ``[out, columns]``.

    That is half of ``w (p + n) + |w| (p - n)``: two products, in floats wherever these are exact.
    """
    largest = max(int(np.abs(side).max(initial=0)) for side in (positive, negative))
    reach = 4 * largest * float(np.abs(weights).sum(axis=1, dtype=np.float64).max(initial=0))
    kind = np.float32 if reach < 1 << 24 else np.float64 if reach < 1 << 53 else np.int64
    signed = weights.astype(kind)
    twice = signed @ (positive + negative).astype(kind)
    twice += np.abs(signed, out=signed) @ (positive - negative).astype(kind)
    return twice.astype(np.int64) // 2


def window_interval(weights: np.ndarray, window: Window, size: tuple[int, int], low: Bound, high: Bound) -> Interval:
    """As :func:`dot_interval` for a convolution: ``weights`` ``[out, taps, depth]``, over an image of ``size``.

    Padding and inserted zeros are 0: at each position some taps drop out, and the bounds are those of the position
    where they are widest. The bounds of the inputs are one for all, or ``[out, depth]``: of the channels that each
    output sees.
    """
    if isinstance(low, np.ndarray) and isinstance(high, np.ndarray):
        low, high = low[:, None, :], high[:, None, :]
    at_low, at_high = weights * low, weights * high
    inside = _patterns(window, size).astype(np.int64).T
    least = np.minimum(at_low, at_high).sum(axis=2) @ inside
    greatest = np.maximum(at_low, at_high).sum(axis=2) @ inside
    return least.min(axis=1), greatest.max(axis=1)


def any_interval(weights: tuple[int, int], window: Window | None, size: tuple[int, int], low: np.ndarray,
                 high: np.ndarray) -> Interval:
    """Of sums with any weights from one to another: inputs in [low, high], each ``[rows, depth]``, at every tap.

    Without a window, the depth is that of the whole sum.
    """
    corners = np.stack([weight * end for weight in weights for end in (low, high)])
    each = corners.min(axis=0).sum(axis=1), corners.max(axis=0).sum(axis=1)
    return each if window is None else pool_interval(window, size, each)


def pool_interval(window: Window, size: tuple[int, int], interval: Interval) -> Interval:
    """What sums over a window reach: at each position as many terms as the image gives."""
    terms = _patterns(window, size).sum(axis=1)
    low, high = interval
    return np.minimum(low * terms.min(), low * terms.max()), np.maximum(high * terms.min(), high * terms.max())


def _patterns(window: Window, size: tuple[int, int]) -> np.ndarray:
    """Which taps see the image, bool ``[patterns, taps]``: each combination that a position has, once."""
    return np.unique(window.sources(*size) >= 0, axis=0)


def moved_interval(index: np.ndarray, channels: int, interval: Interval) -> Interval:
    """Of a rearrangement to ``channels`` channels: the hull of all that each channel takes in, zeros included."""
    low, high = (np.where(index < 0, 0, bound[index % len(bound)]).reshape(-1, channels) for bound in interval)
    return low.min(axis=0), high.max(axis=0)


def table_interval(table: np.ndarray, first: int, interval: Interval) -> Interval:
    """Of the entries that each channel reads."""
    rows = np.broadcast_to(table, (len(interval[0]), table.shape[1]))
    seen = [row[low - first : high - first + 1] for row, low, high in zip(rows, *interval, strict=True)]
    return np.array([row.min() for row in seen]), np.array([row.max() for row in seen])


def count_steps(integers: np.ndarray, thresholds: np.ndarray, falling: np.ndarray) -> np.ndarray:
    """How many thresholds each integer meets: ``integers`` ``[channels]``, ``thresholds`` ``[channels, levels]``."""
    column = integers[:, None]
    return np.where(falling[:, None], column <= thresholds, column >= thresholds).sum(axis=1)


def count_all(integers: np.ndarray, thresholds: np.ndarray, falling: np.ndarray) -> np.ndarray:
    """How many thresholds of each channel each of ``integers [count]`` meets: int64 ``[channels, count]``."""
    levels = thresholds.shape[1]
    return np.stack([levels - np.searchsorted(row[::-1], integers, side="left") if falls
                     else np.searchsorted(row, integers, side="right")
                     for row, falls in zip(thresholds, falling, strict=True)])
