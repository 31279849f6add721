"""Integers of a multiply-add-shift that meets given thresholds exactly, or the proof that there are none.

``(a * multiplier + offset) >> shift >= code`` must hold from the code's threshold on and not before, for every code.
For a fixed shift these are linear inequalities in two integers, also where halves round to even (odd codes then begin
one later). Only a few bind: those that the current answer breaks
most are added one by one (cutting planes; Kelley, "The cutting-plane method for solving convex programs", 1960) until
none is broken, or until those at hand contradict each other. Python's integers decide, so nothing is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["MAX_SHIFT", "Affine", "fit"]

MAX_SHIFT = 47
_MAX_BITS = 62

Point = tuple[int, int]


@dataclass(frozen=True)
class Affine:
    """``(a * multiplier + offset) >> shift``; if ``even``, an odd code with no bits shifted out is one lower."""

    multiplier: int
    offset: int
    shift: int
    even: bool = False


def fit(at_least: tuple[np.ndarray, np.ndarray], below: tuple[np.ndarray, np.ndarray],
        even: bool = False) -> Affine | None:
    """The integers of the smallest shift with ``y(a) >= c`` at each (a, c) of ``at_least``, ``y(a) < c`` at ``below``.

    Both are pairs of int64 arrays: integers ``a`` and codes ``c``. None if no shift up to 47 serves, or numbers of more
    than 62 bits would be needed.
    """
    first, second = chosen = [_ends(points) for points in (at_least, below)]
    while True:
        found = _smallest_shift(first, second, even)
        if found is None:
            return None
        broken = False
        for points, kept, sign in zip((at_least, below), chosen, (1, -1), strict=True):
            worst = _worst(points, found, sign)
            if worst is not None:
                kept.append(worst)
                broken = True
        if not broken:
            return found


def _ends(points: tuple[np.ndarray, np.ndarray]) -> list[Point]:
    return [(int(points[0][k]), int(points[1][k])) for k in sorted({0, len(points[0]) - 1}) if len(points[0])]


def _worst(points: tuple[np.ndarray, np.ndarray], found: Affine, sign: int) -> Point | None:
    """The point that breaks its inequality most."""
    integers, codes = points
    if not len(integers):
        return None
    bits = max(int(np.abs(integers).max()).bit_length() + abs(found.multiplier).bit_length(),
               abs(found.offset).bit_length(), int(np.abs(codes).max()).bit_length() + found.shift)
    if bits >= _MAX_BITS:  # Python's integers
        integers, codes = integers.astype(object), codes.astype(object)
    excess = integers * found.multiplier + found.offset - codes * (1 << found.shift) - (codes & int(found.even))
    short = -excess if sign > 0 else excess + 1  # positive where broken
    place = int(short.argmax())
    return (int(integers[place]), int(codes[place])) if short[place] > 0 else None


def _smallest_shift(at_least: list[Point], below: list[Point], even: bool) -> Affine | None:
    """A solution of one shift, times two, is one of the next: so the smallest is found by bisection."""
    low, high = int(even), MAX_SHIFT + 1
    best: Affine | None = None
    while low < high:
        shift = (low + high) // 2
        found = _widest(at_least, below, shift, even)
        if found is None:
            low = shift + 1
        else:
            best, high = found, shift
    return best


def _widest(at_least: list[Point], below: list[Point], shift: int, even: bool) -> Affine | None:
    """The multiplier, not negative, that leaves the offset most room, which is concave in it; if there is room."""

    def room(multiplier: int) -> tuple[int, int]:
        least = max((code << shift) + (code & even) - integer * multiplier for integer, code in at_least)
        most = min((code << shift) + (code & even) - 1 - integer * multiplier for integer, code in below)
        return least, most

    def width(multiplier: int) -> int:
        least, most = room(multiplier)
        return most - least

    # A multiplier beyond this passes all codes in one step.
    codes = [code for _, code in (*at_least, *below)]
    low, high = 0, max(codes) - min(codes) + 1 << shift
    while low < high:
        middle = (low + high) // 2
        if width(middle + 1) > width(middle):
            low = middle + 1
        else:
            high = middle
    least, most = room(low)
    return Affine(low, (least + most) // 2, shift, even) if least <= most else None
