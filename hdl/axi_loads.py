"""Weights over AXI4-Lite: from registers to load ports, a word at a time, and never in the bus's way.

A word that a port has not taken yet is held here; one written meanwhile is refused at once, so that no unit that cannot
take words now ever holds up a processor.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi_map import register
from .counter import below, lookup

__all__ = ["AxiLoads"]

_WHOLE = 0b1111


class AxiLoads(wiring.Component):
    """The registers ``LOAD_…`` of ``axi_map``, in front of load ports.

    Parameters
    ----------
    ports : sequence of (int, int)
        Bits of a word, and words, of each port.
    checked : bool
        The ports take coded streams (``checked_load``), of words of 32 bits and the mark of the last one.

    Members
    -------
    write, write_address, write_data, write_strobe : In
        Those of ``AxiLiteSlave``; the address has 12 bits at least.
    refuses : Out(1)
        The write of this cycle is wrong; ``overrun``: because a word is waiting.
    waiting : Out(1)
        A word is waiting for its port.
    load_port, load_bits, load_words, load_state : Out(32)
        What is read.
    payload : Out
        The word for the port whose bit of ``valid`` is high, in its low bits.
    valid : Out(ports)
    ready, loaded, error : In(ports)
        Of each port, the first in the lowest bit.
    """

    def __init__(self, ports: Sequence[tuple[int, int]], *, checked: bool, address_bits: int = 12):
        self._ports, self._checked = tuple(ports), checked
        self._bits = [33 if checked else bits for bits, _ in self._ports]
        super().__init__({
            "write": In(1), "write_address": In(address_bits - 2), "write_data": In(32), "write_strobe": In(4),
            "refuses": Out(1), "overrun": Out(1), "waiting": Out(1),
            **{name: Out(32) for name in ("load_port", "load_bits", "load_words", "load_state")},
            "payload": Out(max(self._bits)), "valid": Out(len(self._ports)),
            **{name: In(len(self._ports)) for name in ("ready", "loaded", "error")},
        })

    def elaborate(self, platform):
        m = Module()
        count, checked = len(self._ports), self._checked
        parts = [1 if checked else -(-bits // 32) for bits in self._bits]
        which, part = Signal(below(count), name="which"), Signal(below(max(parts)), name="part")
        word = Signal(32 * max(parts) + checked, name="word")
        selects, data, last, whole, accepts = (
            Signal(name=name) for name in ("selects", "data", "last", "whole", "accepts"))
        for signal, name in ((selects, "LOAD_PORT"), (data, "LOAD_DATA"), (last, "LOAD_LAST")):
            m.d.comb += signal.eq(self.write & (self.write_address == register(name).offset >> 2))
        chosen = Signal(name="chosen")
        m.d.comb += [
            whole.eq((self.write_strobe == _WHOLE) & ~self.waiting),
            chosen.eq(selects & whole & (self.write_data < count)),
            accepts.eq((data | (last if checked else 0)) & whole),
            self.overrun.eq((data | last) & self.waiting),
            self.refuses.eq(((data | last) & ~accepts) | (selects & ~chosen)),
        ]
        with m.If(chosen):
            m.d.sync += [which.eq(self.write_data), part.eq(0)]
        with m.If(accepts):
            m.d.sync += [word.word_select(part, 32).eq(self.write_data), part.eq(part + 1)]
            if checked:
                m.d.sync += word[32].eq(last)
            with m.If(part == lookup(m, which, [each - 1 for each in parts], name="last_part")):
                m.d.sync += [part.eq(0), self.waiting.eq(1)]
        with m.If(self.waiting & self.ready.bit_select(which, 1)):
            m.d.sync += self.waiting.eq(0)
        m.d.comb += [
            self.payload.eq(word), self.valid.eq(self.waiting << which),
            self.load_port.eq(which),
            self.load_bits.eq(lookup(m, which, [32 if checked else bits for bits in self._bits], name="bits")),
            self.load_words.eq(lookup(m, which, [words for _, words in self._ports], name="words")),
            self.load_state.eq(Cat(self.loaded.bit_select(which, 1), self.error.bit_select(which, 1))),
        ]
        return m
