"""Population count and XNOR-popcount: compressor trees shaped for a target's lookup tables, in plain RTL.

Written as a tree of two-operand ``+``, a popcount wastes a carry position and a fresh chain on every small adder, and
logic synthesis is free to trade lookup tables for depth nowhere needed. Here carry chains are used where they pay, and
as walls: what lies between two chains is small enough that synthesis (measured with Yosys' ABC) maps it well. No vendor
primitive is used, so the tree simulates, and is verified, like any other RTL. ``bench/lut_per_lane.py`` measures it.

**Four-input tables** (iCE40, ECP5). Groups of up to 8 bits are counted by full adders (the 7:3 counter of Dadda, "Some
schemes for parallel multipliers", Alta Frequenza 34, 1965; XNOR gates disappear into its first tables). A balanced tree
of adders joins the groups; every adder also takes one single bit as carry-in, so that 2 k + 1 bits become k + 1 and
counts of 2**k - 1 fill their numbers exactly. Adders of one level share carry chains: between two of them lies one
position in which both operands are the next adder's carry-in ``c``, so it shows the carry-out of the adder below and,
since c + c carries exactly when ``c``, starts the adder above. One position does the work of a feed-out and a feed-in.

**Six-input tables** (Xilinx 7 series). Generalised parallel counters on the carry chain, after Parandeh-Afshar, Neogy,
Brisk and Ienne, "Compressor tree synthesis on commercial high-performance FPGAs", ACM TRETS 4(4), 2011; Kumm and Zipf,
"Efficient high speed compression trees on Xilinx FPGAs", MBMV 2014; and Preusser, "Generic and universal parallel
matrix summation with a flexible compression goal for Xilinx FPGAs", FPL 2017. Three XNOR pairs fill two tables; then
``a + (count of five bits) + c`` with three-bit ``a`` is three tables and a carry-out, because each table in front of
the carry chain has room for the five bits beside its bit of ``a``. It turns seven bits of weight 1, one of 2 and one of
4 into four. Blocks of 32 are compressed so; adders with carry-in, as above, join the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from amaranth.hdl import *
from amaranth.utils import bits_for

__all__ = ["popcount", "xnor_popcount"]

_GROUP = 8
"""Bits that full adders count before the first carry chain (four-input tables)."""
_CHAIN = 16
"""Positions of a carry chain that several adders share. A timing analyser takes the whole chain for one path."""
_BLOCK = 32
"""Bits that one heap of counters compresses (six-input tables); larger heaps were measured to be worse."""


def popcount(m: Module, bits: ValueLike | Sequence[ValueLike], *, lut: int = 4, name: str = "popcount") -> Signal:
    """Count the ones of ``bits``, combinationally.

    Parameters
    ----------
    m
        The module to which the statements are added.
    bits
        A value of at least one bit, or several values that are counted together.
    lut
        Inputs of the target's lookup table, 4 or 6. It changes the shape of the tree, never the result.
    name
        Prefix of every signal made here; distinct within ``m`` if the names are to be.

    Returns
    -------
    Signal
        ``bits_for(len(bits))`` bits, unsigned.

    Raises
    ------
    ValueError
        If ``lut`` is neither 4 nor 6, or there is no bit.
    """
    return _Tree(m, lut, name).count(_value(bits, "bits"))


def xnor_popcount(m: Module, x: ValueLike, w: ValueLike, *, lut: int = 4, name: str = "popcount") -> Signal:
    """Count the positions in which ``x`` and ``w`` agree, combinationally: a dot product of bipolar vectors.

    The product of two vectors of -1 and +1 (as 0 and 1) of n lanes is twice this count minus n. A ``w`` that is a
    ``Const`` leaves an inverter or nothing of each XNOR gate. Parameters and result as for :func:`popcount`.

    Raises
    ------
    ValueError
        If ``lut`` is neither 4 nor 6, there is no lane, or ``x`` and ``w`` differ in width.
    """
    tree = _Tree(m, lut, name)
    lanes, weights = _value(x, "x"), _value(w, "w")
    if len(lanes) != len(weights):
        raise ValueError(f"x and w must have the same width, not {len(lanes)} and {len(weights)}")
    if isinstance(weights, Const):
        return tree.count(lanes ^ Const(~weights.value & (1 << len(weights)) - 1, len(weights)))
    return tree.count(~(lanes ^ weights), factors=(lanes, weights))


def _value(value: ValueLike | Sequence[ValueLike], what: str) -> Value:
    bits = Cat(*value) if isinstance(value, (list, tuple)) else Value.cast(value)
    if not len(bits):
        raise ValueError(f"{what} must be at least one bit wide")
    return bits


@dataclass
class _Leaf:
    """A group or block of lanes, counted by other means."""

    sum: Value
    height: int = 0


@dataclass
class _Adder:
    """A node of the adder tree: ``sum`` counts ``lanes`` bits by joining two counts and one bit of carry-in."""

    lanes: int
    height: int
    low: _Adder | _Leaf
    high: _Adder | _Leaf
    carry: Value
    sum: Value = field(init=False)

    @property
    def width(self) -> int:
        return max(len(self.low.sum), len(self.high.sum))

    @property
    def positions(self) -> int:
        """Of a carry chain: the operands' and one before them, which is the carry-out of what lies below."""
        return self.width + 1

    def operand(self, node: _Adder | _Leaf) -> Value:
        return Cat(node.sum, Const(0, self.width - len(node.sum)))


@dataclass
class _Run:
    """Bits of rising weight, from 2**weight on, that are neighbours in one signal."""

    weight: int
    bits: Value

    def above(self, count: int) -> _Run:
        """The run without its lowest ``count`` bits."""
        return _Run(self.weight + count, self.bits[count:])


class _Tree:
    def __init__(self, m: Module, lut: int, name: str):
        if lut not in (4, 6):
            raise ValueError(f"lut must be 4 or 6, not {lut!r}")
        self._m, self._lut, self._name = m, lut, name
        self._made = 0

    def _signal(self, value: Value, width: int | None = None, *, role: str) -> Signal:
        """A signal of its own for ``value``: Amaranth writes an expression out again wherever it is used."""
        self._made += 1
        return self._named(f"{role}{self._made}", value, width)

    def _named(self, what: str, value: Value, width: int | None = None) -> Signal:
        signal = Signal(len(value) if width is None else width, name=f"{self._name}_{what}")
        self._m.d.comb += signal.eq(value)
        return signal

    def count(self, bits: Value, factors: tuple[Value, Value] | None = None) -> Signal:
        """Count the ones of ``bits``; ``factors`` are x and w where the bits are their XNOR."""
        self._bits, self._factors = self._named("bits", bits), None
        if factors is not None and self._lut == 6:
            self._factors = self._named("x", factors[0]), self._named("w", factors[1])
        if self._lut == 4:
            total = self._adders(range(len(bits)), _GROUP, self._group)
        else:
            total = self._adders(range(len(bits)), _BLOCK, self._heap)
        return self._named("count", total, bits_for(len(bits)))

    def _gates(self, bits: Iterable[Value]) -> list[Value]:
        """Count a few bits by full and half adders; the result's bits, lowest first, are expressions."""
        # Each bit, and whether it is an expression without a signal of its own. An adder uses its inputs several times,
        # so what goes into one gets its name then.
        column, result = [(bit, False) for bit in bits], []
        while column:
            carries, odd = [], len(column) % 2
            while len(column) > 1:
                a, b, *c = (self._signal(bit, role="b") if bare else bit for bit, bare in column[:3])
                del column[:3]
                if not c:
                    column.append((a ^ b, True))
                    carries.append((a & b, True))
                    continue
                # ABC maps an odd count best as a chain of full adders, a count that ends in a half adder as a tree; and
                # it is not indifferent to where in the next full adder the sum goes.
                column.insert(len(column) if not odd else 2 if self._lut == 4 else 0, (a ^ b ^ c[0], True))
                carries.append(((a & b) | (c[0] & (a ^ b)), True))
            result += [bit for bit, _ in column]
            column = carries
        return result

    def _group(self, lanes: range) -> Value:
        """Count a few lanes by tables alone."""
        count = self._gates(self._slice(self._bits, lanes))
        if self._factors is not None:
            # The parity without the XNOR gates, so that it shares nothing with the rest of the group: to Yosys a shared
            # two-input table and two of five inputs are cheaper (areas 2 + 3 + 3) than the two of six meant (5 + 5).
            x, w = (self._slice(factor, lanes).xor() for factor in self._factors)
            count[0] = ~(x ^ w) if len(lanes) % 2 else x ^ w
        return self._signal(Cat(*count), role="group")

    @staticmethod
    def _slice(value: Value, lanes: range) -> Value:
        return value[lanes.start : lanes.stop]

    # Trees of adders with carry-in.

    def _adders(self, lanes: range, limit: int, leaf: Callable[[range], Value]) -> Value:
        """Count ``lanes``: ``leaf`` counts up to ``limit`` of them, a balanced tree of adders joins the counts."""
        levels: list[list[_Adder]] = []
        root = self._plan(lanes, limit, leaf, levels)
        for level in levels:
            if self._lut == 4:
                self._share_chains(level)
            else:
                for adder in level:
                    adder.sum = self._signal(adder.low.sum + adder.high.sum + adder.carry, bits_for(adder.lanes),
                                             role="sum")
        return root.sum

    def _plan(self, lanes: range, limit: int, leaf: Callable[[range], Value],
              levels: list[list[_Adder]]) -> _Adder | _Leaf:
        """Cut ``lanes`` in two halves and one bit of carry-in, again and again; file each adder by its height."""
        if len(lanes) <= limit:
            return _Leaf(leaf(lanes))
        half = len(lanes) // 2
        low, high = (self._plan(part, limit, leaf, levels) for part in (lanes[:half], lanes[half:-1]))
        adder = _Adder(len(lanes), max(low.height, high.height) + 1, low, high, self._bits[lanes[-1]])
        if len(levels) < adder.height:
            levels.append([])
        levels[adder.height - 1].append(adder)
        return adder

    def _share_chains(self, level: Sequence[_Adder]) -> None:
        """Lay the adders of one level along carry chains, one position between two of them."""
        chains: list[list[_Adder]] = []
        used = _CHAIN
        for adder in level:
            if used + adder.positions > _CHAIN:
                chains.append([])
                used = 0
            chains[-1].append(adder)
            used += adder.positions
        for chain in chains:
            a, b, taken = [], [], []
            for adder in chain:
                # The first position needs no carry-out of an adder below: 1 + c carries when c, as c + c does, and
                # the constant saves a wire.
                a += [adder.carry if a else Const(1, 1), adder.operand(adder.low)]
                b += [adder.carry, adder.operand(adder.high)]
                taken.append(sum(other.positions for other in chain[: len(taken)]) + 1)
            total = self._signal(Cat(*a) + Cat(*b), role="sum")
            for adder, start in zip(chain, taken, strict=True):
                adder.sum = total[start : start + bits_for(adder.lanes)]

    # Heaps of generalised parallel counters.

    def _heap(self, lanes: range) -> Value:
        """Count a block: a few lanes at a time by tables alone, then counters on carry chains, column by column."""
        size = self._lut if self._factors is None else self._lut // 2
        runs = [_Run(0, self._group(lanes[start : start + size])) for start in range(0, len(lanes), size)]
        total = []
        for weight in range(bits_for(len(lanes))):
            column = [run for run in runs if run.weight == weight]
            runs = [run for run in runs if run.weight != weight]
            while len(column) > 1:
                column, rest = self._compress(column)
                runs += rest
            total += [run.bits[0] for run in column] or [Const(0, 1)]
            runs += [run.above(1) for run in column]
            runs = [run for run in runs if len(run.bits)]
        return Cat(*total)

    def _compress(self, column: list[_Run]) -> tuple[list[_Run], list[_Run]]:
        """Take one counter's bits out of a column: what the column then holds, and what goes to columns above."""
        weight = column[0].weight
        if len(column) <= 3:
            # Two numbers, and a third one's lowest bit as carry-in.
            a, b, *c = sorted(column, key=lambda run: -len(run.bits))
            total = self._signal(sum((run.bits[0] for run in c), a.bits + b.bits), len(a.bits) + 1, role="sum")
            return [_Run(weight, total)], [run.above(1) for run in c]
        # a + (count of up to 3 or 5 bits) + c. Yosys puts the operand of fewer pieces at the carry chain's data input
        # and the other through the tables, so a is a run of neighbouring bits and the count is not.
        counted, width = (5, 3) if len(column) >= 6 else (3, 2)
        column = sorted(column, key=lambda run: -min(len(run.bits), width))
        a, column = column[0], sorted(column[1:], key=lambda run: len(run.bits))
        ones, c, column = column[:counted], column[counted : counted + 1], column[counted + 1 :]
        count = [self._signal(bit, role="n") for bit in self._gates(run.bits[0] for run in ones)]
        total = self._signal(sum((run.bits[0] for run in c), a.bits[:width] + Cat(*count)), width + 1, role="sum")
        return [*column, _Run(weight, total)], [a.above(width), *(run.above(1) for run in ones + c)]
