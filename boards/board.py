"""A board as data: its device, the pins of its clock, its serial link and its lamp, and how it is programmed."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass

from ..errors import UserError
from .device import Device

__all__ = ["Board", "FromAmaranth", "Pin", "Pins"]


@dataclass(frozen=True)
class Pin:
    """A pin by its maker's name, ``inverted`` where low means on, ``pulled`` where the pad's resistor holds it up."""

    name: str
    inverted: bool = False
    pulled: bool = False


@dataclass(frozen=True)
class Pins:
    """Where a board's oscillator, the two lines of its link as the FPGA sees them, and perhaps a lamp are."""

    clk: Pin
    rx: Pin
    tx: Pin
    led: Pin | None = None

    def by_port(self) -> dict[str, Pin]:
        """Pins by the name of the top module's port."""
        return {name: pin for name in ("clk", "rx", "tx", "led") if (pin := getattr(self, name)) is not None}


@dataclass(frozen=True)
class FromAmaranth:
    """Pins that a platform class of ``amaranth_boards`` knows, read off it when they are needed.

    Parameters
    ----------
    module, platform
        Where in ``amaranth_boards`` the class is, and its name.
    clk, led
        Resources by name and number, as in ``("clk12", 0)``; ``led`` may name a subsignal, too.
    uart
        The resource with subsignals rx and tx; None if the board has none.
    rx, tx
        Where it has none: pins of a connector, as in ``("io", 0, "1")``.
    """

    module: str
    platform: str
    clk: tuple[str, int]
    led: tuple[str, int] | tuple[str, int, str] | None = None
    uart: tuple[str, int] | None = ("uart", 0)
    rx: tuple[str, int, str] | None = None
    tx: tuple[str, int, str] | None = None

    def read(self) -> Pins:
        """The pins. Raises ``UserError`` if the package is not installed."""
        if importlib.util.find_spec("amaranth_boards") is None:
            raise UserError("the Python package 'amaranth-boards', which knows this board's pins, is not installed",
                            remedy="install it with pip install 'gatewright[pnr]'")
        platform = getattr(importlib.import_module(f"amaranth_boards.{self.module}"), self.platform)
        known = {(resource.name, resource.number): resource for resource in platform.resources}

        def pin(resource: tuple[str, int], within: str | None = None) -> Pin:
            ios = known[resource].ios
            for io in ios:
                if within is not None and getattr(io, "name", None) == within:
                    ios = io.ios
            found = ios[0]
            pulled = {known[resource].attrs.get(each) for each in ("PULLUP", "PULLMODE", "PULL_MODE")} & {1, "UP"}
            return Pin(found.names[0], found.invert, bool(pulled) and within == "rx")

        def header(connector: tuple[str, int, str]) -> Pin:
            name, number, position = connector
            (found,) = (each for each in platform.connectors if (each.name, each.number) == (name, number))
            return Pin(found.mapping[position])

        if self.uart is not None:
            rx, tx = pin(self.uart, "rx"), pin(self.uart, "tx")
        else:
            assert self.rx is not None
            assert self.tx is not None
            rx, tx = header(self.rx), header(self.tx)
        led = None if self.led is None else pin(self.led[:2], self.led[2] if len(self.led) == 3 else None)
        return Pins(pin(self.clk), rx, tx, led)


@dataclass(frozen=True)
class Board:
    """A board that people have.

    Parameters
    ----------
    name, title
        On the command line, and in print.
    device
        What its FPGA holds.
    part
        The maker's full name of the FPGA, with package and speed grade.
    clock_mhz
        Of the oscillator, in MHz.
    pins
        Where things are, or whom to ask.
    link
        What a host plugs in to talk to it.
    program
        The command that loads ``{bitstream}``.
    url
        Of its maker.
    source
        Where pins written here were read.
    standard
        The electrical standard of the pins.
    pll_pad
        Whether the oscillator's pin is the PLL's own (iCE40 alone asks).
    pack
        Further arguments for the tool that makes the bitstream.
    """

    name: str
    title: str
    device: Device
    part: str
    clock_mhz: float
    pins: Pins | FromAmaranth
    link: str
    program: str
    url: str
    source: str = ""
    standard: str = "LVCMOS33"
    pll_pad: bool = False
    pack: tuple[str, ...] = ()

    @property
    def bridged(self) -> bool:
        """Whether the board's own USB port carries the link; else it takes an adapter."""
        return not self.link.startswith("a USB-UART adapter")

    def read_pins(self) -> Pins:
        """Where things are. Raises ``UserError`` if only a package that is not installed knows."""
        return self.pins if isinstance(self.pins, Pins) else self.pins.read()
