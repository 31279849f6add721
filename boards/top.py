"""A board's top module: oscillator, PLL, a reset until the clock is good, and the design behind a serial link."""

from __future__ import annotations

from fractions import Fraction

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..hdl.startup import Lamp, PowerOnReset
from .board import Board
from .pll import Pll, pll_for

__all__ = ["BoardTop"]


class BoardTop(wiring.Component):
    """Module ``design`` (ports ``clk``, ``rst``, ``rx``, ``tx``) on a board, as the module's instance ``uart``.

    ``rst`` is up from power-on until the PLL has been locked for ``RESET_CYCLES`` in a row; block RAMs of iCE40 are not
    ready before. The lamp is on while a byte comes or goes, and for a moment after.

    Parameters
    ----------
    design
        The name of the module.
    board
        Says which PLL, and whether there is a lamp, and how it is lit.
    clock_mhz
        The clock to ask for, in MHz.

    Members
    -------
    clk : In(1)
        The oscillator.
    rx : In(1), tx : Out(1)
        The serial link.
    led : Out(1)
        The lamp, on boards that have one.

    Raises
    ------
    UserError
        If no PLL of the board makes the clock.
    """

    RESET_CYCLES = 1024
    """Cycles of the good clock: 10 us and more at 100 MHz and less."""

    def __init__(self, design: str, board: Board, clock_mhz: Fraction | float):
        self._design, self._led = design, board.read_pins().led
        self._pll = pll_for(board, clock_mhz)
        self._clock_mhz = float(self._pll.output_mhz if self._pll is not None else board.clock_mhz)
        super().__init__({"clk": In(1), "rx": In(1), "tx": Out(1), **({} if self._led is None else {"led": Out(1)})})

    @property
    def pll(self) -> Pll | None:
        """The PLL; None where the oscillator is the clock."""
        return self._pll

    @property
    def clock_mhz(self) -> float:
        """The clock that the design gets, in MHz."""
        return self._clock_mhz

    def elaborate(self, platform):
        m = Module()
        clock, reset, good = Signal(), Signal(), Signal()
        m.domains.sync = ClockDomain("sync")
        m.d.comb += [ClockSignal().eq(clock), ResetSignal().eq(reset)]

        # The clock.
        if self._pll is None:
            m.d.comb += [clock.eq(self.clk), good.eq(1)]
        else:
            m.submodules.pll = self._pll.instance(self.clk, clock, good)

        # Reset until it has been good for long enough.
        m.submodules.power_on = power_on = PowerOnReset(self.RESET_CYCLES)
        m.d.comb += [power_on.good.eq(good), reset.eq(power_on.rst)]

        # The design.
        m.submodules.uart = Instance(self._design, i_clk=clock, i_rst=reset, i_rx=self.rx, o_tx=self.tx)

        # The lamp: lit for a twentieth of a second after a low bit came or went.
        if self._led is not None:
            quiet = Signal(init=1)
            m.submodules.quiet = FFSynchronizer(self.rx, quiet, init=1)
            m.submodules.lamp = lamp = Lamp(int(self._clock_mhz * 50_000))
            m.d.comb += [lamp.active.eq(~(quiet & self.tx)), self.led.eq(lamp.lit ^ self._led.inverted)]
        return m
