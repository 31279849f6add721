"""iCEBreaker by 1BitSquared: an UltraPlus with its own USB programmer and serial port."""

from ..board import Board, FromAmaranth
from ..device import DEVICES

BOARDS = (Board(
    name="icebreaker",
    title="iCEBreaker",
    device=DEVICES["up5k"],
    part="ICE40UP5K-SG48",
    clock_mhz=12,
    pins=FromAmaranth("icebreaker", "ICEBreakerPlatform", clk=("clk12", 0), led=("led_g", 0)),
    link="its USB port (FTDI, second channel)",
    program="openFPGALoader -b ice40_generic {bitstream}",
    pll_pad=True,
    url="https://1bitsquared.com/products/icebreaker",
),)
