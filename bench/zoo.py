"""Every recipe of the model zoo: built, proven, counted; one row each.

    python -m bench.zoo [--models DIR] [--frames N] [--fps-cycles N] [--no-luts] [RECIPE ...]

``--models`` holds trained networks as ``NAME.onnx`` (from ``gatewright train``); a recipe without one is exported
untrained, and the table says so. Frames are the recipe's own test split.
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
from gatewright.errors import GatewrightError

COLUMNS = ("recipe", "trained", "accuracy", "weights", "interval", "latency", "FIFO words", "buffer words", "LUT xc7",
           "LUT ecp5", "compile s", "frames", "differ")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="by default all of them")
    parser.add_argument("--models", type=Path, help="folder of trained networks")
    parser.add_argument("--frames", type=int, default=16, help="frames proven in Verilator")
    parser.add_argument("--no-luts", action="store_true", help="leave Yosys out")
    options = parser.parse_args(arguments)
    console, progress = Console(width=160), Console(stderr=True)
    table = Table(title="the model zoo, proven", title_justify="left",
                  caption="interval and latency in cycles, predicted = measured; LUTs by Yosys", caption_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("recipe", "trained") else "right", no_wrap=True)
    failed = []
    for name in options.recipes or [recipe.name for recipe in quant.recipes.all()]:
        with progress.status(name), tempfile.TemporaryDirectory() as folder:
            try:
                table.add_row(*_row(name, options, Path(folder), progress))
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
    split = quant.load(recipe.dataset)
    began = time.perf_counter()
    model = gatewright.load(path, input=recipe.input_type, input_scale=recipe.input_scale)
    design = gatewright.compile(model)
    design.write(folder / "build")
    seconds = time.perf_counter() - began
    progress.print(f"{name}: compiled in {seconds:.1f} s, {design.prediction.interval} cycles", highlight=False)
    x, y = split.x_test[: options.frames], split.y_test[: options.frames]
    proof = design.verify(x, y if trained and y is not None and y.ndim == 1 else None)
    luts = ["", ""]
    if not options.no_luts:
        sources = sorted(p for p in (folder / "build" / "rtl").glob("*.v") if "_axis" not in p.stem)
        luts = [f"{resources(sources, design.name, FAMILIES[family], log=folder / 'log').luts_total:,}"
                for family in ("xc7", "ecp5")]
    accuracy = "" if proof.accuracy is None else f"{100 * proof.accuracy:.1f} %"
    weights = sum(layer.weights.size for layer in model.layers)
    return [name, "yes" if trained else "no", accuracy, f"{weights:,}", f"{proof.cycles.interval['measured']:,}",
            f"{proof.cycles.latency['measured']:,}",
            f"{sum(stage.schedule.depth for stage in design.dataflow.fifos):,}",
            f"{sum(stage.schedule.depth for stage in design.dataflow.buffers):,}", *luts, f"{seconds:.1f}",
            f"{proof.frames:,}", str(proof.mismatches)]


if __name__ == "__main__":
    sys.exit(main())
