"""Foldings found for goals: how fast, how dear by the cost model, how dear in Yosys' netlist, and how long it took.

    python -m bench.folding [--models DIR] [--no-luts] [RECIPE,OPTION=VALUE,… ...]

A goal is a recipe with options of ``gatewright build``: ``tfc-w1a1,fps=100000``, ``lenet5-w2a2,board=ulx3s-25f``.
``--models`` holds trained networks as ``NAME.onnx``; a recipe without one is exported untrained. ``solver`` is the time
for a first folding of the layers, ``compile`` that for all: foldings, what is between the layers, sizes of FIFOs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import gatewright
from gatewright import quant
from gatewright.boards.family import FAMILIES
from gatewright.boards.synthesis import resources
from gatewright.compiler import costing, solve
from gatewright.compiler.goal import Goal
from gatewright.errors import UserError

GOALS = ("tfc-w1a1,fps=100000", "tfc-w1a1,board=up5k", "unsw-nb15-mlp-w2a2,luts=4000,bram=20,dsp=0",
         "lenet5-w2a2,fps=1000", "lenet5-w8a8,fps=4000,family=xc7", "lenet5-w8a8,luts=20000,dsp=0",
         "resnet8-w4a4,fps=1000")
COLUMNS = ("network", "goal", "interval", "lanes", "LUTs", "Yosys", "off", "block RAMs", "Yosys", "DSPs", "Yosys",
           "solver s", "compile s", "folding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("goals", nargs="*", default=GOALS, help=f"by default {' '.join(GOALS)}")
    parser.add_argument("--models", type=Path, help="folder of trained networks")
    parser.add_argument("--no-luts", action="store_true", help="leave Yosys out")
    options = parser.parse_args()
    console, progress = Console(width=180), Console(stderr=True)
    table = Table(title="foldings found for goals", title_justify="left", caption_justify="left",
                  caption="interval in cycles; LUTs, block RAMs and DSPs estimated, then counted by Yosys")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("network", "goal", "folding") else "right")
    for goal in options.goals:
        name, *wishes = goal.split(",")
        with progress.status(goal), tempfile.TemporaryDirectory() as folder:
            table.add_row(name, " ".join(wishes), *_row(name, wishes, options, Path(folder)))
    console.print(table)


def _row(name: str, wishes: list[str], options: argparse.Namespace, folder: Path) -> list[str]:
    recipe = quant.recipes.get(name)
    path = options.models / f"{name}.onnx" if options.models else folder / "none"
    if not path.is_file():
        path = quant.export(recipe.build(), folder / f"{name}.onnx", (1, *recipe.shape), quant.metadata(recipe))
    model = gatewright.load(path, input=recipe.input_type, input_scale=recipe.input_scale)
    wanted: dict[str, Any] = dict(wish.split("=") for wish in wishes)
    wanted = {key: value if key in ("board", "family") else int(value) for key, value in wanted.items()}
    began = time.perf_counter()
    try:
        design = gatewright.compile(model, **wanted)
    except UserError as error:
        return [""] * (len(COLUMNS) - 3) + [str(error)]
    seconds = time.perf_counter() - began
    assert design.goal is not None
    assert design.estimate is not None
    alone, cost = _solved(design, design.goal), design.estimate.cost
    said = [f"{float(design.prediction.interval):,.10g}", f"{sum(fold.pe * fold.simd for fold in design.folds):,}"]
    counted = ["", "", "", ""]
    if not options.no_luts:
        design.write(folder / "build")
        sources = sorted(p for p in (folder / "build" / "rtl").glob("*.v") if "_axis" not in p.stem)
        found = resources(sources, design.name, FAMILIES[design.goal.family], log=folder / "log")
        counted = [f"{found.luts_total:,}", f"{cost.luts / found.luts_total - 1:+.1%}", f"{found.block_rams:,}",
                   f"{found.dsps:,}"]
    return [*said, f"{cost.luts:,}", *counted[:2], f"{cost.block_rams:,g}", counted[2], f"{cost.dsps:,}", counted[3],
            f"{alone:.2f}", f"{seconds:.1f}", str(design.status)]


def _solved(design: gatewright.Design, goal: Goal) -> float:
    """Seconds in which the layers alone are folded for a goal."""
    began = time.perf_counter()
    costs = costing.of(design.graph, goal.family, lut=design.lut, memory=design.memory, multiplier=design.multiplier)
    if goal.cycles is None:
        solve.fastest(design.works, goal.budget, costs)
    else:
        solve.cheapest(design.works, goal.cycles, costs, goal.budget)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
