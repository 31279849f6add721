"""Streaming decoder of canonical Huffman codes: a symbol a cycle, whatever the lengths of the codes.

A canonical code is found without a tree: of each length, the codes lie below a limit, so the length is the first one
whose bits are below its limit, and the symbol's place in the order of codes is their distance from a base (Moffat,
Turpin: "On the implementation of minimum redundancy prefix codes", IEEE Transactions on Communications 45(10), 1997).
All lengths are compared at once. Tables alternate as ``coding.coded`` says: codes and zero runs, as in Deep Compression
(Han, Mao, Dally, ICLR 2016). They are constants, or are built from the lengths with which each frame then begins.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..coding.coded import LENGTH_BITS, WORD, Layout
from ..coding.huffman import Huffman
from .counter import below, lookup
from .huffman_tables import Table, TableBuilder
from .lanes import word_stream

__all__ = ["CodedWord", "HuffmanDecoder", "HuffmanParameters"]


CodedWord = data.StructLayout({"data": WORD, "last": 1})
"""A word of a coded stream; ``last`` ends a frame."""


@dataclass(frozen=True, eq=False)
class HuffmanParameters:
    """A frame has the fields of ``layout``, one symbol each; only that of plain fields says its bits by itself.

    ``tables`` are the codes of the layout's tables, of its ``longest`` bits at most. Without them they come with each
    frame: before the fields, the length of each symbol's code.

    Raises
    ------
    ValueError
        If the tables are not those of the layout, or codes are longer than half a word: a word a cycle could not feed
        a symbol a cycle.
    """

    layout: Layout
    tables: tuple[Huffman, ...] | None = None

    def __post_init__(self):
        if 2 * self.longest > WORD:
            raise ValueError(f"longest must be at most {WORD // 2} bits, not {self.longest}")
        if self.tables is not None:
            sizes = [len(table.lengths) for table in self.tables]
            if sizes != [1 << bits for bits in self.layout.tables]:
                raise ValueError(f"tables must be for symbols of {self.layout.tables} bits, not of {sizes} symbols")
            if max((table.longest for table in self.tables), default=1) > self.layout.longest:
                raise ValueError(f"codes must have at most the layout's {self.layout.longest} bits")

    @property
    def longest(self) -> int:
        """Bits that are looked at in a cycle."""
        return max(self.layout.longest, LENGTH_BITS)

    @property
    def symbol_bits(self) -> int:
        """Bits of the widest symbol."""
        return max(bits for section in self.layout.sections for bits, _ in section.fields)

    @property
    def table_bits(self) -> int:
        """Bits of memory and registers that hold the tables: none if they are constants."""
        if self.tables is not None:
            return 0
        own = sum((bits << bits) + sum(length + 1 + bits for length in range(1, self.longest + 1))
                  for bits in self.layout.tables)
        return own + (LENGTH_BITS << max(self.layout.tables, default=0))

    @property
    def building(self) -> int:
        """Cycles from the last length of all tables to the first symbol, and between tables, that a frame spends."""
        return 0 if self.tables is not None else sum(self.layout.longest << bits for bits in self.layout.tables)


class HuffmanDecoder(wiring.Component):
    """Words of 32 bits in, one symbol a cycle out, as long as words come.

    A frame begins with a new word, its first bit the lowest; bits behind the last symbol, up to the end of its word,
    mean nothing. Latency: 2 cycles from the word with a symbol's first bits, if the ``longest`` bits from there on are
    in, else from the word that brings them or is the last. A frame's end takes 2 cycles. With tables that are loaded, a
    table is built in ``longest`` cycles a symbol, during which no symbol leaves.

    Members
    -------
    i : In(stream.Signature(CodedWord))
    o : Out(word_stream(symbol_bits))
    error : Out(1)
        Bits were no code, lengths no prefix code, or the frame's last word came too early or too late. No symbol comes
        for what is wrong; words are dropped up to the last one. High until the next frame's first word.
    done : Out(1)
        High for one cycle when a frame has ended and all its symbols have been taken; ``error`` then says how.

    Resources: two words and two shifters; a comparator for each length, which the tables share; ``table_bits``.
    """

    def __init__(self, parameters: HuffmanParameters):
        self._parameters = parameters
        super().__init__({"i": In(stream.Signature(CodedWord)), "o": Out(word_stream(parameters.symbol_bits)),
                          "error": Out(1), "done": Out(1)})

    @property
    def parameters(self) -> HuffmanParameters:
        """The validated parameters."""
        return self._parameters

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        loads = p.tables is None and bool(p.layout.tables)
        tables = [Table(m, number, bits, p.longest, p.tables[number] if p.tables is not None else None)
                  for number, bits in enumerate(p.layout.tables)]
        # What the parts below share.
        self._fire, self._failed, self._ended = Signal(name="fire"), Signal(name="fails"), Signal(name="ended")
        self._building, self._resting, self._settled = (Signal(name=n) for n in ("building", "resting", "settled"))
        full = Signal()
        bits, level, length = self._buffer(m)
        step, in_lengths = self._program(m, tables, loads)
        table, plain, plain_bits = step
        choice, base, found = self._find(m, bits, tables, table, plain, plain_bits, length)

        # The first stage: one symbol's bits leave the buffer, if they are all there.
        enough, room = Signal(), Signal()
        m.d.comb += [
            enough.eq((level >= p.longest) | self._ended),
            room.eq(~full | self.o.ready | in_lengths),
        ]
        able = Signal()
        m.d.comb += [
            able.eq(enough & room & ~self._building & ~self._resting),
            self._fire.eq(able & found & (length <= level)),
            self._failed.eq(able & ~self._fire),
        ]

        # The second stage: its place in the order of codes, and the symbol there.
        symbol, offset, chosen = Signal.like(choice), Signal.like(base), Signal.like(table)
        direct = Signal()
        with m.If(~full | self.o.ready):
            m.d.sync += full.eq(self._fire & ~in_lengths)
        with m.If(self._fire):
            m.d.sync += [symbol.eq(choice), offset.eq(base), chosen.eq(table), direct.eq(plain)]
        m.d.comb += [self.o.valid.eq(full), self.o.payload.eq(symbol)]
        for number, each in enumerate(tables):
            m.d.comb += each.read.addr.eq(symbol - offset)
            with m.If(~direct & (chosen == number)):
                m.d.comb += self.o.payload.eq(each.read.data)
        m.d.comb += self.done.eq(self._settled & self._ended & (~full | self.o.ready))
        if loads:
            builder = TableBuilder(m, tables, p.layout.longest, self._fire & in_lengths, choice, self._failed)
            m.d.comb += self._building.eq(builder.building)
            with m.If(builder.fails):
                m.d.comb += self._failed.eq(1)
            with m.If(builder.ends):
                m.d.sync += in_lengths.eq(0)
        return m

    def _buffer(self, m):
        """The bits to come, the first one lowest; how many there are; and how many leave if a symbol does."""
        bits, level = Signal(2 * WORD), Signal(range(2 * WORD + 1))
        length = Signal(range(self._parameters.longest + 1))
        take, began = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(((level <= WORD) | self._resting) & ~self._ended),
            take.eq(self.i.valid & self.i.ready),
        ]
        joined = Signal(2 * WORD)
        m.d.comb += joined.eq(bits | Mux(take, self.i.payload.data, 0) << level[: WORD.bit_length()])
        leaving = Signal.like(length)
        m.d.comb += leaving.eq(Mux(self._fire, length, 0))
        m.d.sync += [bits.eq(joined >> leaving), level.eq(level + Mux(take, WORD, 0) - leaving)]
        with m.If(take):
            m.d.sync += [self._ended.eq(self.i.payload.last), began.eq(1)]
            with m.If(~began):
                m.d.sync += self.error.eq(0)
        with m.If(self._failed):
            m.d.sync += [self.error.eq(1), self._resting.eq(1)]
        # What was announced is over: the last word must be here, and none of it unused.
        with m.If(self._resting & ~self._settled):
            m.d.sync += self._settled.eq(1)
            with m.If(~self._ended | (level >= WORD)):
                m.d.sync += self.error.eq(1)
        with m.If(self.done):
            m.d.sync += [each.eq(0) for each in (bits, level, began, self._ended, self._resting, self._settled)]
        return bits, level, length

    def _program(self, m, tables, loads):
        """Which field comes next: its table, or that it is plain and of how many bits; and whether it is a length."""
        sections = self._parameters.layout.sections
        fields = [(*field, section.words * section.times, sum(len(s.fields) for s in sections[:number]), place)
                  for number, section in enumerate(sections)
                  for place, field in zip(reversed(range(len(section.fields))), section.fields, strict=True)]
        at = Signal(below(len(fields)), name="field")
        count = Signal(below(max(field[2] for field in fields)), name="repetition")
        in_lengths = Signal(name="in_lengths", init=loads)
        last_field, last_count = Signal(), Signal()
        m.d.comb += [
            last_field.eq(lookup(m, at, [place == 0 for *_, place in fields], name="ends_section")),
            last_count.eq(count == lookup(m, at, [times - 1 for _, _, times, _, _ in fields], name="repetitions")),
        ]
        with m.If(self._fire & ~in_lengths):
            m.d.sync += at.eq(at + 1)
            with m.If(last_field):
                m.d.sync += count.eq(Mux(last_count, 0, count + 1))
                with m.If(~last_count):
                    m.d.sync += at.eq(lookup(m, at, [begin for _, _, _, begin, _ in fields], name="begin"))
                with m.Elif(at == len(fields) - 1):
                    m.d.sync += self._resting.eq(1)
        with m.If(self.done):
            m.d.sync += [at.eq(0), count.eq(0), in_lengths.eq(loads)]
        table, plain, plain_bits = Signal(below(len(tables))), Signal(), Signal(range(self._parameters.longest + 1))
        m.d.comb += [
            table.eq(lookup(m, at, [table or 0 for _, table, *_ in fields], name="field_table")),
            plain.eq(in_lengths | lookup(m, at, [table is None for _, table, *_ in fields], name="field_plain")),
            plain_bits.eq(Mux(in_lengths, LENGTH_BITS, lookup(m, at, [bits for bits, *_ in fields],
                                                              name="field_bits"))),
        ]
        return (table, plain, plain_bits), in_lengths

    def _find(self, m, bits, tables, table, plain, plain_bits, length):
        """The code at the beginning of ``bits``: its low bits, the base of its length, and whether there is one."""
        p = self._parameters
        width = max(p.symbol_bits, LENGTH_BITS)
        base_bits = max((each.bits for each in tables), default=1)
        choice, base, found = Signal(width, name="choice"), Signal(base_bits, name="base"), Signal(name="found")
        fits = []
        for number in range(1, p.longest + 1):
            code = Signal(number, name=f"code_{number}")
            limit = Signal(number + 1, name=f"limit_{number}")
            m.d.comb += code.eq(bits[:number][::-1])
            here = Signal(base_bits, name=f"base_{number}")
            for which, each in enumerate(tables):
                with m.If(table == which):
                    m.d.comb += [limit.eq(each.limits[number - 1]), here.eq(each.bases[number - 1])]
            fit = Signal(name=f"fits_{number}")
            m.d.comb += fit.eq(Mux(plain, plain_bits <= number, code < limit))
            fits.append(fit)
            # The first length that fits is the code's.
            with m.If(fit & ~fits[-2] if number > 1 else fit):
                m.d.comb += [choice.eq(code), base.eq(here), length.eq(number)]
        m.d.comb += found.eq(fits[-1])
        return choice, base, found
