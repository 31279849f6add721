"""The board's end of the serial link alone, around a FIFO in place of a core: what it takes, and how fast it may be.

    python -m bench.link [--no-boards]

LUTs and flip-flops are Yosys' counts for three shapes of words; with boards, nextpnr says what fits and how fast the
smallest is on a UP5K and on an ECP5 (one seed; some two minutes).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from rich.console import Console
from rich.table import Table

from gatewright.boards.catalogue import BOARDS
from gatewright.boards.family import FAMILIES
from gatewright.boards.implement import implement
from gatewright.boards.synthesis import resources
from gatewright.boards.top import BoardTop
from gatewright.compiler.emit import convert
from gatewright.hdl.fifo import Fifo, FifoParameters
from gatewright.hdl.lanes import connect
from gatewright.hdl.link import Link

SHAPES = {"8 bits in, 8 out": (8, 8, 8, 8), "10 bits in, 50 out (digits)": (10, 32, 50, 2),
          "392 bits in, 80 out": (392, 16, 80, 1)}
TARGETS = (("icebreaker", 24.0), ("ulx3s-25f", 100.0))


class Alone(wiring.Component):
    """A link and a FIFO as wide as its input; the answer is the word's lowest bits."""

    def __init__(self, shape: tuple[int, int, int, int], divider: int):
        self._shape, self._divider = shape, divider
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        bits_in, words_in, bits_out, words_out = self._shape
        m.submodules.link = link = Link(bits_in, words_in, bits_out, words_out, b"gatewrig", self._divider)
        m.submodules.fifo = fifo = Fifo(bits_in, FifoParameters(2, bits_in))
        connect(m, link.i, fifo.i)
        m.d.comb += [
            link.rx.eq(self.rx), self.tx.eq(link.tx), link.o.payload.eq(fifo.o.payload),
            link.o.valid.eq(fifo.o.valid), fifo.o.ready.eq(link.o.ready),
        ]
        return m


def main() -> int:
    console = Console(width=120)
    table = Table(title="the link alone, by Yosys", title_justify="left")
    for column in ("words", *(f"{what} {family}" for family in ("ice40", "ecp5") for what in ("LUT", "FF"))):
        table.add_column(column, justify="left" if column == "words" else "right")
    with tempfile.TemporaryDirectory() as folder, console.status("synthesis"):
        for name, shape in SHAPES.items():
            source = Path(folder) / "alone_uart.v"
            source.write_text(convert(Alone(shape, 24), "alone_uart"))
            row = [resources([source], "alone_uart", FAMILIES[family]) for family in ("ice40", "ecp5")]
            table.add_row(name, *(f"{number:,}" for each in row for number in (each.luts_total, each.registers)))
    console.print(table)
    if "--no-boards" not in sys.argv[1:]:
        console.print(_boards(console))
    return 0


def _boards(console: Console) -> Table:
    table = Table(title="the smallest of them, placed and routed", title_justify="left")
    for column in ("board", "LUTs", "of", "MHz asked", "Fmax"):
        table.add_column(column, justify="left" if column == "board" else "right")
    with tempfile.TemporaryDirectory() as folder, console.status("place and route"):
        for name, clock in TARGETS:
            board, place = BOARDS[name], Path(folder)
            (place / "alone_uart.v").write_text(convert(Alone(SHAPES["8 bits in, 8 out"], round(clock)), "alone_uart"))
            (place / "top.v").write_text(convert(BoardTop("alone_uart", board, clock), "top"))
            result = implement([place / "alone_uart.v", place / "top.v"], "top", board, clock, place / "out",
                               seeds=(1,))
            table.add_row(name, f"{result.luts:,}", f"{result.available['luts']:,}", f"{clock:g}",
                          f"{result.fmax_mhz:.1f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
