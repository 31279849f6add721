"""Tang Nano 20K by Sipeed, with USB programmer and serial port."""

from ..board import Board, Pin, Pins
from ..device import DEVICES

BOARDS = (Board(
    name="tang-nano-20k",
    title="Sipeed Tang Nano 20K",
    device=DEVICES["gw2ar-18"],
    part="GW2AR-LV18QN88C8/I7",
    clock_mhz=27,
    pins=Pins(clk=Pin("4"), rx=Pin("70", pulled=True), tx=Pin("69"), led=Pin("15", inverted=True)),
    link="its USB port",
    program="openFPGALoader -b tangnano20k {bitstream}",
    url="https://wiki.sipeed.com/hardware/en/tang/tang-nano-20k/nano-20k.html",
    source="litex-boards, sipeed_tang_nano_20k.py",
    pack=("--sspi_as_gpio", "--mspi_as_gpio"),
),)
