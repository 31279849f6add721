"""Dot products in gates: the lanes of ``hdl.dot``, for all rows that are worked on in a cycle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.hdl import *

from .adders import Term, add_terms, tree_stages
from .dot import Lane
from .dot_planes import count_planes, parts
from .number import IntType
from .pipeline import DEGREES, Pipeline

__all__ = ["DotProducts", "lane_stages", "packed_bits", "packs"]


def lane_stages(lane: Lane, lanes: int, pipeline: Pipeline = DEGREES[0]) -> int:
    """Pipeline stages from the activations and weights to the registered sums over ``lanes`` lanes."""
    if lane.by_planes:
        counts = parts(lane.indicator if lane.kind == "levels" else lane, lanes, pipeline.counted)
        return 1 + tree_stages(counts, pipeline.levels)
    if lane.kind == "multiply":
        return 1 + tree_stages(lanes, pipeline.levels)
    return max(1, tree_stages(lanes, pipeline.levels))


def _product(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """The interval of the products of two intervals."""
    corners = [left * right for left in a for right in b]
    return min(corners), max(corners)


def packs(lane: Lane, multiplier: tuple[int, int] | None) -> bool:
    """Whether two weights fit into one port of a multiplier of so many signed bits, beside each other's products.

    ``(w1 * 2**k + w0) * x`` is both products, if ``w0 * x`` fits into the ``k`` bits below; where it is negative it has
    borrowed one from the product above (Xilinx WP486, "Deep learning with INT8 optimization", 2017).
    """
    if lane.kind != "multiply" or multiplier is None:
        return False
    low, high = _packed(lane)
    return low.bits + high.bits + (not high.signed) <= max(multiplier) and (
        lane.input.bits + (not lane.input.signed) <= min(multiplier))


def packed_bits(lane: Lane) -> int:
    """Bits of two weights in one port of a multiplier (:func:`packs`)."""
    low, high = _packed(lane)
    return low.bits + high.bits


def _packed(lane: Lane) -> tuple[IntType, IntType]:
    """Types of the lower product, and of the upper weight, which may have lent one to a negative lower weight."""
    lo, hi = lane.range
    return (IntType.spanning(*_product((lo, hi), (lane.input.lo, lane.input.hi))),
            IntType.spanning(lo - (lo < 0), hi))


@dataclass
class DotProducts:
    """Adds the dot products of several rows to a module.

    Parameters
    ----------
    m, lane, lut
        The module, the lane's kind, and the inputs of the target's lookup table.
    lanes
        Columns that each row has in a cycle.
    bits
        Of each sum of a row: the result is right modulo two to these.
    multiplier
        Signed bits of the target's multiplier ports, or None: see :func:`packs`.
    register
        Called with a value, a pipeline stage and a name: the value once it has entered that stage. Stages 1 to
        :func:`lane_stages` are used.
    pipeline
        What lies between two registers.
    """

    m: Module
    lane: Lane
    lut: int
    lanes: int
    bits: Sequence[int]
    multiplier: tuple[int, int] | None
    register: Callable[[Value, int, str], Value]
    pipeline: Pipeline = DEGREES[0]

    def make(self, xs: Sequence[Value], ws: Sequence[Value], negative: Value | None = None,
             ) -> list[list[tuple[Term, list[Value]]]]:
        """For each row its sums, each with up to one carry that is still to be added.

        Parameters
        ----------
        xs
            For each row the bits of its activations, lane by lane, or one value for all rows; of a "serial" lane, one
            bit for each lane.
        ws
            For each row the codes of its weights, lane by lane.
        negative
            Of a "serial" lane: whether this bit of the activations counts negatively.
        """
        if self.lane.by_planes:
            return self._planes(xs, ws, negative)
        if self.lane.kind == "multiply":
            return self._multiply(xs, ws)
        gate = self._shifted if self.lane.kind == "shift" else self._added
        return [[self._tree(*gate(xs[row % len(xs)], w, row), row)] for row, w in enumerate(ws)]

    def _split(self, value: Value, bits: int, name: str) -> list[Value]:
        """Bit by bit, each of all lanes, from codes lane by lane."""
        if bits == 1:
            return [value]
        planes = []
        for bit in range(bits):
            planes.append(Signal(self.lanes, name=f"{name}_bit{bit}"))
            self.m.d.comb += planes[-1].eq(Cat(value[lane * bits + bit] for lane in range(self.lanes)))
        return planes

    # Popcounts.

    def _planes(self, xs, ws, negative):
        lane = self.lane
        width = 1 if lane.kind == "serial" else lane.input.bits
        activations = [self._split(x, width, f"x{row}") for row, x in enumerate(xs)]
        result = []
        for row, w in enumerate(ws):
            x = activations[row % len(xs)]
            if lane.kind != "levels":
                codes = self._split(w, lane.bits, f"w{row}")
                result.append([(self._count(lane, x, codes, negative, self.bits[0], str(row)), [])])
                continue
            sums = []
            for place in range(len(lane.values)):
                mask = Signal(self.lanes, name=f"pe{row}_level{place}")
                self.m.d.comb += mask.eq(Cat(w[k * lane.bits : (k + 1) * lane.bits] == place + 1
                                             for k in range(self.lanes)))
                sums.append((self._count(lane.indicator, x, [mask], None, self.bits[place], f"{row}_level{place}"), []))
            result.append(sums)
        return result

    def _count(self, lane, x, w, negative, bits, name) -> Term:
        counts = count_planes(self.m, lane, x, w, negative=negative, lut=self.lut, name=f"pe{name}",
                              counted=self.pipeline.counted)
        if len(counts) == 1:
            ((exponent, count, most),) = counts
            return Term(self.register(count, 1, f"count{name}"), 0, most, exponent)
        terms = [Term(self.register(count, 1, f"count{name}_{exponent}"), 0, most, exponent)
                 for exponent, count, most in counts]
        total, _ = add_terms(self.m, terms, [], bits=bits, name=f"pe{name}", register=self.register,
                             stage=2, levels=self.pipeline.levels)
        return total

    # Adders.

    def _tree(self, terms: list[Term], carries: list[Value], row: int, stage: int = 1) -> tuple[Term, list[Value]]:
        name = f"pe{row}"
        if len(terms) == 1 and stage == 1:
            (term,) = terms
            return (Term(self.register(term.value, 1, f"count{row}"), term.lo, term.hi, term.shift),
                    [self.register(carry, 1, f"count{row}_carry") for carry in carries])
        return add_terms(self.m, terms, carries, bits=self.bits[0], name=name, register=self.register,
                         stage=stage, levels=self.pipeline.levels)

    def _terms(self, values: list[Value], kind: IntType, row: int) -> list[Term]:
        """Named terms of one type."""
        gated = Signal(len(values) * kind.bits, name=f"pe{row}_terms")
        self.m.d.comb += gated.eq(Cat(value[: kind.bits] for value in values))
        pieces = [gated[k * kind.bits : (k + 1) * kind.bits] for k in range(len(values))]
        return [Term(piece, kind.lo, kind.hi) for piece in pieces]

    def _added(self, x, w, row):
        """Adds or subtracts: one factor is a sign, maybe with a mask, and the other is complemented or not."""
        lane = self.lane
        if lane.input.bipolar:
            number, kind = self._elements(w, lane.weight), lane.weight
            if lane.exact:
                return self._negated(number, kind, [~x[k] for k in range(self.lanes)], None, row)
            # With b for (x + 1) / 2, what is summed up is b w; a row's offset makes up for the rest.
            return self._complemented(number, kind, None, [x[k] for k in range(self.lanes)], row), []
        codes = self._split(w, lane.bits, f"w{row}")
        minus = [~codes[-1][k] for k in range(self.lanes)]
        some = [codes[0][k] for k in range(self.lanes)] if lane.coding == "ternary" else None
        number = self._elements(x, lane.input)
        if lane.exact:
            return self._negated(number, lane.input, minus, some, row)
        return self._complemented(number, lane.input, minus, some, row), []

    def _shifted(self, x, w, row):
        """The same with an activation shifted by what the weight's code says."""
        lane = self.lane
        codes = [w[k * lane.bits : (k + 1) * lane.bits] for k in range(self.lanes)]
        numbers = self._elements(x, lane.input)
        some, minus = [code[0] for code in codes], [~code[1] for code in codes]
        if lane.exact:
            kind = IntType(lane.input.bits + self._shifts[-1], lane.input.signed)
            return self._negated([self._shift(number, code, kind, f"pe{row}_shifted{k}")
                                  for k, (number, code) in enumerate(zip(numbers, codes, strict=True))],
                                 kind, minus, some, row)
        # What was complemented is shifted, so that no lowest bits are to be complemented, too.
        terms = self._complemented(numbers, lane.input, minus, some, row)
        kind = IntType(lane.input.bits + self._shifts[-1], lane.input.signed)
        return [Term(self._shift(term.value.as_signed() if term.lo < 0 else term.value, code, kind,
                                 f"pe{row}_shifted{k}"), kind.lo, kind.hi)
                for k, (term, code) in enumerate(zip(terms, codes, strict=True))], []

    @property
    def _shifts(self) -> list[int]:
        """By how much each of the lane's values shifts, the least being worth its gain."""
        return [(value // self.lane.values[0]).bit_length() - 1 for value in self.lane.values]

    def _shift(self, number, code, kind: IntType, name: str) -> Value:
        shifted = Signal(Shape(kind.bits, kind.signed), name=name)
        if len(self._shifts) == 1:
            self.m.d.comb += shifted.eq(number)
        else:
            with self.m.Switch(code[2:]):
                for place, shift in enumerate(self._shifts):
                    with self.m.Case(place):
                        self.m.d.comb += shifted.eq(number << shift)
        return shifted

    def _complemented(self, numbers, kind: IntType, minus, some, row: int) -> list[Term]:
        """Numbers, complemented where ``minus`` and 0 where not ``some``: no wider than they were."""
        pieces = []
        flips = Signal(self.lanes, name=f"pe{row}_minus")
        self.m.d.comb += flips.eq(Cat(minus or []))
        for k, number in enumerate(numbers):
            bits = number[: kind.bits] if minus is None else number[: kind.bits] ^ flips[k].replicate(kind.bits)
            pieces.append(bits if some is None else bits & some[k].replicate(kind.bits))
        return self._terms(pieces, kind, row)

    def _negated(self, numbers, kind, minus, some, row):
        """Terms that are complemented where ``minus``, the +1 that each of those lacks, and 0 where not ``some``."""
        wide = IntType(kind.bits + (not kind.signed), signed=True)
        values, carries = [], Signal(self.lanes, name=f"pe{row}_minus")
        self.m.d.comb += carries.eq(Cat(minus) if some is None else Cat(minus) & Cat(some))
        for k, number in enumerate(numbers):
            value = Signal(signed(wide.bits), name=f"pe{row}_term{k}")
            flipped = number ^ carries[k].replicate(wide.bits).as_signed()
            self.m.d.comb += value.eq(flipped if some is None else flipped & some[k].replicate(wide.bits).as_signed())
            values.append(value)
        return self._terms(values, wide, row), list(carries)

    def _elements(self, value: Value, kind: IntType) -> list[Value]:
        """The integers of each lane."""
        elements = [value[k * kind.bits : (k + 1) * kind.bits] for k in range(self.lanes)]
        return [element.as_signed() for element in elements] if kind.signed else elements

    # Multipliers.

    def _multiply(self, xs, ws):
        lane = self.lane
        span = _product(lane.range, (lane.input.lo, lane.input.hi))
        kind = IntType.spanning(*span)
        activations = [self._elements(x, lane.input) for x in xs]
        weights = [self._elements(w, lane.weight) for w in ws]
        rows: list[tuple[list[Term], list[Value]]] = []
        row = 0
        while row < len(ws):
            if len(xs) == 1 and row + 1 < len(ws) and packs(lane, self.multiplier):
                rows += self._pair(activations[0], weights[row], weights[row + 1], span, row)
                row += 2
                continue
            products = [self._register(x * w, kind, f"product{row}_{k}")
                        for k, (x, w) in enumerate(zip(activations[row % len(xs)], weights[row], strict=True))]
            rows.append(([Term(product, *span) for product in products], []))
            row += 1
        return [[self._tree(terms, carries, row, stage=2)] for row, (terms, carries) in enumerate(rows)]

    def _register(self, value: Value, kind: IntType, name: str) -> Value:
        typed = Signal(Shape(kind.bits, kind.signed), name=f"{name}_now")
        self.m.d.comb += typed.eq(value)
        return self.register(typed, 1, name)

    def _pair(self, activations, low_weights, high_weights, span, row):
        """Two rows' products from one multiplier a lane."""
        low_kind, high_kind = _packed(self.lane)
        total = IntType(low_kind.bits + high_kind.bits, high_kind.signed)
        low_terms, high_terms, borrowed = [], [], []
        for k, (x, low, high) in enumerate(zip(activations, low_weights, high_weights, strict=True)):
            both = Signal(Shape(total.bits, total.signed), name=f"pair{row}_{k}_weights")
            upper = high - low[-1] if self.lane.weight.signed else high
            self.m.d.comb += [both[: low_kind.bits].eq(low), both[low_kind.bits :].eq(upper)]
            wide = IntType(total.bits + self.lane.input.bits + 1, total.signed or self.lane.input.signed)
            product = self._register(both * x, wide, f"pair{row}_{k}")
            low_terms.append(Term(product[: low_kind.bits], *span))
            high_terms.append(Term(product[low_kind.bits : low_kind.bits + IntType.spanning(
                span[0] - 1, span[1]).bits], span[0] - low_kind.signed, span[1]))
            if low_kind.signed:
                borrowed.append(product[low_kind.bits - 1])
        return [(low_terms, []), (high_terms, borrowed)]
