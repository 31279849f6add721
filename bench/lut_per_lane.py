"""Lookup tables per lane of XNOR and popcount alone: the compressor tree against a plain tree of ``+``, under Yosys.

    python -m bench.lut_per_lane [--lanes 8,16,32,64,128,256] [--families ice40,ecp5,xc7] [--json FILE]

Each figure is one combinational module with inputs ``x`` and ``w`` (variable weights; "constant" has random constant
ones) and output ``count``, without I/O buffers, synthesised by the family's command of ``boards.family`` and counted as
``boards.synthesis`` says: carry cells count as the lookup tables that they occupy.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from random import Random

from amaranth.back import verilog
from amaranth.hdl import Const, Module, Signal
from amaranth.utils import bits_for
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gatewright.boards.family import FAMILIES
from gatewright.boards.synthesis import Resources, resources
from gatewright.hdl.popcount import xnor_popcount

TREES = ("ours", "plain +")
WEIGHTS = ("variable", "constant")


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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lut_per_lane", description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", default="8,16,32,64,128,256", help="comma-separated")
    parser.add_argument("--families", default=",".join(FAMILIES), help="comma-separated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every count there")
    options = parser.parse_args()
    lanes = [int(number) for number in options.lanes.split(",")]
    families = options.families.split(",")
    if unknown := set(families) - set(FAMILIES):
        parser.error(f"no such family: {', '.join(sorted(unknown))} (choose from {', '.join(FAMILIES)})")

    console, counted = Console(), {}
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
