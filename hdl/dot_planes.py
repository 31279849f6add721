"""Products by bit planes: which bits are to be counted so that sums of them, doubled and redoubled, are dot products.

An activation is a sum of bits times powers of two, the sign's negative; so is a weight; so a dot product is the sum,
over all pairs of planes, of the ones in their AND, times a power of two. Two identities keep it cheap:

- a plane that counts negatively is complemented, ``-ones(v) = ones(~v) - lanes``, so that all planes of one power go
  into one popcount, and a number is left over that no activation changes;
- ``w x`` with a bit ``x`` and ``w`` = -1 or +1 is ``agree(w, x) - 1`` or ``agree(w, x)``: again one popcount, and a
  number that only the weights change.

What is left over, a row's offset, is made up for at the end, or in the row's thresholds, which costs nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from amaranth.hdl import *

from .dot import Lane
from .popcount import popcount, xnor_popcount

__all__ = ["count_planes", "ones_at_zero", "parts", "plane_terms"]


def _activation_planes(lane: Lane) -> list[tuple[int, bool]]:
    """Of each bit of an activation: its power of two, and whether it counts negatively."""
    bits = lane.input.bits
    return [(bit, lane.input.signed and bit == bits - 1) for bit in range(bits)]


def plane_terms(lane: Lane, x: Sequence[Any], w: Sequence[Any], ones: Any,
                planes: list[tuple[int, bool]] | None = None) -> list[tuple[int, Any]]:
    """What is to be counted: ``(exponent, bits)``, the sum over ``2**exponent`` times the ones in ``bits``.

    Parameters
    ----------
    x, w
        The bits of the activations and of the weights' codes, lowest first, each for all lanes at once.
    ones
        A value of ones for all lanes: ``bits ^ ones`` is the complement.
    planes
        Power and sign of each of ``x``; by default those of the lane's input.

    All may be Amaranth values or NumPy arrays of 0 and 1: gates and offsets come from the same lines.
    """
    planes = _activation_planes(lane) if planes is None else planes
    bipolar = lane.input.bipolar

    def counted(exponent: int, bits: Any, negative: bool) -> tuple[int, Any]:
        return exponent, bits ^ ones if negative else bits

    terms = []
    for bit, (exponent, negative) in zip(x, planes, strict=True):
        if lane.coding == "binary":
            for power, weight in enumerate(w):
                sign = negative != (lane.weight.signed and power == len(w) - 1)
                terms.append(counted(exponent + power, bit & weight, sign))
                if bipolar and lane.loadable:
                    terms.append(counted(exponent + power, (bit ^ ones) & weight, not sign))
            continue
        plus = w[-1]
        some = w[0] if lane.coding == "ternary" else ones
        if not lane.loadable or (bipolar and lane.coding == "sign"):
            terms.append(counted(exponent, some & (bit ^ plus ^ ones), negative))
        elif bipolar:
            terms.append(counted(exponent, some & (bit ^ plus ^ ones), negative))
            terms.append(counted(exponent, some & (bit ^ plus), not negative))
        else:
            terms.append(counted(exponent, bit & some & plus, negative))
            terms.append(counted(exponent, bit & some & (plus ^ ones), not negative))
    return terms


def _plain(lane: Lane) -> bool:
    """Whether the popcount's own XNOR gates are all that there is to do."""
    return lane.coding == "sign" and not (lane.loadable and not lane.input.bipolar)


def _powers(lane: Lane) -> Counter[int]:
    """How many planes of each power of two are counted in a cycle."""
    planes = [(0, False)] if lane.kind == "serial" else _activation_planes(lane)
    bit = np.zeros(1, dtype=np.uint8)
    terms = plane_terms(lane, [bit] * len(planes), [bit] * lane.bits, bit, planes)
    return Counter(exponent for exponent, _ in terms)


def parts(lane: Lane, lanes: int, counted: int | None = None) -> int:
    """How many popcounts :func:`count_planes` makes of so many lanes, of up to ``counted`` bits each."""
    return sum(1 if counted is None else -(-count * lanes // counted) for count in _powers(lane).values())


def _cut(bits: int, counted: int | None) -> list[slice]:
    """Pieces of so many bits, of up to ``counted`` and nearly equal sizes."""
    pieces = 1 if counted is None else -(-bits // counted)
    edges = [bits * k // pieces for k in range(pieces + 1)]
    return [slice(begin, end) for begin, end in pairwise(edges)]


def ones_at_zero(lane: Lane, codes: np.ndarray, worked: np.ndarray | None = None) -> np.ndarray:
    """What the planes count where all bits of the activations are 0: int64 ``[rows]`` for codes ``[rows, lanes]``.

    ``worked`` is bool ``[rows, lanes]``: the codes that are looked at, or None for all.
    """
    codes = np.asarray(codes)
    w = [(codes >> bit & 1).astype(np.uint8) for bit in range(lane.bits)]
    zero, one = np.zeros_like(w[0]), np.ones_like(w[0])
    return sum((bits.sum(axis=1, dtype=np.int64, where=True if worked is None else worked) << exponent
                for exponent, bits in plane_terms(lane, [zero] * lane.input.bits, w, one)),
               np.zeros(len(codes), dtype=np.int64))


def count_planes(m: Module, lane: Lane, x: Sequence[Value], w: Sequence[Value], *, negative: Value | None, lut: int,
                 name: str, counted: int | None = None) -> list[tuple[int, Value, int]]:
    """Count planes, combinationally: ``(exponent, count, bits counted)`` for each power of two, the lowest first.

    ``negative`` says for a "serial" lane, whose ``x`` is one plane, whether that plane counts negatively. What is more
    than ``counted`` bits is counted in pieces, each of them an entry.
    """
    width = len(w[0])
    ones = Const((1 << width) - 1, width)
    serial = lane.kind == "serial"
    if _plain(lane):
        # The popcount's own XNOR gates: it shapes its first tables around them.
        counts = []
        for bit, (exponent, minus) in zip(x, [(0, False)] if serial else _activation_planes(lane), strict=True):
            flipped = w[0] ^ ones if minus else w[0] if negative is None else w[0] ^ negative.replicate(width)
            prefix = name if len(x) == 1 else f"{name}_plane{exponent}"
            pieces = _cut(width, counted)
            for place, piece in enumerate(pieces):
                count = xnor_popcount(m, bit[piece], flipped[piece], lut=lut,
                                      name=prefix if len(pieces) == 1 else f"{prefix}_part{place}")
                counts.append((exponent, count, piece.stop - piece.start))
        return counts
    together = defaultdict(list)
    for exponent, bits in plane_terms(lane, x, w, ones, [(0, False)] if serial else None):
        together[exponent].append(bits if negative is None else bits ^ negative.replicate(width))
    counts = []
    for exponent in sorted(together):
        bits, whole = Cat(*together[exponent]), f"{name}_power{exponent}"
        pieces = _cut(len(bits), counted)
        for place, piece in enumerate(pieces):
            count = popcount(m, bits[piece], lut=lut, name=whole if len(pieces) == 1 else f"{whole}_part{place}")
            counts.append((exponent, count, piece.stop - piece.start))
    return counts
