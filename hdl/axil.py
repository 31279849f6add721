"""AXI4-Lite: five channels of handshakes become two questions a register file can answer, one word at a time.

Signals are named and behave as in ARM IHI 0022 (AMBA AXI and ACE Protocol Specification), part B1: words of 32 bits, no
bursts, no identifiers; ``awprot`` and ``arprot`` mean nothing here. Responses are OKAY, or SLVERR where the register
file says that an access was wrong. No handshake waits for anything but this bus, so no access ever hangs a processor.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .lanes import check_positive

__all__ = ["AxiLiteSlave"]

_OKAY, _SLVERR = 0, 2


class AxiLiteSlave(wiring.Component):
    """The bus's end in front of a register file.

    A write is carried out when its address, its data and room for its response are there, whatever the order in which
    they came. A read takes two cycles, so that a large register file may choose its word behind a register.

    Parameters
    ----------
    address_bits : int
        Bits of a byte address, more than 2.

    Members
    -------
    s_axil_aw…, s_axil_w…, s_axil_b…, s_axil_ar…, s_axil_r… : the bus
    write : Out(1)
        The word ``write_data`` is written at ``write_address`` in this cycle.
    write_address : Out(address_bits - 2)
        In words of 32 bits.
    write_data : Out(32)
    write_strobe : Out(4)
        Which bytes of the word are written.
    write_error : In(1)
        Asked in the same cycle: the write is wrong.
    read : Out(1)
        The word at ``read_address`` is asked for in this cycle.
    read_address : Out(address_bits - 2)
        Stays until the answer was taken.
    read_data : In(32)
    read_error : In(1)
        Both are looked at in the cycle after ``read``.

    Raises
    ------
    ValueError
        If there are too few bits of address.
    """

    def __init__(self, address_bits: int):
        if check_positive("address bits", address_bits) < 3:
            raise ValueError(f"address bits must be at least 3, not {address_bits!r}")
        self._address_bits = address_bits
        super().__init__({
            "s_axil_awaddr": In(address_bits), "s_axil_awprot": In(3), "s_axil_awvalid": In(1),
            "s_axil_awready": Out(1),
            "s_axil_wdata": In(32), "s_axil_wstrb": In(4), "s_axil_wvalid": In(1), "s_axil_wready": Out(1),
            "s_axil_bresp": Out(2), "s_axil_bvalid": Out(1), "s_axil_bready": In(1),
            "s_axil_araddr": In(address_bits), "s_axil_arprot": In(3), "s_axil_arvalid": In(1),
            "s_axil_arready": Out(1),
            "s_axil_rdata": Out(32), "s_axil_rresp": Out(2), "s_axil_rvalid": Out(1), "s_axil_rready": In(1),
            "write": Out(1), "write_address": Out(address_bits - 2), "write_data": Out(32), "write_strobe": Out(4),
            "write_error": In(1),
            "read": Out(1), "read_address": Out(address_bits - 2), "read_data": In(32), "read_error": In(1),
        })

    @property
    def address_bits(self) -> int:
        return self._address_bits

    def elaborate(self, platform):
        m = Module()
        address, data = Signal(), Signal()  # of a write are there
        m.d.comb += [
            self.s_axil_awready.eq(~address), self.s_axil_wready.eq(~data),
            self.write.eq(address & data & (~self.s_axil_bvalid | self.s_axil_bready)),
        ]
        with m.If(self.s_axil_bready):
            m.d.sync += self.s_axil_bvalid.eq(0)
        with m.If(self.write):
            m.d.sync += [address.eq(0), data.eq(0), self.s_axil_bvalid.eq(1),
                         self.s_axil_bresp.eq(Mux(self.write_error, _SLVERR, _OKAY))]
        with m.If(self.s_axil_awvalid & ~address):
            m.d.sync += [address.eq(1), self.write_address.eq(self.s_axil_awaddr[2:])]
        with m.If(self.s_axil_wvalid & ~data):
            m.d.sync += [data.eq(1), self.write_data.eq(self.s_axil_wdata), self.write_strobe.eq(self.s_axil_wstrb)]

        asked, answered = Signal(), Signal()
        m.d.comb += [self.s_axil_arready.eq(~asked & ~answered & ~self.s_axil_rvalid), self.read.eq(asked)]
        m.d.sync += [asked.eq(self.s_axil_arvalid & self.s_axil_arready), answered.eq(asked)]
        with m.If(self.s_axil_arready):
            m.d.sync += self.read_address.eq(self.s_axil_araddr[2:])
        with m.If(answered):
            m.d.sync += [self.s_axil_rvalid.eq(1), self.s_axil_rdata.eq(self.read_data),
                         self.s_axil_rresp.eq(Mux(self.read_error, _SLVERR, _OKAY))]
        with m.Elif(self.s_axil_rready):
            m.d.sync += self.s_axil_rvalid.eq(0)
        return m
