"""GateMateA1-EVB by Olimex: Cologne Chip's GateMate, with a Raspberry Pi RP2040 as programmer and serial port."""

from ..board import Board, Pin, Pins
from ..device import DEVICES

BOARDS = (Board(
    name="gatemate-a1-evb",
    title="Olimex GateMateA1-EVB",
    device=DEVICES["ccgm1a1"],
    part="CCGM1A1",
    clock_mhz=10,
    pins=Pins(clk=Pin("IO_SB_A8"), rx=Pin("IO_SA_A6", pulled=True), tx=Pin("IO_SA_B6"),
              led=Pin("IO_SB_B6", inverted=True)),
    link="its USB port (RP2040 with DirtyJTAG, first serial port)",
    program="openFPGALoader -b olimex_gatemateevb {bitstream}",
    url="https://www.olimex.com/Products/FPGA/GateMate/GateMateA1-EVB/",
    source="litex-boards, olimex_gatemate_a1_evb.py",
),)
