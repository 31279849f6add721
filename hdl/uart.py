"""A serial line: bytes as one start bit (0), eight data bits, the lowest first, and one stop bit (1), known as 8N1."""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .lanes import check_positive

__all__ = ["LEAST_DIVIDER", "TOLERANCE", "UartReceiver", "UartTransmitter", "check_divider", "divider_of"]

LEAST_DIVIDER = 4
"""Cycles a bit: with fewer, the three samples of a bit would not all lie in it."""
TOLERANCE = 0.02
"""How far the rate that a clock makes may be from the one asked for; the receiver alone bears about twice that."""


def divider_of(clock_hz: float, baud: float) -> int:
    """Cycles a bit, for a clock in Hz and a rate in bits/s.

    Raises
    ------
    ValueError
        If the clock makes no rate within 2 % of that, or fewer than 4 cycles would be left for a bit.
    """
    if not 0 < baud < float("inf") or not 0 < clock_hz < float("inf"):
        raise ValueError(f"baud and clock must be positive numbers, not {baud!r} and {clock_hz!r} Hz")
    divider = round(clock_hz / baud)
    if divider < LEAST_DIVIDER:
        raise ValueError(f"baud must be at most {clock_hz / LEAST_DIVIDER:.0f} for a clock of {clock_hz / 1e6:g} MHz, "
                         f"not {baud:g}")
    if abs(clock_hz / divider / baud - 1) > TOLERANCE:
        raise ValueError(f"baud must be within 2 % of the clock of {clock_hz / 1e6:g} MHz divided by an integer, such "
                         f"as {clock_hz / divider:.0f}, not {baud:g}")
    return divider


def check_divider(divider: int) -> int:
    """``divider`` as it is. Raises ``ValueError`` unless it is an integer from 4 on."""
    if check_positive("divider", divider) < LEAST_DIVIDER:
        raise ValueError(f"divider must be at least {LEAST_DIVIDER}, not {divider!r}")
    return divider


class UartReceiver(wiring.Component):
    """Bytes from a line. Each bit is what two of three samples around its middle say.

    The line passes two flip-flops first. A start bit that is gone by its middle is taken for a glitch. After a byte
    without a stop bit the line must be idle before the next one begins. No back-pressure.

    Parameters
    ----------
    divider : int
        Cycles a bit, at least 4.

    Members
    -------
    rx : In(1)
        The line, asynchronous.
    done : Out(1)
        High for one cycle for each byte, in the middle of its stop bit.
    data : Out(8)
        The byte, while ``done``.
    error : Out(1)
        It had no stop bit, while ``done``.
    """

    def __init__(self, divider: int):
        self._divider = check_divider(divider)
        super().__init__({"rx": In(1, init=1), "done": Out(1), "data": Out(8), "error": Out(1)})

    @property
    def divider(self) -> int:
        return self._divider

    def elaborate(self, platform):
        m = Module()
        line, before, bit = Signal(init=1), Signal(2, init=3), Signal()
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        m.d.sync += before.eq(Cat(line, before))
        m.d.comb += bit.eq((line & before[0]) | (line & before[1]) | (before[0] & before[1]))

        # ``left`` counts samples, from the start bit's (10) to the stop bit's (1); at 0 a start bit is waited for.
        timer, left, sample, broken = Signal(range(self._divider)), Signal(range(11)), Signal(), Signal()
        m.d.comb += sample.eq((left != 0) & (timer == 0))
        m.d.sync += [self.done.eq(0), timer.eq(timer - 1)]
        with m.If(sample):
            # The start bit leaves at the bottom.
            m.d.sync += [timer.eq(self._divider - 1), left.eq(left - 1), self.data.eq(Cat(self.data[1:], bit))]
            with m.If(left == 1):
                m.d.sync += [self.data.eq(self.data), self.done.eq(1), self.error.eq(~bit), broken.eq(~bit)]
            with m.If((left == 10) & bit):
                m.d.sync += left.eq(0)
        with m.Elif(left == 0):
            m.d.sync += [broken.eq(broken & ~line), timer.eq((self._divider - 1) // 2)]
            with m.If(~line & ~broken):
                m.d.sync += left.eq(10)
        return m


class UartTransmitter(wiring.Component):
    """Bytes to a line, back to back if they come so.

    Parameters
    ----------
    divider : int
        Cycles a bit, at least 4.

    Members
    -------
    i : In(stream.Signature(8))
        Taken when the line is free; ``ready`` comes from a register.
    tx : Out(1)
        The line, 1 when idle; from a register.
    """

    def __init__(self, divider: int):
        self._divider = check_divider(divider)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    @property
    def divider(self) -> int:
        return self._divider

    def elaborate(self, platform):
        m = Module()
        bits, timer, left = Signal(9), Signal(range(self._divider)), Signal(range(11))
        m.d.comb += self.i.ready.eq(left == 0)
        with m.If(left == 0):
            m.d.sync += [bits.eq(Cat(self.i.payload, 1)), timer.eq(self._divider - 1)]
            with m.If(self.i.valid):
                m.d.sync += [self.tx.eq(0), left.eq(10)]
        with m.Elif(timer == 0):
            m.d.sync += [self.tx.eq(bits[0]), bits.eq(Cat(bits[1:], 1)), timer.eq(self._divider - 1), left.eq(left - 1)]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        return m
