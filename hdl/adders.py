"""Balanced trees of adders for integers of known ranges, each node with a name and no wider than it must be.

All sums are taken modulo ``2**bits``: where the true result is known to fit in ``bits``, two's complement makes it
right whatever happens on the way. A node also takes one single bit as carry-in where there is one to add: that is how
the +1 of a negated term (``-x`` is ``~x + 1``) costs no adder of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.hdl import *

from .number import IntType

__all__ = ["LEVELS", "Term", "add_terms", "tree_stages"]

LEVELS = 4
"""Levels of a tree between two registers, if nothing else is said: 16 terms at most."""


def tree_stages(terms: int, levels: int = LEVELS) -> int:
    """Registers that :func:`add_terms` puts into a tree of so many terms."""
    return -(-(terms - 1).bit_length() // levels)


@dataclass(frozen=True)
class Term:
    """A number ``value * 2**shift``, where ``value``, signed if ``lo < 0``, lies from ``lo`` to ``hi``.

    A value cut off at the modulus keeps its true range.
    """

    value: Value
    lo: int
    hi: int
    shift: int = 0

    def bits(self, width: int) -> Value:
        """The value's lowest ``width`` bits."""
        if len(self.value) >= width:
            return self.value[:width]
        fill = self.value[-1].replicate(width - len(self.value)) if self.lo < 0 else Const(0, width - len(self.value))
        return Cat(self.value, fill)


@dataclass
class _Adders:
    m: Module
    bits: int
    name: str
    made: int = 0

    def add(self, a: Term, b: Term, carry: Value | None, wall: bool) -> Term:
        """The sum of two terms and, if they are of one shift, of a carry of the same weight.

        Yosys takes a ``+`` of a ``+`` for a sum of three, and builds it from full adders, at twice the cost. A ``wall``
        is a position before the first, as for a carry: it keeps this adder apart from those at its inputs.
        """
        a, b = sorted((a, b), key=lambda term: term.shift)
        passed = b.shift - a.shift
        lo, hi = a.lo + (b.lo << passed), a.hi + (b.hi << passed) + (carry is not None)
        kind = IntType.spanning(lo, hi)
        width = max(1, min(kind.bits, self.bits - a.shift))
        total = Signal(Shape(width, lo < 0), name=f"{self.name}_sum{self.made}")
        self.made += 1
        if passed:
            # The lowest bits meet nothing: they go around the adder.
            low, high = a.bits(max(width, passed))[:passed], a.bits(max(width, passed))[passed:]
            if width > passed:
                self.m.d.comb += total.eq(Cat(low, high + b.bits(width - passed)))
            else:
                self.m.d.comb += total.eq(low)
        elif carry is None and not wall:
            self.m.d.comb += total.eq(a.bits(width) + b.bits(width))
        else:
            # One position more of the carry chain brings the carry in.
            wide = Signal(width + 1, name=f"{self.name}_chain{self.made}")
            first = Const(0, 1) if carry is None else carry
            self.m.d.comb += [wide.eq(Cat(Const(1, 1), a.bits(width)) + Cat(first, b.bits(width))),
                              total.eq(wide[1:])]
        return Term(total, lo, hi, a.shift)


def add_terms(m: Module, terms: Sequence[Term], carries: Sequence[Value], *, bits: int, name: str,
              register: Callable[[Value, int, str], Value], stage: int,
              levels: int = LEVELS) -> tuple[Term, list[Value]]:
    """Add up terms, and as many of the single bits ``carries`` as adders have room for.

    Parameters
    ----------
    bits
        The result is right modulo ``2**bits``.
    register
        Called with a value, a pipeline stage and a name: the value once it has entered that stage.
    stage
        The first stage entered; :func:`tree_stages` of them are used, the last one after the last adders.
    levels
        Of the tree between two registers.

    Returns
    -------
    (Term, list of Value)
        The sum, and at most one carry that is still to be added. One term goes through unchanged and unregistered.

    Raises
    ------
    ValueError
        If there are more carries than terms, or no term.
    """
    if not terms or len(carries) > len(terms):
        raise ValueError(f"a sum needs terms, and no more carries than terms, not {len(terms)} and {len(carries)}")
    adders, level = _Adders(m, bits, name), list(terms)
    waiting = list(carries)
    depth = 0
    while len(level) > 1:
        # A tree has one adder less than it has leaves, so at most one carry is left at its end.
        sums = []
        for k in range(0, len(level) - 1, 2):
            alike = level[k].shift == level[k + 1].shift
            # Walls on every other level keep all levels apart; registers do, too.
            sums.append(adders.add(level[k], level[k + 1], waiting.pop() if alike and waiting else None,
                                   wall=depth % levels % 2 == 1))
        level = sums + level[len(sums) * 2:]
        depth += 1
        if depth % levels == 0 or len(level) == 1:
            level = [Term(register(term.value, stage, f"{name}_d{depth}_{k}"), term.lo, term.hi, term.shift)
                     for k, term in enumerate(level)]
            if waiting:
                waiting = list(register(Cat(*waiting), stage, f"{name}_d{depth}_carry"))
            stage += 1
    return level[0], waiting
