"""Packets from bytes and bytes from packets, as ``coding.link`` has them: flags, escapes and a CRC-32, byte by byte.

Neither end holds a packet back: what the deframer gives has yet to prove good, which its reader learns at the end. The
CRCs take a bit a cycle, since a byte takes at least 40 cycles on its line: so they cost 32 flip-flops and little more.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..coding.link import CRC_BYTES, ESCAPE, FLAG, FLIP

__all__ = ["Deframer", "Framer", "PacketByte"]

PacketByte = data.StructLayout({"data": 8, "last": 1})
"""A byte of a packet; the last one is marked."""


class _SerialCrc(wiring.Component):
    """The CRC of bytes, each begun by ``step`` and done 8 cycles later; ``clear`` starts anew."""

    def __init__(self):
        super().__init__({"clear": In(1), "step": In(1), "data": In(8), "crc": Out(32), "match": Out(1)})

    def elaborate(self, platform):
        m = Module()
        # Bits of a byte enter in the order in which the reflected CRC takes them, the lowest first.
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=1).create()
        bits, left = Signal(8), Signal(range(9))
        m.d.comb += [crc.start.eq(self.clear), crc.data.eq(bits[0]), crc.valid.eq(left != 0), self.crc.eq(crc.crc)]
        m.d.sync += self.match.eq(crc.match_detected)
        with m.If(self.step):
            m.d.sync += [bits.eq(self.data), left.eq(8)]
        with m.Elif(left != 0):
            m.d.sync += [bits.eq(bits[1:]), left.eq(left - 1)]
        return m


class Deframer(wiring.Component):
    """The bytes of packets, as they come, and at each packet's end whether it is whole.

    Members
    -------
    done : In(1), data : In(8), error : In(1)
        A byte of the line (``UartReceiver``); at least 12 cycles lie between two.
    put : Out(1)
        High for one cycle for each byte of a packet, its CRC included.
    byte : Out(8)
        The byte, while ``put``.
    end : Out(1)
        High for one cycle after a packet's last byte, and at least one after its ``put``.
    good : Out(1)
        Its CRC is right and no byte lacked its stop bit, while ``end``.
    torn : Out(1)
        A byte of it lacked its stop bit, while ``end``.
    """

    def __init__(self):
        super().__init__({"done": In(1), "data": In(8), "error": In(1),
                          "put": Out(1), "byte": Out(8), "end": Out(1), "good": Out(1), "torn": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = _SerialCrc()
        begun, escaped, torn = Signal(), Signal(), Signal()
        m.d.comb += [crc.step.eq(self.put), crc.data.eq(self.byte), crc.clear.eq(self.end)]
        m.d.sync += [self.put.eq(0), self.end.eq(0)]
        with m.If(self.done):
            with m.If(self.error):
                m.d.sync += [begun.eq(1), torn.eq(1)]
            with m.Elif(self.data == FLAG):
                m.d.sync += [self.end.eq(begun), self.good.eq(crc.match & ~escaped & ~torn), self.torn.eq(torn),
                             begun.eq(0), escaped.eq(0), torn.eq(0)]
            with m.Else():
                m.d.sync += begun.eq(1)
                with m.If((self.data == ESCAPE) & ~escaped):
                    m.d.sync += escaped.eq(1)
                with m.Else():
                    m.d.sync += [self.put.eq(1), self.byte.eq(self.data ^ Mux(escaped, FLIP, 0)), escaped.eq(0)]
        return m


class _State(enum.Enum, shape=2):
    OPEN = 0  # a flag, as soon as there is a packet
    BYTES = 1
    CRC = 2
    CLOSE = 3  # another flag


class Framer(wiring.Component):
    """Packets as the bytes of a line: a flag, the bytes and their CRC with escapes, a flag.

    Members
    -------
    i : In(stream.Signature(PacketByte))
        A packet's bytes without its CRC, at most one in two cycles; ``ready`` comes from a register.
    o : Out(stream.Signature(8))
        For a line that takes a byte in no less than 10 cycles (``UartTransmitter``).
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(PacketByte)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = _SerialCrc()
        state, sent, free = Signal(_State), Signal(range(CRC_BYTES)), Signal()
        byte, special, escaped = Signal(8), Signal(), Signal()
        # A byte waits here until it has gone, so that no path leads from the line into what gives packets.
        held, there, goes = Signal(PacketByte), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~there),
            free.eq(~self.o.valid | self.o.ready),
            byte.eq(Mux(state == _State.CRC, crc.crc.word_select(sent, 8), held.data)),
            special.eq(((byte == FLAG) | (byte == ESCAPE)) & ~escaped),
            crc.data.eq(held.data), crc.step.eq(goes),
        ]
        with m.If(~there):
            m.d.sync += [held.eq(self.i.payload), there.eq(self.i.valid)]
        with m.Elif(goes):
            m.d.sync += there.eq(0)
        with m.If(free):
            m.d.sync += [self.o.valid.eq(0), self.o.payload.eq(FLAG), escaped.eq(0)]
            with m.If((state == _State.BYTES) | (state == _State.CRC)):
                m.d.sync += self.o.payload.eq(Mux(special, ESCAPE, byte ^ Mux(escaped, FLIP, 0)))
            with m.Switch(state):
                with m.Case(_State.OPEN):
                    m.d.comb += crc.clear.eq(1)
                    with m.If(there):
                        m.d.sync += [self.o.valid.eq(1), state.eq(_State.BYTES)]
                with m.Case(_State.BYTES), m.If(there):
                    m.d.sync += [self.o.valid.eq(1), escaped.eq(special)]
                    m.d.comb += goes.eq(~special)
                    with m.If(~special & held.last):
                        m.d.sync += [state.eq(_State.CRC), sent.eq(0)]
                with m.Case(_State.CRC):
                    m.d.sync += [self.o.valid.eq(1), escaped.eq(special)]
                    with m.If(~special):
                        m.d.sync += sent.eq(sent + 1)
                        with m.If(sent == CRC_BYTES - 1):
                            m.d.sync += state.eq(_State.CLOSE)
                with m.Case(_State.CLOSE):
                    m.d.sync += [self.o.valid.eq(1), state.eq(_State.OPEN)]
        return m
