"""Colorlight i5 and i9 on MuseLab's extension board, whose debugger bridges a serial port."""

from ..board import Board, Pin, Pins
from ..device import DEVICES

BOARDS = tuple(Board(
    name=f"colorlight-{kind}",
    title=f"Colorlight {kind} on its extension board",
    device=DEVICES[f"ecp5-{size.lower()}"],
    part=f"LFE5U-{size}-6BG381C",
    clock_mhz=25,
    pins=Pins(clk=Pin("P3"), rx=Pin("H18", pulled=True), tx=Pin("J17"), led=Pin(led, inverted=True)),
    link="the extension board's USB port (CMSIS-DAP with a serial port)",
    program=f"openFPGALoader -b colorlight-{kind} {{bitstream}}",
    url="https://github.com/wuxx/Colorlight-FPGA-Projects",
    source=source,
) for kind, size, led, source in (
    ("i5", "25F", "U16", "wuxx/Colorlight-FPGA-Projects, README.md; litex-boards, colorlight_i5.py"),
    ("i9", "45F", "L2", "wuxx/Colorlight-FPGA-Projects, i9 v7.2; litex-boards, colorlight_i5.py, board i9"),
))
