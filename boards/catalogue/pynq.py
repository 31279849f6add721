"""PYNQ-Z1 and PYNQ-Z2: Zynq-7020. Their serial port belongs to the processors, so the logic's goes to a Pmod."""

from ..board import Board, Pin, Pins
from ..device import DEVICES

BOARDS = tuple(Board(
    name=f"pynq-{kind.lower()}",
    title=f"PYNQ-{kind}",
    device=DEVICES["xc7z020"],
    part="xc7z020clg400-1",
    clock_mhz=125,
    pins=Pins(clk=Pin("H16"), rx=Pin("Y19"), tx=Pin("Y18"), led=Pin("R14")),
    link="a USB-UART adapter on Pmod A, pins 2 (in) and 1 (out): the serial port is the processors'",
    program="openFPGALoader -b pynq_z2 {bitstream}" if kind == "Z2" else "vivado -mode batch -source program.tcl",
    url=url,
    source=f"{maker}'s constraints for the board; litex-boards, {file}.py",
) for kind, maker, file, url in (
    ("Z1", "Digilent", "digilent_pynq_z1", "https://digilent.com/reference/programmable-logic/pynq-z1/start"),
    ("Z2", "TUL", "tul_pynq_z2", "https://www.tulembedded.com/FPGA/ProductsPYNQ-Z2.html"),
))
