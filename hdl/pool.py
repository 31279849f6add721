"""Pooling: the largest of some words, or their sum, lane by lane.

Behind a sliding window in depthwise order it takes the taps of one word of channels after the other, or all at once
where the window gives them so; a whole image is pooled without a line buffer, in the order in which its pixels come,
with one accumulator for each channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .adders import Term, add_terms, tree_stages
from .counter import nested_counters
from .elastic import ElasticStages
from .lanes import check_positive, integer_stream, integers
from .number import IntType
from .popcount import popcount
from .schedule import Schedule
from .unit import Unit

__all__ = ["KINDS", "ORDERS", "PoolParameters", "PoolUnit"]

KINDS = ("max", "sum")
ORDERS = ("inner", "outer")

_LEVELS = 2
"""Levels of a tree of maxima between two registers, fewer than of adders: each is a carry chain and a multiplexer."""


@dataclass(frozen=True)
class PoolParameters:
    """Pools ``taps`` words to one, for each of ``words`` words of channels at each of ``positions``.

    Parameters
    ----------
    kind
        "max", or "sum".
    lanes, input, output
        Integers a word and their types. A sum is taken modulo 2 to the output's bits, so it is right where the output's
        type holds it, whatever the partial sums; a maximum must be of the output's type too.
    order
        "inner": all taps of a word, then the next word (as ``WindowParameters`` with groups of one word gives them).
        "outer": all words of a tap, then the next tap (as the pixels of an image come).
    simd
        Taps that come in a word, all lanes of a tap together: 1 or, in "inner" order, all of them.

    Raises
    ------
    ValueError
        If a number is not a positive integer or ``simd`` not as said, there is no such kind or order, or the output
        cannot be of that type.
    """

    kind: str
    taps: int
    words: int
    lanes: int
    input: IntType
    output: IntType
    positions: int = 1
    order: str = "inner"
    simd: int = 1

    def __post_init__(self):
        for name in ("taps", "words", "lanes", "positions", "simd"):
            check_positive(name, getattr(self, name))
        for name, choice in (("kind", KINDS), ("order", ORDERS)):
            if getattr(self, name) not in choice:
                raise ValueError(f"{name} must be one of {', '.join(choice)}, not {getattr(self, name)!r}")
        if self.output.bipolar and (self.kind == "sum" or not self.input.bipolar):
            raise ValueError(f"output of a {self.kind} of {self.input} must not be bipolar")
        if self.simd != 1 and self.simd != self.taps:
            raise ValueError(f"simd must be 1 or the {self.taps} taps, not {self.simd}")
        if self.simd != 1 and self.order != "inner":
            raise ValueError(f"simd must be 1 in {self.order} order, not {self.simd}")

    @property
    def lanes_in(self) -> int:
        """Integers of a word that comes in."""
        return self.simd * self.lanes

    @property
    def stages(self) -> int:
        """Cycles from a word's last tap to the word that leaves."""
        if self.simd == 1 or self.input.bits == 1:
            return 1
        return tree_stages(self.taps) if self.kind == "sum" else -(-(self.taps - 1).bit_length() // _LEVELS)

    @property
    def schedule(self) -> Schedule:
        if self.simd > 1:
            return Schedule([[1]], [[1]], self.stages, repeats=self.positions * self.words)
        words = self.words if self.order == "outer" else 1
        phase = np.arange(self.taps * words)
        return Schedule(np.ones((len(phase), 1)), (phase >= (self.taps - 1) * words)[:, None], stages=1,
                        repeats=self.positions * self.words // words)


class PoolUnit(Unit):
    """Takes a word a cycle; gives a word ``stages`` cycles after its last tap: 1, or those of a tree.

    A tap at a time, nothing more is taken while a word waits to leave: the accumulators are the output. All taps at
    once, the stages of the tree are elastic.

    Members
    -------
    i : In(integer_stream(input, lanes_in))
    o : Out(integer_stream(output, lanes))

    Resources: for each lane an accumulator and a comparator with a multiplexer, or an adder. In "outer" order of more
    than one word also a memory of ``words`` words, which is read in the cycle in which it is written (LUT RAM).
    All taps at once: for each lane ``taps - 1`` comparators with their multiplexers, in a tree with a register behind
    every second level, or as many adders, with one behind every fourth; of single bits a gate, or a popcount.
    """

    def __init__(self, parameters: PoolParameters):
        p = parameters
        super().__init__(parameters, {"i": In(integer_stream(p.input, p.lanes_in)),
                                      "o": Out(integer_stream(p.output, p.lanes))})

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        if p.simd > 1:
            self._at_once(m)
            return m
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        outer = p.order == "outer" and p.words > 1
        counts, lasts, _ = nested_counters(
            m, {"word": p.words, "tap": p.taps} if outer else {"tap": p.taps}, stages.fire)
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(lasts["tap"]),
            self.i.ready.eq(stages.ready),
        ]
        # A maximum is of the input's type, a sum of the output's.
        inputs = integers(self.i.payload, p.input)
        kept = inputs[0].shape() if p.kind == "max" else Shape(p.output.bits, p.output.signed)
        before = [Signal(kept, name=f"before{lane}") for lane in range(p.lanes)]
        after = [Signal(kept, name=f"after{lane}") for lane in range(p.lanes)]
        for x, old, new in zip(inputs, before, after, strict=True):
            found = Mux(x > old, x, old) if p.kind == "max" else old + x
            m.d.comb += new.eq(Mux(counts["tap"] == 0, x, found))
        pooled = Cat(after)
        if outer:
            m.submodules.storage = memory = Memory(shape=len(pooled), depth=p.words, init=[])
            write = memory.write_port()
            read = memory.read_port(domain="comb")
            m.d.comb += [
                read.addr.eq(counts["word"]), Cat(before).eq(read.data),
                write.addr.eq(counts["word"]), write.data.eq(pooled), write.en.eq(stages.fire),
            ]
        result = Signal(len(pooled), reset_less=True)
        with m.If(stages.fire):
            m.d.sync += result.eq(pooled)
        if not outer:
            m.d.comb += Cat(before).eq(result)
        for lane, new in enumerate(after):
            value = result.word_select(lane, len(new))
            if p.output.bipolar:
                # The sign of -1 or +1, as a bit.
                value = ~value[-1]
            elif new.shape().signed:
                value = value.as_signed()
            m.d.comb += self.o.payload[lane].eq(value)
        return m

    def _at_once(self, m):
        """Each word in becomes a word out, on its way through the stages."""
        p = self._parameters
        stages = ElasticStages(m, p.stages, self.o.valid, self.o.ready)
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(1),
            self.i.ready.eq(stages.ready),
        ]

        def register(value, stage, name):
            kept = Signal(value.shape(), name=name, reset_less=True)
            with m.If(stages.enter[stage]):
                m.d.sync += kept.eq(value)
            return kept

        for lane in range(p.lanes):
            taps = [self.i.payload[tap * p.lanes + lane] for tap in range(p.taps)]
            if p.input.bits == 1:
                result = register(self._of_bits(m, Cat(taps), lane), 0, f"lane{lane}")
            elif p.kind == "max":
                result = self._largest(m, taps, register, lane)
            else:
                terms = [Term(tap, p.input.lo, p.input.hi) for tap in taps]
                total, _ = add_terms(m, terms, [], bits=p.output.bits, name=f"lane{lane}", register=register, stage=0)
                result = total.bits(p.output.bits)
            m.d.comb += self.o.payload[lane].eq(result)

    def _of_bits(self, m, bits, lane):
        """The largest, or the sum, of integers of one bit each."""
        p = self._parameters
        if p.kind == "max":
            # The set bit is the lower one of -1 and 0, else the higher.
            best = bits.all() if p.input.signed else bits.any()
            return Cat(1, ~best).as_signed() if p.input.bipolar and not p.output.bipolar else best
        ones = popcount(m, bits, name=f"lane{lane}_ones")
        if p.input.bipolar:
            return (ones << 1) - p.taps
        return -ones if p.input.signed else ones

    def _largest(self, m, level, register, lane):
        """The largest of some integers, in a tree of pairs."""
        for stage in range(self._parameters.stages):
            for depth in range(stage * _LEVELS, (stage + 1) * _LEVELS):
                larger = []
                for k, (a, b) in enumerate(zip(level[::2], level[1::2], strict=False)):
                    larger.append(Signal.like(a, name=f"lane{lane}_max{depth}_{k}"))
                    m.d.comb += larger[-1].eq(Mux(a > b, a, b))
                level = larger + level[len(larger) * 2:]
            level = [register(value, stage, f"lane{lane}_stage{stage}_{k}") for k, value in enumerate(level)]
        return level[0]
