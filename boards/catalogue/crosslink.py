"""CrossLink-NX evaluation board by Lattice: Nexus. Its USB port is for programming; the link takes an adapter."""

from ..board import Board, Pin, Pins
from ..device import DEVICES

BOARDS = (Board(
    name="crosslink-nx-evn",
    title="Lattice CrossLink-NX evaluation board",
    device=DEVICES["lifcl-40"],
    part="LIFCL-40-9BG400C",
    clock_mhz=12,
    pins=Pins(clk=Pin("L13"), rx=Pin("D10", pulled=True), tx=Pin("D9"), led=Pin("E17", inverted=True)),
    link="a USB-UART adapter on PMOD0, pins 1 (in) and 2 (out); jumper JP2 must be closed for the oscillator",
    program="openFPGALoader -b crosslinknx_evn {bitstream}",
    url="https://www.latticesemi.com/products/developmentboardsandkits/crosslink-nxevaluationboard",
    source="litex-boards, crosslink_nx_evn.py",
),)
