"""Every recipe of the model zoo: scored, built for a frame rate, proven, counted; one row each.

    python -m bench.zoo [--models DIR] [--frames N] [--fps N] [--no-luts] [RECIPE ...]

``--models`` holds trained networks as ``NAME.onnx`` (from ``gatewright train NAME -o DIR/NAME.onnx``); a recipe without
one is exported untrained, and its score is left empty. Scores are the golden model's on the whole test split, on which
it agrees with the RTL wherever that was run: on the first ``--frames`` of them, under random stalls.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import gatewright
from gatewright import quant
from gatewright.boards.family import FAMILIES
from gatewright.boards.synthesis import resources
from gatewright.compiler.execute import run_golden
from gatewright.errors import GatewrightError
from gatewright.quant.data import Split
from gatewright.quant.recipe import Recipe
from gatewright.quant.tasks import TASKS
from gatewright.quant.training import units

COLUMNS = ("recipe", "score, %", "weights", "interval", "latency", "FIFO words", "buffer words", "LUT xc7", "LUT ECP5",
           "seconds", "frames", "differ")
CLOCK = 50.0
BATCH = 250


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="by default all of them")
    parser.add_argument("--models", type=Path, help="folder of trained networks")
    parser.add_argument("--frames", type=int, default=16, help="frames proven in Verilator")
    parser.add_argument("--fps", type=float, default=1000, help=f"frames/s asked for, at {CLOCK:g} MHz")
    parser.add_argument("--no-luts", action="store_true", help="leave Yosys out")
    options = parser.parse_args(arguments)
    console, progress = Console(width=160), Console(stderr=True)
    table = Table(title=f"the model zoo at {options.fps:,.0f} frames/s and {CLOCK:g} MHz", title_justify="left",
                  caption="interval and latency in cycles, predicted = measured; LUTs by Yosys; seconds from QONNX to "
                          "Verilog", caption_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "recipe" else "right", no_wrap=True)
    failed = []
    for name in options.recipes or quant.recipes.names():
        with progress.status(name), tempfile.TemporaryDirectory() as folder:
            try:
                row = _row(name, options, Path(folder), progress)
                progress.print(" | ".join(row), highlight=False, soft_wrap=True)  # what an hour's run has so far
                table.add_row(*row)
            except GatewrightError as error:
                failed.append(name)
                table.add_row(name, str(error)[:60])
    console.print(table)
    return int(bool(failed))


def _row(name: str, options: argparse.Namespace, folder: Path, progress: Console) -> list[str]:
    recipe = quant.recipes.get(name)
    path = options.models / f"{name}.onnx" if options.models else folder / "none"
    trained = path.is_file()
    if not trained:
        path = quant.export(recipe.build(), folder / f"{name}.onnx", (1, *recipe.shape), quant.metadata(recipe))
    began = time.perf_counter()
    design = gatewright.compile(gatewright.load(path, input=recipe.input_type, input_scale=recipe.input_scale),
                                fps=options.fps, clock=CLOCK)
    design.write(folder / "build")
    seconds = time.perf_counter() - began
    progress.print(f"{name}: compiled in {seconds:.1f} s, {design.prediction.interval} cycles", highlight=False)
    split = quant.load(recipe.dataset)
    proof = design.verify(split.x_test[: options.frames])
    score = f"{_score(recipe, design, split):.2f}" if trained else ""
    luts = ["", ""]
    if not options.no_luts:
        sources = sorted(p for p in (folder / "build" / "rtl").glob("*.v") if "_axis" not in p.stem)
        luts = [f"{resources(sources, design.name, FAMILIES[family], log=folder / 'log').luts_total:,}"
                for family in ("xc7", "ecp5")]
    cycles, dataflow = proof.cycles, design.dataflow
    return [name, score, f"{sum(layer.weights.size for layer in design.model.layers):,}",
            f"{cycles.interval['measured']:,}", f"{cycles.latency['measured']:,}",
            f"{sum(stage.schedule.depth for stage in dataflow.fifos):,}",
            f"{sum(stage.schedule.depth for stage in dataflow.buffers):,}", *luts, f"{seconds:.1f}",
            f"{proof.frames:,}", str(proof.mismatches)]


def _score(recipe: Recipe, design: gatewright.Design, split: Split) -> float:
    """The recipe's own score in per cent, on all test frames, by the golden model."""
    points = 0.0
    for begin in range(0, len(split.x_test), BATCH):
        codes = split.x_test[begin : begin + BATCH]
        outputs = design.logits(run_golden(design.graph, design.codes(codes)))
        assert outputs is not None  # arg-max is the host's here
        points += float(TASKS[recipe.task].points(outputs, units(codes, recipe).numpy(),
                                                  split.y_test[begin : begin + BATCH]).sum())
    return 100 * points / len(split.x_test)


if __name__ == "__main__":
    sys.exit(main())
