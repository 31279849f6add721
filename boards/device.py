"""Devices: what the well-known FPGAs hold, as data; a name here is a budget and a family on the command line."""

from __future__ import annotations

from dataclasses import dataclass

from .family import ECP5, ICE40, XC7, Family

__all__ = ["BOARDS", "DEVICES", "REFERENCE", "UNLIMITED", "Budget", "Device", "find"]


@dataclass(frozen=True)
class Budget:
    """At most so many lookup tables, memory blocks and multipliers; None is as many as it takes.

    Raises
    ------
    ValueError
        If one is negative.
    """

    luts: int | None = None
    block_rams: int | None = None
    dsps: int | None = None

    def __post_init__(self):
        for limit in self.limits:
            if limit is not None and limit < 0:
                raise ValueError(f"a budget must be at least 0, not {limit!r}")

    @property
    def limits(self) -> tuple[int | None, int | None, int | None]:
        """LUTs, block RAMs, DSPs."""
        return self.luts, self.block_rams, self.dsps

    def holds(self, luts: float, block_rams: float, dsps: float) -> bool:
        """Whether so much is no more than the budget."""
        return all(limit is None or need <= limit
                   for need, limit in zip((luts, block_rams, dsps), self.limits, strict=True))

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return any(limit is not None for limit in self.limits)


UNLIMITED = Budget()
"""As much as it takes."""


@dataclass(frozen=True)
class Device:
    """An FPGA: its family's lookup tables, whole memory blocks and multipliers, as its maker's data sheet has them."""

    name: str
    family: Family
    luts: int
    block_rams: int
    dsps: int

    @property
    def budget(self) -> Budget:
        return Budget(self.luts, self.block_rams, self.dsps)


# Lattice FPGA-DS-02008 (UltraPlus), FPGA-DS-02029 (LP/HX), FPGA-DS-02012 (ECP5); Xilinx DS180, DS190.
DEVICES: dict[str, Device] = {device.name: device for device in (
    Device("hx1k", ICE40, 1280, 16, 0),
    Device("up5k", ICE40, 5280, 30, 8),
    Device("hx8k", ICE40, 7680, 32, 0),
    Device("ecp5-25f", ECP5, 24288, 56, 28),
    Device("ecp5-45f", ECP5, 43848, 108, 72),
    Device("ecp5-85f", ECP5, 83640, 208, 156),
    Device("xc7a35t", XC7, 20800, 50, 90),
    Device("xc7a100t", XC7, 63400, 135, 240),
    Device("xc7z010", XC7, 17600, 60, 80),
    Device("xc7z020", XC7, 53200, 140, 220),
)}
"""Every device, by name."""

BOARDS: dict[str, str] = {
    "icestick": "hx1k",
    "icebreaker": "up5k",
    "upduino": "up5k",
    "colorlight-i5": "ecp5-25f",
    "ulx3s-25f": "ecp5-25f",
    "ulx3s-45f": "ecp5-45f",
    "ulx3s-85f": "ecp5-85f",
    "arty-a7-35": "xc7a35t",
    "arty-a7-100": "xc7a100t",
    "zybo-z7-10": "xc7z010",
    "pynq-z1": "xc7z020",
    "pynq-z2": "xc7z020",
}
"""The device on each board that people have."""

REFERENCE: dict[str, Device] = {family: DEVICES[name] for family, name in
                                (("ice40", "up5k"), ("ecp5", "ecp5-25f"), ("xc7", "xc7a35t"))}
"""The device of each family whose ratios say what a memory block or a multiplier is worth in lookup tables."""


def find(name: str) -> Device | None:
    """The device of that name, or on the board of that name; None if there is neither."""
    return DEVICES.get(BOARDS.get(name, name))
