"""Device families: the one home of what a family's cells are called and how many lookup tables each occupies."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["ECP5", "FAMILIES", "ICE40", "XC7", "Family"]


@dataclass(frozen=True)
class Family:
    """A family of FPGAs, as Yosys sees it.

    Parameters
    ----------
    name
        Short name: the key in :data:`FAMILIES`, in reports and on the command line.
    title
        Maker and series.
    lut_inputs
        Inputs of the lookup table: what ``hdl.popcount`` calls ``lut``.
    synth
        The Yosys command, but for ``-top``. I/O buffers are left out, so that units are counted alone.
    lut_cells
        Cells that are lookup tables, or used as memory occupy them: how many each.
    carry_cell
        The cell of the carry chain. ``boards.synthesis`` knows which lookup tables it occupies.
    register_cells, dsp_cells
        How the cells' names begin that are flip-flops and multipliers.
    multiplier
        Signed bits of the two ports of a multiplier; None where ``synth`` uses none.
    block_ram_cells
        How the names of memory blocks begin: how many of the family's blocks each is.
    """

    name: str
    title: str
    lut_inputs: int
    synth: str
    lut_cells: dict[str, int]
    carry_cell: str
    register_cells: tuple[str, ...]
    block_ram_cells: dict[str, Fraction]
    dsp_cells: tuple[str, ...]
    multiplier: tuple[int, int] | None


ICE40 = Family(
    name="ice40",
    title="Lattice iCE40",
    lut_inputs=4,
    synth="synth_ice40",
    lut_cells={"SB_LUT4": 1},
    carry_cell="SB_CARRY",
    register_cells=("SB_DFF",),
    block_ram_cells={"SB_RAM40_4K": Fraction(1)},
    dsp_cells=("SB_MAC16",),
    # UltraPlus alone has them, and Yosys' command uses them only if told to.
    multiplier=None,
)

ECP5 = Family(
    name="ecp5",
    title="Lattice ECP5",
    lut_inputs=4,
    # Without -nowidelut Yosys builds tables of five to seven inputs from two to eight of these and multiplexers, which
    # doubles the tables of a popcount.
    synth="synth_ecp5 -nowidelut -noiopad",
    # Distributed memory: two slices hold the bits, the tables of a third give way to its write port.
    lut_cells={"LUT4": 1, "TRELLIS_DPR16X4": 6},
    carry_cell="CCU2C",
    register_cells=("TRELLIS_FF",),
    block_ram_cells={"DP16KD": Fraction(1), "PDPW16KD": Fraction(1)},
    dsp_cells=("MULT18X18D", "MULT9X9D"),
    multiplier=(18, 18),
)

XC7 = Family(
    name="xc7",
    title="Xilinx 7 series",
    lut_inputs=6,
    synth="synth_xilinx -family xc7 -flatten -noiopad",
    # INV is a table, too, wherever nothing absorbs it. Memories and shift registers: UG474, tables 2-3 and 2-7.
    lut_cells={
        **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
        "INV": 1,
        "SRL16E": 1, "SRLC32E": 1,
        "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4,
        "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4,
        "RAM32M": 4, "RAM64M": 4,
    },
    carry_cell="CARRY4",
    register_cells=("FDRE", "FDSE", "FDCE", "FDPE"),
    block_ram_cells={"RAMB36E1": Fraction(1), "RAMB18E1": Fraction(1, 2)},
    dsp_cells=("DSP48E1",),
    multiplier=(25, 18),
)

FAMILIES: dict[str, Family] = {family.name: family for family in (ICE40, ECP5, XC7)}
"""Every family, by name."""
