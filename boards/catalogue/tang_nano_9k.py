"""Tang Nano 9K by Sipeed: a Gowin for the price of a lunch, with USB programmer and serial port."""

from ..board import Board, FromAmaranth
from ..device import DEVICES

BOARDS = (Board(
    name="tang-nano-9k",
    title="Sipeed Tang Nano 9K",
    device=DEVICES["gw1nr-9"],
    part="GW1NR-LV9QN88PC6/I5",
    clock_mhz=27,
    # Its lamps are left alone: sources differ on whether their bank has 1.8 or 3.3 V.
    pins=FromAmaranth("tang_nano_9k", "TangNano9kPlatform", clk=("clk27", 0)),
    link="its USB port",
    program="openFPGALoader -b tangnano9k {bitstream}",
    url="https://wiki.sipeed.com/hardware/en/tang/Tang-Nano-9K/Nano-9K.html",
    pack=("--sspi_as_gpio", "--mspi_as_gpio"),
),)
