"""A build's core in LiteX: a module with stream endpoints and registers, its Verilog added to the platform's sources.

    pip install litex==2024.12
    gatewright build MODEL.onnx -o DIR
    python examples/core_in_litex.py DIR

In a SoC, add `Accelerator(platform, DIR)` as a submodule, connect `sink` and `source` to DMA or to cores of yours, and
the bus gets its registers. Here it is turned into Verilog by itself, simulated in Verilator under random gaps and
stalls, and every answer compared with the golden model's.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

try:
    from litex.gen import ClockDomain, ClockSignal, If, Instance, LiteXModule, ResetSignal, Signal
    from litex.gen.fhdl.verilog import convert
    from litex.soc.interconnect import stream
    from litex.soc.interconnect.csr import AutoCSR, CSRStatus, CSRStorage
except ImportError:
    sys.exit("core_in_litex: LiteX is not installed; pip install litex==2024.12")

FRAMES = 50


class Accelerator(LiteXModule, AutoCSR):
    """The core of a build: `sink` takes words of frames, `source` gives words of answers, each frame's last marked.

    `frames` counts answers. `control` has a bit that holds the core in reset, after which the next word is a frame's
    first.
    """

    def __init__(self, platform, folder: Path):
        said = json.loads((folder / "design.json").read_text())
        first, last = said["streams"][0], said["streams"][-1]
        self.sink = stream.Endpoint([("data", first["bits"])])
        self.source = stream.Endpoint([("data", last["bits"])])
        self.frames = CSRStatus(32, description="Answers given since the core was reset.")
        self.control = CSRStorage(1, description="1 holds the core in reset.")
        # A register's value is only there once the bus has made it; alone, without a bus, it stays as it begins.
        held = self.control.storage

        word = Signal(max=last["words"] + 1)
        self.comb += self.source.last.eq(word == last["words"] - 1)
        self.sync += [
            If(self.source.valid & self.source.ready,
               word.eq(word + 1),
               If(self.source.last, word.eq(0), self.frames.status.eq(self.frames.status + 1))),
            If(held, word.eq(0), self.frames.status.eq(0)),
        ]
        self.specials += Instance(
            said["name"], i_clk=ClockSignal(), i_rst=ResetSignal() | held,
            i_i__payload=self.sink.data, i_i__valid=self.sink.valid, o_i__ready=self.sink.ready,
            o_o__payload=self.source.data, o_o__valid=self.source.valid, i_o__ready=self.source.ready)
        if platform is not None:
            for path in sorted((folder / "rtl").iterdir()):
                platform.add_source(str(path))


# The names of a bare stream's ports, as Gatewright's harness looks for them.
PORTS = """\
module streams(input clk, input rst, input [{i}:0] i__payload, input i__valid, output i__ready,
               output [{o}:0] o__payload, output o__valid, input o__ready);
  wire last;
  mine mine(.sys_clk(clk), .sys_rst(rst), .sink_payload_data(i__payload), .sink_valid(i__valid), .sink_ready(i__ready),
            .source_payload_data(o__payload), .source_valid(o__valid), .source_ready(o__ready), .source_last(last));
endmodule
"""


def main() -> None:
    import numpy as np

    from gatewright import Design
    from gatewright.compiler import build
    from gatewright.compiler.execute import run_golden
    from gatewright.compiler.words import pack, unpack
    from gatewright.errors import GatewrightError
    from gatewright.sim import patterns, verilated

    if len(sys.argv) != 2:
        sys.exit("core_in_litex: name a build folder, made by gatewright build")
    folder = Path(sys.argv[1])
    try:
        design, core = Design.open(folder), build.rtl_files(folder)
    except GatewrightError as error:
        sys.exit(f"core_in_litex: {error}")
    module = Accelerator(None, folder)
    module.cd_sys = clocked = ClockDomain("sys")
    ports = {clocked.clk, clocked.rst, module.sink.data, module.sink.valid, module.sink.ready, module.source.data,
             module.source.valid, module.source.ready, module.source.last}
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    # LiteX begins its files with a time scale, which the core's have no need of.
    verilog = re.sub(r"(?m)^`timescale.*$", "", str(convert(module, ports, name="mine")))
    files = core | {"mine.v": verilog.encode(),
                    "streams.v": PORTS.format(i=first.bits - 1, o=last.bits - 1).encode()}
    codes = np.random.default_rng(0).integers(first.type.lo, first.type.hi + 1, size=(FRAMES, first.elements))
    codes = np.where(codes >= 0, 1, -1) if first.type.bipolar else codes
    with verilated.build(verilated.Sources(files), "streams").open() as simulation:
        found = simulation.run(pack(codes, first), FRAMES * last.words, offers=patterns.offers(1),
                               accepts=patterns.accepts(1), max_cycles=1 << 32)
    golden = run_golden(design.graph, codes)[last.value]
    if not np.array_equal(unpack(found.outputs, last), golden):
        sys.exit("core_in_litex: an integer differs")
    print(f"{FRAMES} frames through {design.name} in LiteX: {golden.size} integers equal, {found.cycles:,} cycles")


if __name__ == "__main__":
    main()
