"""Pooling: the largest of some words, or their sum, lane by lane.

Behind a sliding window in depthwise order it takes the taps of one word of channels after the other; a whole image is
pooled without a line buffer, in the order in which its pixels come, with one accumulator for each channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .counter import nested_counters
from .elastic import ElasticStages
from .lanes import check_positive, integer_stream, integers
from .number import IntType
from .schedule import Schedule
from .unit import Unit

__all__ = ["KINDS", "ORDERS", "PoolParameters", "PoolUnit"]

KINDS = ("max", "sum")
ORDERS = ("inner", "outer")


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

    Raises
    ------
    ValueError
        If a number is not a positive integer, there is no such kind or order, or the output cannot be of that type.
    """

    kind: str
    taps: int
    words: int
    lanes: int
    input: IntType
    output: IntType
    positions: int = 1
    order: str = "inner"

    def __post_init__(self):
        for name in ("taps", "words", "lanes", "positions"):
            check_positive(name, getattr(self, name))
        for name, choice in (("kind", KINDS), ("order", ORDERS)):
            if getattr(self, name) not in choice:
                raise ValueError(f"{name} must be one of {', '.join(choice)}, not {getattr(self, name)!r}")
        if self.output.bipolar and (self.kind == "sum" or not self.input.bipolar):
            raise ValueError(f"output of a {self.kind} of {self.input} must not be bipolar")

    @property
    def schedule(self) -> Schedule:
        words = self.words if self.order == "outer" else 1
        phase = np.arange(self.taps * words)
        return Schedule(np.ones((len(phase), 1)), (phase >= (self.taps - 1) * words)[:, None], stages=1,
                        repeats=self.positions * self.words // words)


class PoolUnit(Unit):
    """Takes a word a cycle; gives a word in the cycle after its last tap.

    While a word waits to leave, nothing more is taken: the accumulators are the output.

    Members
    -------
    i : In(integer_stream(input, lanes))
    o : Out(integer_stream(output, lanes))

    Resources: for each lane an accumulator and a comparator with a multiplexer, or an adder. In "outer" order of more
    than one word also a memory of ``words`` words, which is read in the cycle in which it is written (LUT RAM).
    """

    def __init__(self, parameters: PoolParameters):
        p = parameters
        super().__init__(parameters, {"i": In(integer_stream(p.input, p.lanes)),
                                      "o": Out(integer_stream(p.output, p.lanes))})

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
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
