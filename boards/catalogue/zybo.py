"""Zybo Z7-10 by Digilent: Zynq-7010. Its serial port belongs to the processors, so the logic's goes to a Pmod."""

from ..board import Board, Pin, Pins
from ..device import DEVICES

BOARDS = (Board(
    name="zybo-z7-10",
    title="Digilent Zybo Z7-10",
    device=DEVICES["xc7z010"],
    part="xc7z010clg400-1",
    clock_mhz=125,
    pins=Pins(clk=Pin("K17"), rx=Pin("W15"), tx=Pin("V15"), led=Pin("M14")),
    link="a USB-UART adapter on Pmod JC, pins 2 (in) and 1 (out): the serial port is the processors'",
    program="openFPGALoader -b zybo_z7_10 {bitstream}",
    url="https://digilent.com/reference/programmable-logic/zybo-z7/start",
    source="Digilent's constraints for the board; litex-boards, digilent_zybo_z7.py",
),)
