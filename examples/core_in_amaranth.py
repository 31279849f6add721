"""A build's core in an Amaranth design of your own: a bare stream in, a bare stream out, and something around it.

    gatewright build MODEL.onnx -o DIR
    python examples/core_in_amaranth.py DIR

Around the core are a FIFO of frames' words in front and a counter of answers behind. The whole is turned into Verilog,
simulated in Verilator under random gaps and stalls, and every answer compared with the golden model's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gatewright import Design
from gatewright.compiler import build
from gatewright.compiler.emit import convert
from gatewright.compiler.execute import run_golden
from gatewright.compiler.words import pack, unpack
from gatewright.errors import GatewrightError
from gatewright.hdl.fifo import Fifo, FifoParameters
from gatewright.hdl.lanes import connect
from gatewright.sim import patterns, verilated

FRAMES = 50


class Core(wiring.Component):
    """The core as Amaranth sees it: a module of that name, which the build's Verilog holds."""

    def __init__(self, design: Design):
        self.name = design.name
        first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
        super().__init__({"i": In(stream.Signature(first.bits)), "o": Out(stream.Signature(last.bits))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = Instance(
            self.name, i_clk=ClockSignal(), i_rst=ResetSignal(),
            i_i__payload=self.i.payload, i_i__valid=self.i.valid, o_i__ready=self.i.ready,
            o_o__payload=self.o.payload, o_o__valid=self.o.valid, i_o__ready=self.o.ready)
        return m


class Mine(wiring.Component):
    """A design of one's own: two frames may wait, and answers are counted."""

    def __init__(self, design: Design):
        first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
        self.core = Core(design)
        self.fifo = Fifo(first.bits, FifoParameters(depth=2 * first.words, bits=first.bits))
        self.words = last.words
        super().__init__({"i": In(stream.Signature(first.bits)), "o": Out(stream.Signature(last.bits)),
                          "answers": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo, m.submodules.core = self.fifo, self.core
        connect(m, wiring.flipped(self.i), self.fifo.i)
        connect(m, self.fifo.o, self.core.i)
        connect(m, self.core.o, wiring.flipped(self.o))
        word = Signal(range(self.words + 1))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += word.eq(word + 1)
            with m.If(word == self.words - 1):
                m.d.sync += [word.eq(0), self.answers.eq(self.answers + 1)]
        return m


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("core_in_amaranth: name a build folder, made by gatewright build")
    try:
        design = Design.open(Path(sys.argv[1]))
        core = build.rtl_files(Path(sys.argv[1]))
    except GatewrightError as error:
        sys.exit(f"core_in_amaranth: {error}")
    # The core's own Verilog stays as it was verified; what is around it comes beside it.
    files = core | {"mine.v": convert(Mine(design), "mine").encode()}

    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    codes = np.random.default_rng(0).integers(first.type.lo, first.type.hi + 1, size=(FRAMES, first.elements))
    codes = np.where(codes >= 0, 1, -1) if first.type.bipolar else codes
    with verilated.build(verilated.Sources(files), "mine").open() as simulation:
        found = simulation.run(pack(codes, first), FRAMES * last.words, offers=patterns.offers(1),
                               accepts=patterns.accepts(1), max_cycles=1 << 32)
    golden = run_golden(design.graph, codes)[last.value]
    if not np.array_equal(unpack(found.outputs, last), golden):
        sys.exit("core_in_amaranth: an integer differs")
    print(f"{FRAMES} frames through {design.name} in a design of my own: {golden.size} integers equal, "
          f"{found.cycles:,} cycles")


if __name__ == "__main__":
    main()
