"""Loading that is checked: coded weights go into a unit's memories, and it computes only if all of them were good.

In front of a load port stands a decoder of coded streams (``coding.coded``): a word that names the port, code lengths,
Huffman-coded fields, a CRC-32. The weights are in the memories before the CRC is known, so what protects the results is
a gate: from the first word of a load on, until one has been found good, the unit is offered no input.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..coding.coded import WORD, Layout
from .counter import below, lookup, wrapping_counter
from .huffman import CodedWord, HuffmanDecoder, HuffmanParameters
from .lanes import connect, word_stream
from .unit import Unit

__all__ = ["CheckedLoad", "CheckedLoadParameters", "CheckedUnit"]


@dataclass(frozen=True)
class CheckedLoadParameters:
    """The ``layout`` of a load port's words, and the port's ``name``, without which no stream is taken for its own."""

    layout: Layout
    name: str

    @property
    def decoder(self) -> HuffmanParameters:
        """The decoder, whose tables each stream brings along."""
        return HuffmanParameters(self.layout)


class CheckedLoad(wiring.Component):
    """Coded streams in, the words of a load port out, and whether what was loaded is good.

    A symbol a cycle, and a few cycles at the end for the verdict. A stream is bad if its CRC is wrong, if it names
    another port, or if it has more or fewer words than its fields need. Words that a bad one does not bring are then
    written as 0, one a cycle, so that the next stream begins with the port's first word again.

    Members
    -------
    i : In(stream.Signature(CodedWord))
        ``coding.coded.encode``'s words; the last one is marked. If that mark is lost, the load goes on.
    load : Out(word_stream(layout.bits))
    loaded : Out(1)
        What the memories hold was loaded, and found good.
    error : Out(1)
        What they hold is the rest of a load that was bad, or that a reset interrupted. A good load clears it.
    good : Out(1)
        The unit may compute: nothing is being loaded, and there is no error. So it is before the first load.

    A reset leaves ``loaded`` and ``error`` as they are, like what the memories hold.

    Resources: those of ``HuffmanDecoder`` with tables that are loaded, the CRC's XORs, and a word of ``load``.
    """

    def __init__(self, parameters: CheckedLoadParameters):
        self._parameters = parameters
        super().__init__({"i": In(stream.Signature(CodedWord)), "load": Out(word_stream(parameters.layout.bits)),
                          "loaded": Out(1), "error": Out(1), "good": Out(1)})

    @property
    def parameters(self) -> CheckedLoadParameters:
        """The validated parameters."""
        return self._parameters

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        m.submodules.decoder = decoder = HuffmanDecoder(p.decoder)
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=WORD).create()
        take, ends, fails = (Signal(name=name) for name in ("take", "stream_ends", "fails"))
        # Of the stream: words have come, the first one was another's, the decoder has had some, its last one has come.
        begun, foreign, fed, over = (Signal(name=name) for name in ("begun", "foreign", "fed", "over"))
        held, waiting = Signal(WORD, reset_less=True), Signal()
        m.d.comb += [
            take.eq(self.i.valid & self.i.ready),
            ends.eq(take & self.i.payload.last),
            crc.data.eq(self.i.payload.data), crc.valid.eq(take), crc.start.eq(take & ~begun),
            # The decoder's last word is the one before the CRC, so each is held until the next one is there.
            decoder.i.valid.eq(waiting & self.i.valid & ~over),
            decoder.i.payload.data.eq(held),
            decoder.i.payload.last.eq(self.i.payload.last),
            self.i.ready.eq(~over & (~waiting | decoder.i.ready)),
        ]
        with m.If(take):
            m.d.sync += [begun.eq(1), over.eq(self.i.payload.last), held.eq(self.i.payload.data)]
            with m.If(~begun):
                m.d.sync += foreign.eq(self.i.payload.data != p.layout.identity(p.name))
            with m.Else():
                m.d.sync += [waiting.eq(~foreign & ~self.i.payload.last), fed.eq(fed | waiting)]

        # The verdict: the decoder has found all symbols, and the CRC is right.
        fills, whole, missing = Signal(name="fills"), Signal(name="whole"), Signal(name="missing")
        finished, settled = Signal(name="finished"), Signal(name="settled")
        with m.If(decoder.done):
            m.d.sync += finished.eq(1)
        verdict = Signal()
        m.d.comb += [
            settled.eq(over & (finished | ~fed)),
            whole.eq(fed & ~foreign & ~decoder.error & crc.match_detected),
        ]
        self._put_together(m, decoder.o, fills, verdict, missing)
        # All words are there one cycle after the last symbol has been taken, at the latest.
        m.d.comb += [verdict.eq(settled & ~missing & ~self.load.valid), fails.eq(settled & ~whole)]
        m.d.comb += fills.eq(fails & missing)
        loaded, bad, partial = (Signal(name=name, reset_less=True) for name in ("is_loaded", "is_bad", "is_partial"))
        with m.If(take & ~begun):
            m.d.sync += [partial.eq(1), loaded.eq(0)]
        with m.If(fails | (begun & foreign) | (fed & decoder.error)):
            m.d.sync += bad.eq(1)
        with m.If(verdict):
            m.d.sync += [each.eq(0) for each in (begun, foreign, fed, over, waiting, finished)]
            with m.If(whole):
                m.d.sync += [partial.eq(0), bad.eq(0), loaded.eq(1)]
        m.d.comb += [
            self.loaded.eq(loaded),
            self.error.eq(bad | (partial & ~begun)),
            self.good.eq(~begun & ~self.error),
        ]
        return m

    def _put_together(self, m, symbols, fills, verdict, missing):
        """Make words of the symbols, the lowest field first; while ``fills`` is high, words of 0."""
        layout, out = self._parameters.layout, self.load
        sections, width = layout.sections, layout.bits
        fields = [(bits, number, place == len(section.fields) - 1) for number, section in enumerate(sections)
                  for place, (bits, _) in enumerate(section.fields)]
        begins = [sum(len(section.fields) for section in sections[:number]) for number in range(len(sections))]
        at = Signal(below(len(fields)), name="word_field")

        def of(what, name):
            """``what`` of each section, for the one whose field comes next."""
            return lookup(m, at, [what[number] for _, number, _ in fields], name=name)

        time = Signal(below(max(section.times for section in sections)), name="word_time")
        count = Signal(below(max(section.words for section in sections)), name="word_count")
        full, shifted, whose = Signal(name="word_full"), Signal(width, name="word"), Signal(below(len(sections)))
        enters, ends, taken = Signal(name="symbol_enters"), Signal(name="word_ends"), Signal(name="word_taken")
        last_field = lookup(m, at, [last for *_, last in fields], name="last_field")
        m.d.comb += [
            symbols.ready.eq(~full | out.ready),
            enters.eq(symbols.valid & symbols.ready),
            ends.eq(last_field & (time == of([section.times - 1 for section in sections], "last_time"))),
            out.valid.eq(full | fills),
            taken.eq(out.valid & out.ready),
        ]
        with m.If(~full | out.ready):
            m.d.sync += full.eq(enters & ends)
        with m.If(enters):
            for bits in sorted({bits for bits, *_ in fields}):
                with m.If(lookup(m, at, [own == bits for own, *_ in fields], name=f"field_of_{bits}")):
                    m.d.sync += shifted.eq(Cat(shifted, symbols.payload[:bits])[bits:])
            m.d.sync += at.eq(at + 1)
            with m.If(last_field):
                m.d.sync += [at.eq(of(begins, "begin")), time.eq(time + 1)]
            with m.If(ends):
                m.d.sync += [time.eq(0), count.eq(count + 1), whose.eq(of(range(len(sections)), "section"))]
                with m.If(count == of([section.words - 1 for section in sections], "last_word")):
                    m.d.sync += [count.eq(0), at.eq(of([*begins[1:], 0], "next_begin"))]
        # Fields come in at the top of the word, so that is where they stand when all are there.
        with m.Switch(whose):
            for number, section in enumerate(sections):
                with m.Case(number):
                    m.d.comb += out.payload.eq(Mux(full, shifted[width - section.bits :], 0))
        with m.If(verdict):
            m.d.sync += [at.eq(0), time.eq(0), count.eq(0)]
        place, _ = wrapping_counter(m, layout.words, taken, name="place")
        m.d.comb += missing.eq(place != 0)


class CheckedUnit(wiring.Component):
    """A unit with ``i``, ``o`` and ``load``, that takes input only while what it holds is good.

    Its timing is the unit's: the gate adds no cycle. A load begins when no word at ``i`` is waiting for the unit; like
    any load it must find no frame inside.

    Members
    -------
    i, o :
        The unit's. ``i.ready`` is low from a load's first word on until a good one has ended.
    load : In(stream.Signature(CodedWord))
        The coded stream of ``CheckedLoad``.
    loaded, error : Out(1)
        Those of ``CheckedLoad``.

    Raises
    ------
    ValueError
        If the layout's words are not as wide as the unit's.
    """

    def __init__(self, unit: Unit, parameters: CheckedLoadParameters):
        members = unit.signature.members
        if parameters.layout.bits != (width := Shape.cast(unit.load.payload.shape()).width):
            raise ValueError(f"layout must be of words of {width} bits, not {parameters.layout.bits}")
        self._unit, self._load = unit, parameters
        super().__init__({"i": members["i"], "o": members["o"], "load": In(stream.Signature(CodedWord)),
                          "loaded": Out(1), "error": Out(1)})

    @property
    def parameters(self):
        """The unit's parameters."""
        return self._unit.parameters

    @property
    def schedule(self):
        """The unit's timing."""
        return self._unit.schedule

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self._unit
        m.submodules.load = load = CheckedLoad(self._load)
        waits = Signal()
        m.d.comb += [
            unit.i.payload.eq(self.i.payload), unit.i.valid.eq(self.i.valid & load.good),
            self.i.ready.eq(unit.i.ready & load.good),
            waits.eq(unit.i.valid & ~unit.i.ready),
            load.i.payload.eq(self.load.payload), load.i.valid.eq(self.load.valid & ~waits),
            self.load.ready.eq(load.i.ready & ~waits),
            self.loaded.eq(load.loaded), self.error.eq(load.error),
        ]
        connect(m, load.load, unit.load)
        connect(m, unit.o, wiring.flipped(self.o))
        return m
