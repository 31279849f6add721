"""UPduino 3: an UltraPlus without a serial port of its own; a USB-UART adapter goes to its header."""

from ..board import Board, FromAmaranth
from ..device import DEVICES

BOARDS = (Board(
    name="upduino",
    title="UPduino 3",
    device=DEVICES["up5k"],
    part="ICE40UP5K-SG48",
    clock_mhz=12,
    pins=FromAmaranth("upduino_v3", "UpduinoV3Platform", clk=("clk12", 0), led=("rgb_led", 0, "g"), uart=None,
                      rx=("j", 1, "7"), tx=("j", 1, "8")),
    link="a USB-UART adapter on the FPGA's pins 13 (in) and 19 (out), on the header; the OSC jumper must be closed",
    program="openFPGALoader -b ice40_generic {bitstream}",
    url="https://upduino.readthedocs.io",
),)
