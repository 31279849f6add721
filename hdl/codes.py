"""Codes by a few thresholds, each with a comparator of its own: what units with weights and threshold units share."""

from __future__ import annotations

from amaranth.hdl import *

from .number import IntType

__all__ = ["PARALLEL_LEVELS", "check_codes", "count_met"]

PARALLEL_LEVELS = 3
"""Thresholds up to which each has a comparator of its own: codes of two bits."""


def check_codes(output: IntType, base: int, levels: int) -> None:
    """Raise ``ValueError`` unless ``output`` holds every code that ``levels`` thresholds give."""
    if output.bipolar:
        if levels != 1:
            raise ValueError(f"a bipolar output must have one threshold, not {levels}")
    elif not (output.lo <= base and base + levels <= output.hi):
        raise ValueError(f"output must hold the codes from {base} to {base + levels}, not {output}")


def count_met(m: Module, total: Value, steps: list[Value], output: IntType, base: int, *, name: str) -> Signal:
    """The code of ``total``: ``base`` plus how many of a few thresholds it meets, combinationally."""
    met = [Signal(name=f"{name}_met{level}") for level in range(len(steps))]
    m.d.comb += [bit.eq(total >= step) for bit, step in zip(met, steps, strict=True)]
    code = Signal(output.bits, name=f"{name}_code")
    m.d.comb += code.eq(met[0] if output.bipolar else sum(met, Const(base)))
    return code
