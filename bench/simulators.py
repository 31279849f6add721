"""Frames/s and cycles/s of the same design in three simulators: Verilator from C++, Verilator from cocotb, Amaranth's.

    python -m bench.simulators [MODEL.onnx [FOLDING]]        (default: the zoo's TFC at 16x49,8x8,8x8,10x8)
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from amaranth.sim import Simulator
from rich.console import Console
from rich.table import Table

from gatewright.compiler import compile, load
from gatewright.compiler.emit import Accelerator
from gatewright.compiler.words import pack
from gatewright.sim import verilated

from . import zoo_model


def main() -> None:
    model = load(sys.argv[1] if len(sys.argv) > 1 else zoo_model(), input="uint8", input_scale="1/255")
    design = compile(model, folding=sys.argv[2] if len(sys.argv) > 2 else "16x49,8x8,8x8,10x8")
    rows = {"Verilator, C++ in this process": in_process(design), "Verilator, cocotb bench of tb/": cocotb(design),
            "Amaranth's simulator": amaranth(design)}
    table = Table(title=f"{design.name}: simulators, no stalls, building left out", title_justify="left")
    for column in ("simulator", "frames/s", "cycles/s", "of the first"):
        table.add_column(column, justify="left" if column == "simulator" else "right")
    best = next(iter(rows.values()))[1]
    for name, (frames, cycles) in rows.items():
        table.add_row(name, f"{frames:,.1f}", f"{cycles:,.0f}", f"1/{best / cycles:,.0f}")
    Console().print(table)


def _words(design, frames: int) -> np.ndarray:
    edge = design.dataflow.edges[0]
    codes = np.random.default_rng(0).integers(edge.type.lo, edge.type.hi + 1, size=(frames, edge.elements))
    return pack(codes, edge)


def in_process(design) -> tuple[float, float]:
    """Frames/s and cycles/s of the C++ loop, transfers neither captured nor checked; the median of 3."""
    frames = 5000
    library = verilated.build(verilated.Sources(design.rtl_bytes()), design.name)
    words, outputs = _words(design, frames), frames * design.dataflow.edges[-1].words
    seconds = []
    with library.open() as simulation:
        for _ in range(3):
            simulation.reset()
            began = time.perf_counter()
            cycles = simulation.run(words, outputs, max_cycles=1 << 40).cycles
            seconds.append(time.perf_counter() - began)
    return frames / np.median(seconds), cycles / np.median(seconds)


def cocotb(design) -> tuple[float, float]:
    """Of the bench that a user runs with ``make``, as cocotb reports it for the test without stalls."""
    with tempfile.TemporaryDirectory() as folder:
        design.write(Path(folder) / "build")
        done = subprocess.run(["make", "-C", str(Path(folder) / "build" / "tb"), f"PYTHON={sys.executable}",
                               "FILTER=idle=False/back_pressure=False"], capture_output=True, text=True, check=False)
    found = re.search(r"every_frame/idle=False/back_pressure=False\s+PASS\s+([\d.]+)\s+([\d.]+)", done.stdout)
    frames = re.search(r"PASSED: (\d+) tests", done.stdout)
    if found is None or frames is None:
        sys.exit(f"the cocotb bench failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    from gatewright.compiler.testbench import FRAMES

    nanoseconds, seconds = float(found[1]), float(found[2])
    return FRAMES / seconds, nanoseconds / 10 / seconds  # a clock of 10 ns


def amaranth(design, frames: int = 3) -> tuple[float, float]:
    """Of Amaranth's simulator on the same units."""
    top = Accelerator(design.dataflow)
    words = [int.from_bytes(row.tobytes(), "little") for row in _words(design, frames)]
    left = frames * design.dataflow.edges[-1].words
    cycles = 0

    async def source(ctx):
        ctx.set(top.i.valid, 1)
        for word in words:
            ctx.set(top.i.payload, word)
            await ctx.tick().until(top.i.ready)
        ctx.set(top.i.valid, 0)

    async def sink(ctx):
        nonlocal left, cycles
        ctx.set(top.o.ready, 1)
        while left:
            _, _, valid = await ctx.tick().sample(top.o.valid)
            left -= valid
            cycles += 1

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    began = time.perf_counter()
    simulator.run()
    seconds = time.perf_counter() - began
    return frames / seconds, cycles / seconds


if __name__ == "__main__":
    main()
