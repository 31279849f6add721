"""Integers behind floats: what a linear layer counts in, where it meets values that no quantiser has just given.

Codes behind a Relu, or a bipolar input behind (x + 1) / 2, are integers times one scale still. Every integer that may
stand there is put through the same operators; if all results are integers times the scale they began with, or else
times their own greatest common divisor, the layer computes over these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import numpy as np

from .reference_tensor import Fixed, Frames, Integers, Tensor, Weights

__all__ = ["ends_of", "find_integers", "grid", "integers_of", "weights_of"]

CODE_BITS = 16
PAIRS = 1 << 20


def grid(values: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Integers without common divisor, and the step that makes ``values`` (float32) of them; None beyond 62 bits."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    odd = np.ldexp(mantissa, 24).astype(np.int64)  # float32 significands are whole 24 bits up
    exponent = exponent.astype(np.int64) - 24
    if not odd.any():
        return np.zeros(values.shape, dtype=np.int64), 1.0
    low = odd & -odd  # the power of two in each
    twos = np.where(odd == 0, 0, np.rint(np.log2(np.maximum(low, 1))).astype(np.int64))
    odd, exponent = odd >> twos, exponent + twos
    least = int(exponent[odd != 0].min())
    shift = np.where(odd == 0, 0, exponent - least)
    if int((np.ceil(np.log2(np.abs(odd) + 1)).astype(np.int64) + shift).max()) > 62:
        return None
    integers = odd << shift
    divisor = reduce(math.gcd, np.unique(np.abs(integers)).tolist())
    return integers // divisor, math.ldexp(divisor, least)


def _candidates(values: np.ndarray, start: Integers):
    """The scales that the values may be multiples of, in order of preference."""
    scale = start.uniform
    if scale is not None and start.divisor == 1 and np.float32(scale) == scale:
        counts = np.rint(values.astype(np.float64) / scale)
        if np.abs(counts).max() <= 1 << 53 and np.array_equal((counts * scale).astype(np.float32), values):
            yield scale
    distinct = np.unique(values)
    found = grid(distinct) if len(distinct) <= 1 << CODE_BITS else None
    if found is not None and np.float32(found[1]) == found[1]:
        yield found[1]


def _through(start: Integers, functions: tuple[Callable[[np.ndarray], np.ndarray], ...]) -> np.ndarray | None:
    """What every integer from ``lo`` to ``hi`` becomes; None if there are too many."""
    rank = start.codes.ndim
    every = np.arange(start.lo, start.hi + 1, start.step).reshape(-1, *[1] * (rank - 1))
    channels = start.scale
    if len(every) * channels.size > PAIRS:
        return None
    values = (every * channels / start.divisor).astype(np.float32)
    for function in functions:
        values = function(values)
        if values.size > 16 * PAIRS:
            return None
    return values if np.isfinite(values).all() else None


def ends_of(x: Frames) -> np.ndarray:
    """What the least and the greatest integer behind the values become: float32 ``[2, ...]``."""
    start, functions = (x.integers, ()) if x.integers is not None else x.since or (None, ())
    if start is None:
        raise NotImplementedError("the range of values that are no integers' expression")
    values = (np.array([start.lo, start.hi]).reshape(2, *[1] * (start.codes.ndim - 1)) * start.scale
              / start.divisor).astype(np.float32)
    for function in functions:
        values = function(values)
    return values


def integers_of(x: Tensor) -> Integers:
    """The integers that a linear layer reads.

    Raises
    ------
    NotImplementedError
        If there are none.
    """
    found = find_integers(x)
    if found is None:
        raise NotImplementedError("a linear layer on values that are no integers times a scale")
    return found


def find_integers(x: Tensor) -> Integers | None:
    """The integers that values are, times a scale; None if they are not."""
    if isinstance(x, Frames):
        if x.integers is not None:
            return x.integers
        values = None if x.since is None else _through(*x.since)
        if x.since is not None and values is not None:
            for scale in _candidates(values, x.since[0]):
                single = np.float32(scale)
                counts = np.rint(values / single)
                lo, hi = int(counts.min()), int(counts.max())
                bits = hi.bit_length() if lo >= 0 else max(hi, -lo - 1).bit_length() + 1
                if lo < hi and bits <= CODE_BITS and np.array_equal((counts * scale).astype(np.float32), values):
                    codes = np.rint(x.value / single).astype(np.int64)
                    return Integers(codes, np.full([1] * x.rank, scale), lo, hi)
    return None


def weights_of(w: Tensor, axis: int) -> Weights:
    """Constants as integers and scales: a quantiser's, or else those of all values, or of each output channel.

    The output channels are on ``axis``.
    """
    if isinstance(w, Weights):
        return w
    assert isinstance(w, Fixed)
    array = w.value
    for rows in (array[None], np.moveaxis(array, axis, 0)):
        found = [grid(row) for row in rows]
        if all(each is not None and _readable(*each) for each in found):
            codes = np.stack([each[0] for each in found if each is not None])
            scales = np.array([each[1] for each in found if each is not None]).reshape(-1, *[1] * (rows.ndim - 1))
            scales = np.broadcast_to(scales, codes.shape)
            if rows.ndim > array.ndim:
                return Weights(codes[0], scales[0])
            return Weights(np.moveaxis(codes, 0, axis), np.moveaxis(scales, 0, axis))
    raise NotImplementedError("a linear layer whose weights are not quantised")


def _readable(codes: np.ndarray, scale: float) -> bool:
    """Narrow integers, or wide ones of which there are few different."""
    largest = int(np.abs(codes).max(initial=0))
    return largest < 1 << 15 or (largest < 1 << 31 and np.unique(codes).size <= min(16, codes.size // 2))
