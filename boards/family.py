"""Device families: the one home of what a family's cells are called and how many lookup tables each occupies."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["ASIC", "ECP5", "FAMILIES", "FITTED", "GATEMATE", "GOWIN", "ICE40", "MACHXO2", "NEXUS", "XC7", "Family"]


@dataclass(frozen=True)
class Family:
    """A family of FPGAs, or gates without any, as Yosys sees it.

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
    priced_as
        The family whose cost model estimates this one, where none was fitted for it; "" where it cannot be estimated.
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
    priced_as: str | None = None


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

GOWIN = Family(
    name="gowin",
    title="Gowin LittleBee and Arora",
    lut_inputs=4,
    # As on ECP5, wider tables are made of these and multiplexers.
    synth="synth_gowin -nowidelut -noiopads",
    lut_cells={**{f"LUT{inputs}": 1 for inputs in range(1, 5)}, "RAM16SDP4": 4},
    carry_cell="ALU",
    register_cells=("DFF",),
    block_ram_cells={name: Fraction(1) for name in ("SP", "SDP", "DP", "pROM")},
    dsp_cells=("MULT",),
    multiplier=(18, 18),
    priced_as="ecp5",
)

GATEMATE = Family(
    name="gatemate",
    title="Cologne Chip GateMate",
    lut_inputs=4,
    synth="synth_gatemate -luttree -nomx8 -noiopad -noclkbuf",
    # Trees of small tables, half an element each; one of five inputs, and a multiplexer of four, take a whole one.
    lut_cells={**{f"CC_LUT{inputs}": 1 for inputs in range(1, 5)}, "CC_L2T4": 1, "CC_L2T5": 2, "CC_MX2": 1,
               "CC_MX4": 2},
    carry_cell="CC_ADDF",
    register_cells=("CC_DFF",),
    block_ram_cells={"CC_BRAM_40K": Fraction(1), "CC_BRAM_20K": Fraction(1, 2)},
    dsp_cells=(),
    multiplier=None,
    priced_as="ecp5",
)

NEXUS = Family(
    name="nexus",
    title="Lattice Nexus",
    lut_inputs=4,
    synth="synth_nexus -nowidelut -noiopad",
    lut_cells={"LUT4": 1, "WIDEFN9": 2, "DPR16X4": 6},
    carry_cell="CCU2",
    register_cells=("FD1P3",),
    block_ram_cells={name: Fraction(1) for name in ("PDP16K", "PDPSC16K", "DP16K", "SP16K")},
    dsp_cells=("MULT",),
    multiplier=(18, 18),
    priced_as="ecp5",
)

MACHXO2 = Family(
    name="machxo2",
    title="Lattice MachXO2",
    lut_inputs=4,
    synth="synth_lattice -family xo2 -nowidelut -noiopad",
    lut_cells={"LUT4": 1, "TRELLIS_DPR16X4": 6},
    carry_cell="CCU2D",
    register_cells=("TRELLIS_FF",),
    block_ram_cells={"DP8KC": Fraction(1), "PDPW8KC": Fraction(1)},
    dsp_cells=(),
    multiplier=None,
    priced_as="ecp5",
)

_GATES = ("NOT", "AND", "NAND", "OR", "NOR", "XOR", "XNOR", "ANDNOT", "ORNOT", "MUX", "NMUX")

ASIC = Family(
    name="asic",
    title="generic gates",
    lut_inputs=4,
    synth="synth -flatten",
    # A gate counts as a lookup table; memories become gates and flip-flops.
    lut_cells={f"$_{gate}_": 1 for gate in _GATES},
    carry_cell="",
    register_cells=("$_DFF", "$_SDFF", "$_ALDFF"),
    block_ram_cells={},
    dsp_cells=(),
    multiplier=None,
    priced_as="",
)

FAMILIES: dict[str, Family] = {family.name: family for family in (
    ICE40, ECP5, GOWIN, GATEMATE, NEXUS, MACHXO2, XC7, ASIC)}
"""Every family, by name."""

FITTED: tuple[str, ...] = tuple(name for name, family in FAMILIES.items() if family.priced_as is None)
"""Families with a cost model of their own."""
