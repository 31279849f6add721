"""OrangeCrab r0.2: ECP5 in the shape of a Feather. Its USB port is the FPGA's own, so the link takes an adapter."""

from ..board import Board, FromAmaranth
from ..device import DEVICES

BOARDS = tuple(Board(
    name=f"orangecrab-{size.lower()}",
    title=f"OrangeCrab r0.2 {size}",
    device=DEVICES[f"ecp5-{size.lower()}"],
    part=f"LFE5U-{size}-8MG285C",
    clock_mhz=48,
    pins=FromAmaranth("orangecrab_r0_2", f"OrangeCrabR0_2_{size}Platform", clk=("clk", 0), led=("rgb_led", 0, "g"),
                      uart=None, rx=("io", 0, "0"), tx=("io", 0, "1")),
    link="a USB-UART adapter on the header's pins 0 (in) and 1 (out): there is no bridge on the board",
    program="dfu-util -a 0 -D {bitstream}",
    url="https://orangecrab-fpga.github.io/orangecrab-hardware/",
) for size in ("25F", "85F"))
