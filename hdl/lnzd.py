"""Leading non-zero detection: from words of activations to the columns whose activation is not zero, one a cycle.

The tree that finds the lowest lane is that of EIE (Han et al., ISCA 2016, section 4), with two branches at each node.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import *

from .counter import below, wrapping_counter
from .lanes import words

__all__ = ["NonZeroColumns", "lowest"]


@dataclass
class Lowest:
    """Of some lanes: whether any is marked, whether several are, and of the lowest its index and value.

    ``rest`` are the marks without the lowest one.
    """

    any: Value
    several: Value
    index: Value
    value: Value
    rest: Value


def lowest(m: Module, marks, values: list, *, name: str = "lowest") -> Lowest:
    """The lowest marked lane, found by a tree of multiplexers; ``marks`` has a bit for each of the ``values``."""
    if len(values) == 1:
        return Lowest(marks[0], Const(0), Const(0, 0), values[0], Const(0, 1))
    half = 1 << (len(values) - 1).bit_length() - 1
    low = lowest(m, marks[:half], values[:half], name=f"{name}_l")
    high = lowest(m, marks[half:], values[half:], name=f"{name}_h")
    index_bits = (len(values) - 1).bit_length()
    found = Lowest(Signal(name=f"{name}_any"), Signal(name=f"{name}_several"),
                   Signal(index_bits, name=f"{name}_index"), Signal(len(values[0]), name=f"{name}_value"),
                   Signal(len(values), name=f"{name}_rest"))
    upper = Signal(index_bits, name=f"{name}_upper")
    m.d.comb += [
        upper.eq(high.index | half),
        found.any.eq(low.any | high.any),
        found.several.eq(low.several | high.several | low.any & high.any),
        found.index.eq(Mux(low.any, low.index, upper)),
        found.value.eq(Mux(low.any, low.value, high.value)),
        found.rest.eq(Cat(low.rest, Mux(low.any, marks[half:], high.rest))),
    ]
    return found


class NonZeroColumns:
    """The input register of a sparse engine: takes words from the stream ``i``, gives one column a cycle.

    A word without an activation other than zero gives one column, which is ``void``.

    Parameters
    ----------
    i
        The stream, of lanes.
    columns
        Activations of a vector; what further lanes of its last word hold means nothing.

    Attributes
    ----------
    take : Signal, driven by the user
        There is room for a column.
    there : Signal
        There is a column; with ``take``, it is given in this cycle.
    column, activation : Value
        Its number, and its activation's bits. They mean nothing where it is void.
    void, marked : Value
        It has no activation; it is the vector's last.
    """

    def __init__(self, m: Module, i, columns: int):
        lanes, width = len(i.payload), len(i.payload[0])
        count, present = words(columns, lanes), columns - (words(columns, lanes) - 1) * lanes
        self.take, self.there = Signal(name="column_taken"), Signal(name="column_there")
        word = Signal(lanes * width, name="word", reset_less=True)
        marks = Signal(lanes, name="nonzero", reset_less=True)
        found = lowest(m, marks, [word[lane * width : (lane + 1) * width] for lane in range(lanes)])

        enters, leaves = Signal(name="word_enters"), Signal(name="word_leaves")
        m.d.comb += [
            leaves.eq(self.there & self.take & ~found.several),
            i.ready.eq(~self.there | leaves),
            enters.eq(i.valid & i.ready),
        ]
        _, arrives_last = wrapping_counter(m, count, enters, name="word_in")
        marked = Cat(lane.any() for lane in i.payload)
        with m.If(enters):
            m.d.sync += [
                word.eq(i.payload.as_value()),
                marks.eq(marked & Mux(arrives_last, (1 << present) - 1, (1 << lanes) - 1)),
            ]
        with m.Elif(self.there & self.take):
            m.d.sync += marks.eq(found.rest)
        with m.If(i.ready):
            m.d.sync += self.there.eq(i.valid)

        number, last = wrapping_counter(m, count, leaves, name="word_number")
        self.activation, self.void = found.value, Signal(name="column_void")
        self.marked = Signal(name="column_marked")
        m.d.comb += [self.void.eq(~found.any), self.marked.eq(last & ~found.several)]
        self.column = Signal(below(columns), name="column")
        if lanes & lanes - 1 == 0:
            m.d.comb += self.column.eq(Cat(found.index, number))
        else:
            base = Signal(below(count * lanes), name="word_base")
            with m.If(leaves):
                m.d.sync += base.eq(Mux(last, 0, base + lanes))
            m.d.comb += self.column.eq(base + found.index)
