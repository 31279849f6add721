"""Join: the sum of several streams, each times a constant integer, lane by lane.

Branches of different scales meet here: both scales are multiples of one, so the real sum is an integer sum of the codes
times their multipliers. A multiplier is a few shifted copies, in canonical signed digits (Reitwiesner, "Binary
arithmetic", Advances in Computers 1, 1960): no two neighbouring digits are non-zero, so at most half of them are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .elastic import ElasticStages
from .lanes import check_positive, integer_stream, integers
from .number import IntType
from .schedule import Schedule
from .unit import Unit

__all__ = ["AddParameters", "AddUnit", "signed_digits"]


def signed_digits(n: int) -> list[tuple[int, int]]:
    """The canonical signed digits of ``n``: (shift, +1 or -1) of each that is not zero, the lowest first."""
    digits, shift = [], 0
    while n:
        if n & 1:
            digit = 2 - (n & 3)
            digits.append((shift, digit))
            n -= digit
        n >>= 1
        shift += 1
    return digits


@dataclass(frozen=True)
class AddParameters:
    """``sum of multipliers[k] * x[k]`` over streams of ``words`` words a frame, ``lanes`` integers each.

    ``inputs`` are the types of the streams. The sum is taken modulo 2 to the output's bits: right where the output's
    type holds it.

    Raises
    ------
    ValueError
        If there is not one multiplier for each input, one of them is 0, a number is not a positive integer, or the
        output is bipolar.
    """

    inputs: tuple[IntType, ...]
    multipliers: tuple[int, ...]
    lanes: int
    output: IntType
    words: int

    def __post_init__(self):
        check_positive("lanes", self.lanes)
        check_positive("words", self.words)
        if not self.inputs or len(self.inputs) != len(self.multipliers) or not all(self.multipliers):
            raise ValueError(f"multipliers must be integers other than 0, one for each of {len(self.inputs)} inputs, "
                             f"not {self.multipliers}")
        if self.output.bipolar:
            raise ValueError("output of a sum must not be bipolar")

    @property
    def terms(self) -> list[tuple[int, int, int]]:
        """The shifted copies that are added: (input, shift, +1 or -1)."""
        return [(k, shift, sign) for k, multiplier in enumerate(self.multipliers)
                for shift, sign in signed_digits(int(multiplier))]

    @property
    def schedule(self) -> Schedule:
        """One word of each input a phase; one stage for each level of the tree of adders."""
        levels = max(1, (len(self.terms) - 1).bit_length())
        return Schedule(np.ones((1, len(self.inputs))), np.ones((1, 1)), stages=levels, repeats=self.words)


class AddUnit(Unit):
    """Adds streams, a word of each a cycle; a word waits for its partners.

    Latency ``schedule.stages`` cycles: 1 for two inputs with powers of two as multipliers.

    Members
    -------
    i0, i1, … : In(integer_stream(inputs[k], lanes))
    o : Out(integer_stream(output, lanes))

    Resources: for each lane one adder less than there are ``terms``, each with its register.
    """

    def __init__(self, parameters: AddParameters):
        p = parameters
        super().__init__(parameters, {
            **{f"i{k}": In(integer_stream(kind, p.lanes)) for k, kind in enumerate(p.inputs)},
            "o": Out(integer_stream(p.output, p.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        inputs = [getattr(self, f"i{k}") for k in range(len(p.inputs))]
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        m.d.comb += [stages.fire.eq(stages.ready & Cat(i.valid for i in inputs).all()), stages.gives.eq(1)]
        for k, i in enumerate(inputs):
            others = Cat(other.valid for j, other in enumerate(inputs) if j != k)
            m.d.comb += i.ready.eq(stages.ready & others.all())
        numbers = [integers(i.payload, kind) for i, kind in zip(inputs, p.inputs, strict=True)]
        for lane, values in enumerate(zip(*numbers, strict=True)):
            self._add(m, stages, values, lane)
        return m

    def _add(self, m, stages, values, lane):
        """The tree for one lane: (value, sign) pairs are joined two by two in each stage."""
        p = self._parameters
        level = [(values[k] << shift, sign) for k, shift, sign in p.terms]
        for depth, enter in enumerate(stages.enter):
            joined = []
            for k in range(0, len(level), 2):
                (left, sign), right = level[k], level[k + 1] if k + 1 < len(level) else None
                total = left
                if right is not None:
                    # A positive term first, if there is one, so that only the very last sum can be a negated one.
                    (left, sign), (other, sign_of_other) = sorted((level[k], right), key=lambda term: -term[1])
                    total = left + other if sign == sign_of_other else left - other
                if depth + 1 == len(stages.enter) and sign < 0:
                    total, sign = -total, 1
                # Sums are needed modulo the output's range only.
                bits = min(len(total), p.output.bits)
                register = Signal(Shape(bits, total.shape().signed), name=f"sum{lane}_{depth}_{k // 2}",
                                  reset_less=True)
                with m.If(enter):
                    m.d.sync += register.eq(total)
                joined.append((register, sign))
            level = joined
        m.d.comb += self.o.payload[lane].eq(level[0][0])
