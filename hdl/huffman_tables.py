"""The tables of a Huffman decoder: of each length the limit and the base of its codes, and the symbols in their order.

What they mean is said in ``hdl.huffman``. They are constants, or are built from the lengths of the codes.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import *
from amaranth.lib.memory import Memory

from ..coding.coded import LENGTH_BITS
from ..coding.huffman import Huffman
from .counter import below, lookup, wrapping_counter

__all__ = ["Table", "TableBuilder"]


class Table:
    """The limits, bases and order of one code; registers and a memory, or constants."""

    def __init__(self, m: Module, number: int, bits: int, longest: int, code: Huffman | None):
        self.bits, init = bits, []
        if code is None:
            self.limits = [Signal(length + 1, name=f"limit{number}_{length}") for length in range(1, longest + 1)]
            self.bases = [Signal(bits, name=f"base{number}_{length}") for length in range(1, longest + 1)]
        else:
            ends = (code.firsts[1:] + np.bincount(code.lengths[code.order])[1:, None]).tolist()
            firsts = code.firsts[1:].tolist()
            while len(ends) < longest:
                firsts.append([ends[-1][0] << 1, ends[-1][1]])
                ends.append(firsts[-1])
            self.limits = [Const(end, length + 1) for length, (end, _) in enumerate(ends, 1)]
            self.bases = [Const((first - place) % (1 << bits), bits) for first, place in firsts]
            init = code.order.tolist()
        m.submodules[f"order{number}"] = memory = Memory(shape=bits, depth=1 << bits, init=init)
        self.read = memory.read_port(domain="comb")
        self.write = memory.write_port() if code is None else None


class TableBuilder:
    """Adds what builds ``tables``, one after the other.

    It takes a table's lengths, then goes through them once for each length up to ``longest``, and notes which symbols
    have it.

    Parameters
    ----------
    reads, value
        The next symbol's length is there, and is taken. Only while not ``building``.
    clear
        No more lengths will come: the next ones are the first table's.

    Attributes
    ----------
    building : Signal
        A table is being built, for ``longest`` cycles a symbol.
    fails : Signal
        The lengths are those of no prefix code; ``clear`` must be high.
    ends : Signal
        The last table is built at the end of this cycle.
    """

    def __init__(self, m: Module, tables: list[Table], longest: int, reads, value, clear):
        self.building, self.fails, self.ends = (Signal(name=n) for n in ("table_builds", "table_fails", "tables_built"))
        widest = max(each.bits for each in tables)
        m.submodules.lengths = lengths = Memory(shape=LENGTH_BITS, depth=1 << widest, init=[])
        write, read = lengths.write_port(), lengths.read_port(domain="comb")
        at, symbol = Signal(below(len(tables)), name="built"), Signal(widest, name="build_symbol")
        last_symbol, last_code = Signal(name="build_last_symbol"), Signal(name="build_last")
        m.d.comb += [
            last_symbol.eq(symbol == lookup(m, at, [(1 << each.bits) - 1 for each in tables], name="symbols")),
            write.en.eq(reads), write.addr.eq(symbol), write.data.eq(value), read.addr.eq(symbol),
        ]
        with m.If(reads | self.building):
            m.d.sync += symbol.eq(Mux(last_symbol, 0, symbol + 1))
        with m.If(reads & last_symbol):
            m.d.sync += self.building.eq(1)
        m.d.comb += last_code.eq(self.building & last_symbol)
        number, last_number = wrapping_counter(m, longest, last_code, name="build_length")
        # Codes of a length follow one another, and so do their places: the difference is the length's base.
        code, place = Signal(longest + 2, name="build_code"), Signal(widest + 1, name="build_place")
        next_code, next_place, hit = Signal.like(code), Signal.like(place), Signal(name="build_hit")
        m.d.comb += [
            hit.eq(self.building & (read.data == number + 1)),
            next_code.eq(code + hit), next_place.eq(place + hit),
            self.fails.eq(last_code & (next_code > (1 << number + 1))),
            self.ends.eq(last_code & last_number & ~self.fails & (at == len(tables) - 1)),
        ]
        with m.If(self.building):
            m.d.sync += [code.eq(next_code << last_symbol), place.eq(next_place)]
        for which, each in enumerate(tables):
            assert each.write is not None  # since the table is no constant
            m.d.comb += [each.write.addr.eq(place), each.write.data.eq(symbol), each.write.en.eq(hit & (at == which))]
            for length, (limit, base) in enumerate(zip(each.limits, each.bases, strict=True), 1):
                # Beyond ``longest`` there are no more codes: the last ones, continued.
                with m.If(last_code & (at == which) & (number == min(length, longest) - 1)):
                    m.d.sync += [limit.eq(next_code << max(0, length - longest)), base.eq(next_code - next_place)]
        with m.If(last_code & last_number):
            m.d.sync += [self.building.eq(0), code.eq(0), place.eq(0), at.eq(Mux(self.ends, 0, at + 1))]
        with m.If(clear):
            m.d.sync += [each.eq(0) for each in (self.building, code, place, at, symbol)]
            m.d.sync += number.eq(0) if longest > 1 else []
