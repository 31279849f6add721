"""The integers behind floats: every float32 is an integer times a power of two, and sums of such are exact.

Nothing here rounds: what does not come out exactly is None, and the importer then refuses it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

__all__ = ["SUM_BITS", "common_unit", "exact_product", "grid", "multiples"]

SUM_BITS = 48
"""Bits that a sum may have: float64 holds it, and its product with a small scale."""

_LIMIT = 62
"""Bits that an integer of a grid may have."""


def _parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Odd integers (0 for 0) and exponents, int64, with ``values = integers * 2 ** exponents``."""
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    integers = np.ldexp(mantissa, 53).astype(np.int64)
    zeros = np.frexp((integers & -integers).astype(np.float64))[1] - 1
    zeros = np.where(integers == 0, 0, zeros)
    return integers >> zeros, exponent.astype(np.int64) - 53 + zeros


def grid(values: np.ndarray) -> tuple[np.ndarray, float] | None:
    """``integers`` (int64, of the same shape, with no common divisor) and ``step`` whose product ``values`` are.

    None where an integer would need more than 62 bits. All zeros have the step 1.
    """
    integers, exponent = _parts(values)
    present = integers != 0
    if not present.any():
        return np.zeros(np.shape(values), dtype=np.int64), 1.0
    lowest = int(exponent[present].min())
    shift = np.where(present, exponent - lowest, 0)
    bits = np.frexp(np.abs(integers).astype(np.float64))[1] + shift
    if int(bits.max()) > _LIMIT:
        return None
    integers = integers << shift
    divisor = int(np.gcd.reduce(np.abs(integers), axis=None))
    return integers // divisor, math.ldexp(divisor, lowest)


def multiples(values: np.ndarray, unit: np.ndarray) -> np.ndarray | None:
    """The integers (int64) nearest to ``values / unit``, if they have at most 53 bits."""
    ratio = np.rint(np.asarray(values, dtype=np.float64) / unit)
    return ratio.astype(np.int64) if bool((np.abs(ratio) <= 1 << 53).all()) else None


def exact_product(left: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """The float64 product, element by element, or None where float64 does not hold it exactly."""
    left, right = np.broadcast_arrays(np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64))
    (a, _), (b, _) = _parts(left), _parts(right)
    if any(abs(int(x) * int(y)).bit_length() > 53 for x, y in set(zip(a.flat, b.flat, strict=True))):
        return None
    return left * right


def common_unit(scales: Sequence[np.ndarray], divisors: Sequence[int],
                ) -> tuple[np.ndarray, int, tuple[int, ...]] | None:
    """One unit of which several scales are multiples: ``scales[i] / divisors[i] = multipliers[i] * unit / divisor``.

    Scales are float64 ``[1]`` or ``[channels]``. The multipliers, one for all channels, have no common divisor. None
    where the ratio of two scales differs between channels, or the unit is no float64.
    """
    size = max(len(scale) for scale in scales)
    rows = [[Fraction(float(x)) / divisor for x in np.broadcast_to(scale, size)]
            for scale, divisor in zip(scales, divisors, strict=True)]
    ratios = [row[0] / rows[0][0] for row in rows]
    if any(x != ratio * first for row, ratio in zip(rows, ratios, strict=True)
           for x, first in zip(row, rows[0], strict=True)):
        return None
    whole = math.lcm(*(ratio.denominator for ratio in ratios))
    multipliers = [int(ratio * whole) for ratio in ratios]
    shared = math.gcd(*multipliers)
    units = [first * shared / whole for first in rows[0]]
    divisor = math.lcm(*(unit.denominator >> ((unit.denominator & -unit.denominator).bit_length() - 1)
                         for unit in units))
    unit = np.array([float(u * divisor) for u in units])
    if any(Fraction(float(x)) != u * divisor for x, u in zip(unit, units, strict=True)):
        return None
    return (unit[:1] if (unit == unit[0]).all() else unit), divisor, tuple(m // shared for m in multipliers)
