"""iCE40-HX8K breakout board by Lattice."""

from ..board import Board, FromAmaranth
from ..device import DEVICES

BOARDS = (Board(
    name="hx8k-breakout",
    title="Lattice iCE40-HX8K breakout board",
    device=DEVICES["hx8k"],
    part="ICE40HX8K-CT256",
    clock_mhz=12,
    pins=FromAmaranth("ice40_hx8k_b_evn", "ICE40HX8KBEVNPlatform", clk=("clk12", 0), led=("led", 0)),
    link="its USB port (FTDI, second channel)",
    program="iceprog -S {bitstream}",
    url="https://www.latticesemi.com/products/developmentboardsandkits/ice40hx8kbreakoutboard",
),)
