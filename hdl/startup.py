"""What a board's top needs around a design: a reset until the clock is good, and a lamp that shows activity."""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .lanes import check_positive

__all__ = ["Lamp", "PowerOnReset"]


class PowerOnReset(wiring.Component):
    """Up from power-on until ``good`` has been up for ``cycles`` in a row, and again whenever it falls.

    Nothing here is reset itself: it starts as the device's configuration leaves it.

    Members
    -------
    good : In(1)
        The clock can be relied upon; asynchronous.
    rst : Out(1)
        The reset for everything else in the domain.

    Raises
    ------
    ValueError
        If ``cycles`` is not positive.
    """

    def __init__(self, cycles: int):
        self._cycles = check_positive("cycles", cycles)
        super().__init__({"good": In(1), "rst": Out(1)})

    @property
    def cycles(self) -> int:
        """Cycles for which the clock must have been good."""
        return self._cycles

    def elaborate(self, platform):
        m = Module()
        good = Signal()
        m.submodules.good = FFSynchronizer(self.good, good)
        waited = Signal(range(self._cycles + 1), reset_less=True)
        reset = Signal(init=1, reset_less=True)
        with m.If(~good):
            m.d.sync += waited.eq(0)
        with m.Elif(waited != self._cycles):
            m.d.sync += waited.eq(waited + 1)
        m.d.sync += reset.eq(~good | (waited != self._cycles))
        m.d.comb += self.rst.eq(reset)
        return m


class Lamp(wiring.Component):
    """Lit from the cycle after ``active`` until ``cycles`` after it was last seen.

    Members
    -------
    active : In(1)
        Something happens.
    lit : Out(1)
        Long enough for an eye.

    Raises
    ------
    ValueError
        If ``cycles`` is not positive.
    """

    def __init__(self, cycles: int):
        self._cycles = check_positive("cycles", cycles)
        super().__init__({"active": In(1), "lit": Out(1)})

    @property
    def cycles(self) -> int:
        """How long it stays lit."""
        return self._cycles

    def elaborate(self, platform):
        m = Module()
        # It counts up and never stops: all its bits are cleared together and none is enabled, so that it stays one
        # carry chain. Loaded with a number to count down from, it was what limited the clock of an iCE40.
        waited = Signal(range(self._cycles))
        lit = Signal()
        m.d.sync += waited.eq(waited + 1)
        with m.If(self.active):
            m.d.sync += [waited.eq(0), lit.eq(1)]
        with m.Elif(waited == self._cycles - 1):
            m.d.sync += lit.eq(0)
        m.d.comb += self.lit.eq(lit)
        return m
