"""Devices: what the well-known FPGAs hold, as data; a name is a budget and a family on the command line."""

from __future__ import annotations

from dataclasses import dataclass

from .family import ECP5, GATEMATE, GOWIN, ICE40, MACHXO2, NEXUS, XC7, Family

__all__ = ["DEVICES", "REFERENCE", "UNLIMITED", "Budget", "Device"]


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


# Lattice FPGA-DS-02008 (UltraPlus), FPGA-DS-02029 (LP/HX), FPGA-DS-02012 (ECP5), FPGA-DS-02049 (CrossLink-NX),
# FPGA-DS-02056 (MachXO2); Gowin DS117 (GW1NR), DS226 (GW2AR); Cologne Chip DS1001 (two lookup tables in each of 20,480
# elements; memories of 40 kbit, which are halved for 20 kbit); Xilinx DS180, DS190.
DEVICES: dict[str, Device] = {device.name: device for device in (
    Device("hx1k", ICE40, 1280, 16, 0),
    Device("up5k", ICE40, 5280, 30, 8),
    Device("hx8k", ICE40, 7680, 32, 0),
    Device("ecp5-25f", ECP5, 24288, 56, 28),
    Device("ecp5-45f", ECP5, 43848, 108, 72),
    Device("ecp5-85f", ECP5, 83640, 208, 156),
    Device("gw1nr-9", GOWIN, 8640, 26, 20),
    Device("gw2ar-18", GOWIN, 20736, 46, 48),
    Device("ccgm1a1", GATEMATE, 40960, 32, 0),
    Device("lifcl-17", NEXUS, 13824, 24, 24),
    Device("lifcl-40", NEXUS, 32256, 84, 56),
    Device("lcmxo2-1200", MACHXO2, 1280, 7, 0),
    Device("lcmxo2-7000", MACHXO2, 6864, 26, 0),
    Device("xc7a35t", XC7, 20800, 50, 90),
    Device("xc7a100t", XC7, 63400, 135, 240),
    Device("xc7z010", XC7, 17600, 60, 80),
    Device("xc7z020", XC7, 53200, 140, 220),
)}
"""Every device, by name."""

REFERENCE: dict[str, Device] = {family: DEVICES[name] for family, name in
                                (("ice40", "up5k"), ("ecp5", "ecp5-25f"), ("xc7", "xc7a35t"))}
"""Of each family with a cost model, the device whose ratios say what a memory block or multiplier is worth in LUTs."""

