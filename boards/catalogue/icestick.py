"""iCEstick by Lattice: the smallest of all, in the shape of a USB stick."""

from ..board import Board, FromAmaranth
from ..device import DEVICES

BOARDS = (Board(
    name="icestick",
    title="Lattice iCEstick",
    device=DEVICES["hx1k"],
    part="ICE40HX1K-TQ144",
    clock_mhz=12,
    pins=FromAmaranth("icestick", "ICEStickPlatform", clk=("clk12", 0), led=("led", 4)),
    link="its USB port (FTDI, second channel)",
    program="openFPGALoader -b ice40_generic {bitstream}",
    url="https://www.latticesemi.com/icestick",
),)
