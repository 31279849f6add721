"""Padding of streams of integers: the type that holds it, and the gates that put it in."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import *

from .number import IntType

__all__ = ["UINT8", "pad_lanes", "padded_type"]

UINT8 = IntType(8)
"""What a pixel is unless something else is said."""


def padded_type(kind: IntType, fill: int, output: IntType | None, padded: bool) -> IntType:
    """The type of what a window gives: ``output``, or by default the input's, with a zero beside bipolar codes.

    Raises
    ------
    ValueError
        If the type is neither the input's nor int2 for a bipolar one, or does not hold the ``fill`` that is needed.
    """
    wide = IntType(2, signed=True)
    if output is None:
        output = wide if kind.bipolar and padded and fill == 0 else kind
    if output != kind and not (kind.bipolar and output == wide):
        raise ValueError(f"output must be the input's type, {kind}, or int2 for a bipolar one, not {output}")
    if padded and not output.holds(np.array(fill)):
        raise ValueError(f"fill must be of the output's type, {output}, not {fill!r}")
    return output


def pad_lanes(word, padding, kind: IntType, output: IntType, fill: int, lanes: int) -> Value:
    """A word of ``lanes`` lanes of ``kind`` as ``output``, or ``fill`` in all of them where ``padding``."""
    if output != kind:
        word = Cat(Cat(1, ~word[lane]) for lane in range(lanes))
    code = (fill + 1) // 2 if output.bipolar else fill & ((1 << output.bits) - 1)
    return Mux(padding, Cat(Const(code, output.bits) for _ in range(lanes)), word)
