"""Lookup tables per lane, under Yosys: XNOR and popcount against a plain tree of ``+``, and whole units of any lane.

    python -m bench.lut_per_lane [--lanes 8,16,32,64,128,256] [--families ice40,ecp5,xc7] [--json FILE]
    python -m bench.lut_per_lane --lane planes --weights int4 --input uint4 [--packed] [--lanes 32] [--families ecp5]

Each figure is one combinational module with inputs ``x`` and ``w`` (variable weights; "constant" has random constant
ones) and output ``count``, without I/O buffers, synthesised by the family's command of ``boards.family`` and counted as
``boards.synthesis`` says: carry cells count as the lookup tables that they occupy.

With ``--lane`` each is a whole matrix-vector unit of ``PE`` rows and two column folds that gives dot products, its
weights streamed in (built in, with a serial lane): lookup tables, registers and multipliers, divided by PE x SIMD.
Weights are ``bipolar``, ``ternary``, ``powerN`` (0 or +-2**p, p < N), ``levels`` (0 and two others of 11 bits),
``intN`` or ``uintN``; the input is ``bipolar``, ``intN`` or ``uintN``.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
from amaranth.back import verilog
from amaranth.hdl import Const, Module, Signal
from amaranth.utils import bits_for
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gatewright.boards.family import FAMILIES, FITTED
from gatewright.boards.synthesis import Resources, resources
from gatewright.hdl.dot import LANES
from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.popcount import xnor_popcount

TREES = ("ours", "plain +")
WEIGHTS = ("variable", "constant")
PE = 4
# Signed ports of the families' multipliers.
MULTIPLIERS = {"ice40": (16, 16), "ecp5": (18, 18), "xc7": (25, 18)}


def plain(m: Module, x, w) -> Signal:
    """What one writes without a compressor tree: XNOR, then two-operand additions in a balanced tree."""
    agree = Signal(len(x), name="agree")
    m.d.comb += agree.eq(~(x ^ w))
    terms, made = list(agree), 0
    while len(terms) > 1:
        sums = []
        for a, b in zip(terms[::2], terms[1::2], strict=False):
            sums.append(Signal(max(len(a), len(b)) + 1, name=f"sum{made}"))
            m.d.comb += sums[-1].eq(a + b)
            made += 1
        terms = sums + terms[len(sums) * 2:]
    count = Signal(bits_for(len(x)), name="total")
    m.d.comb += count.eq(terms[0])
    return count


def count(job: tuple[str, int, str, str]) -> Resources:
    """One module, made, converted and synthesised."""
    family, lanes, tree, weights = job
    m, x, w = Module(), Signal(lanes, name="x"), Signal(lanes, name="w")
    ports = [x] if weights == "constant" else [x, w]
    operand = Const(Random(lanes).getrandbits(lanes), lanes) if weights == "constant" else w
    lut = FAMILIES[family].lut_inputs
    total = xnor_popcount(m, x, operand, lut=lut) if tree == "ours" else plain(m, x, operand)
    output = Signal(len(total), name="count")
    m.d.comb += output.eq(total)
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as folder:
        source = Path(folder) / "lanes.v"
        source.write_text(verilog.convert(m, ports=[*ports, output], name="lanes", emit_src=False))
        return resources([source], "lanes", FAMILIES[family])


def integer_type(name: str) -> IntType:
    """``bipolar``, ``intN`` or ``uintN``."""
    if name == "bipolar":
        return BIPOLAR
    found = re.fullmatch(r"(u?)int(\d+)", name)
    if not found:
        raise argparse.ArgumentTypeError(f"{name!r} is neither bipolar, intN nor uintN")
    return IntType(int(found[2]), not found[1])


def drawn(name: str, size: tuple[int, int]) -> np.ndarray:
    """Random weights of a kind."""
    rng = np.random.default_rng(0)
    if name == "ternary":
        return rng.choice([-1, 0, 1], size=size)
    if name == "levels":
        return rng.choice([-999, 0, 1000], size=size)
    if name.startswith("power"):
        return rng.choice([-1, 0, 1], size=size) << rng.integers(0, int(name[5:]), size=size)
    kind = integer_type(name)
    return rng.choice([-1, 1], size=size) if kind.bipolar else rng.integers(kind.lo, kind.hi + 1, size=size)


def unit(job: tuple[str, int, str | None, str, IntType, bool]) -> Resources:
    """One matrix-vector unit, likewise."""
    family, lanes, lane, weights, kind, packed = job
    parameters = MatrixVectorParameters(
        drawn(weights, (PE, 2 * lanes)), PE, lanes, lut=FAMILIES[family].lut_inputs, input=kind, lane=lane,
        memory="rom" if lane == "serial" else "streamed", multiplier=MULTIPLIERS[family] if packed else None)
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as folder:
        source = Path(folder) / "unit.v"
        source.write_text(verilog.convert(MatrixVectorUnit(parameters), name="unit", emit_src=False))
        return resources([source], "unit", FAMILIES[family])


def units(options: argparse.Namespace, families: list[str], lanes: list[int], console: Console) -> None:
    """The table of ``--lane``."""
    jobs = [(family, number, options.lane, options.weights, options.input, options.packed)
            for family, number in product(families, lanes)]
    with Progress(console=console, transient=True) as progress, ProcessPoolExecutor(2) as pool:
        found = list(progress.track(pool.map(unit, jobs), len(jobs), description="synthesis"))
    table = Table(title=f"{options.lane} lane{', packed' if options.packed else ''}: {options.weights} weights, "
                        f"{options.input} input, PE {PE}, by SIMD (Yosys {found[0].yosys}), each per lane",
                  title_justify="left")
    for column in ("family", "SIMD", "LUT", "registers", "multipliers"):
        table.add_column(column, justify="left" if column == "family" else "right")
    for (family, number, *_), counted in zip(jobs, found, strict=True):
        each = PE * number
        table.add_row(FAMILIES[family].title, str(number), f"{counted.luts_total / each:.2f}",
                      f"{counted.registers / each:.2f}", f"{counted.dsps / each:.2f}")
    console.print(table)
    if options.json:
        rows = [{"family": family, "lanes": number, "lane": options.lane, "weights": options.weights,
                 "input": str(options.input), "pe": PE} | counted.to_json()
                for (family, number, *_), counted in zip(jobs, found, strict=True)]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lut_per_lane", description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", default="8,16,32,64,128,256", help="comma-separated")
    parser.add_argument("--families", default=",".join(FITTED), help="comma-separated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every count there")
    parser.add_argument("--lane", choices=LANES, help="measure matrix-vector units with this kind of lane")
    parser.add_argument("--weights", default="int4", help="of --lane")
    parser.add_argument("--input", default="uint4", type=integer_type, help="of --lane")
    parser.add_argument("--packed", action="store_true", help="two products a multiplier, where they fit")
    options = parser.parse_args()
    lanes = [int(number) for number in options.lanes.split(",")]
    families = options.families.split(",")
    if unknown := set(families) - set(FAMILIES):
        parser.error(f"no such family: {', '.join(sorted(unknown))} (choose from {', '.join(FAMILIES)})")

    console, counted = Console(), {}
    if options.lane:
        units(options, families, lanes, console)
        return
    jobs = list(product(families, lanes, TREES, WEIGHTS))
    with Progress(console=console, transient=True) as progress, ProcessPoolExecutor(2) as pool:
        results = progress.track(pool.map(count, jobs), len(jobs), description="synthesis")
        counted.update(zip(jobs, results, strict=True))

    for name in families:
        family = FAMILIES[name]
        version = counted[jobs[0]].yosys
        table = Table(title=f"{family.title}: LUT{family.lut_inputs} per lane, by lanes\n{family.synth} "
                            f"(Yosys {version})", title_justify="left")
        table.add_column("weights")
        table.add_column("tree")
        for number in lanes:
            table.add_column(str(number), justify="right")
        for weights, tree in product(WEIGHTS, TREES):
            table.add_row(weights, tree, *(f"{counted[name, number, tree, weights].luts_total / number:.3f}"
                                           for number in lanes))
        console.print(table)
    if options.json:
        keys = ("family", "lanes", "tree", "weights")
        rows = [dict(zip(keys, job, strict=True)) | found.to_json() for job, found in counted.items()]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
