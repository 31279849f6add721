"""ULX3S by Radiona: ECP5 in three sizes, with USB programmer and serial port."""

from ..board import Board, FromAmaranth
from ..device import DEVICES

BOARDS = tuple(Board(
    name=f"ulx3s-{size.lower()}",
    title=f"ULX3S {size}",
    device=DEVICES[f"ecp5-{size.lower()}"],
    part=f"LFE5U-{size}-6BG381C",
    clock_mhz=25,
    pins=FromAmaranth("ulx3s", f"ULX3S_{size}_Platform", clk=("clk25", 0), led=("led", 0)),
    link="its port US1 (FTDI)",
    program="openFPGALoader -b ulx3s {bitstream}",
    url="https://radiona.org/ulx3s/",
) for size in ("25F", "45F", "85F"))
