"""Arty A7 by Digilent: Artix-7 in two sizes, with USB programmer and serial port."""

from ..board import Board, FromAmaranth
from ..device import DEVICES

BOARDS = tuple(Board(
    name=f"arty-a7-{size}",
    title=f"Digilent Arty A7-{size}",
    device=DEVICES[f"xc7a{size}t"],
    part=part,
    clock_mhz=100,
    pins=FromAmaranth("arty_a7", f"ArtyA7_{size}Platform", clk=("clk100", 0), led=("led", 0)),
    link="its USB port (FTDI, second channel)",
    program=f"openFPGALoader -b arty_a7_{size}t {{bitstream}}",
    url="https://digilent.com/reference/programmable-logic/arty-a7/start",
) for size, part in (("35", "xc7a35ticsg324-1L"), ("100", "xc7a100tcsg324-1")))
