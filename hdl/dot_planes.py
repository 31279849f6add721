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

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.hdl import *

from .dot import Lane
from .popcount import popcount, xnor_popcount

__all__ = ["count_planes", "exponents", "ones_at_zero", "plane_terms"]


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


def exponents(lane: Lane) -> int:
    """How many sums of different powers of two are counted in a cycle."""
    activation = 1 if lane.kind == "serial" else lane.input.bits
    return activation + (lane.bits if lane.coding == "binary" else 1) - 1


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
                 name: str) -> list[tuple[int, Value, int]]:
    """Count planes, combinationally: ``(exponent, count, bits counted)`` for each power of two, the lowest first.

    ``negative`` says for a "serial" lane, whose ``x`` is one plane, whether that plane counts negatively.
    """
    width = len(w[0])
    ones = Const((1 << width) - 1, width)
    serial = lane.kind == "serial"
    if lane.coding == "sign" and not (lane.loadable and not lane.input.bipolar):
        # The popcount's own XNOR gates: it shapes its first tables around them.
        counts = []
        for bit, (exponent, minus) in zip(x, [(0, False)] if serial else _activation_planes(lane), strict=True):
            flipped = w[0] ^ ones if minus else w[0] if negative is None else w[0] ^ negative.replicate(width)
            prefix = name if len(x) == 1 else f"{name}_plane{exponent}"
            counts.append((exponent, xnor_popcount(m, bit, flipped, lut=lut, name=prefix), width))
        return counts
    together = defaultdict(list)
    for exponent, bits in plane_terms(lane, x, w, ones, [(0, False)] if serial else None):
        together[exponent].append(bits if negative is None else bits ^ negative.replicate(width))
    return [(exponent, popcount(m, Cat(*together[exponent]), lut=lut, name=f"{name}_power{exponent}"),
             width * len(together[exponent])) for exponent in sorted(together)]
