"""CNV-w1a1 at FINN's folding: seconds and memory to Verilog, FIFO sizing, the interval, and frames proven.

    python -m bench.cnv [MODEL] [--frames N]

MODEL is a trained ``cnv-w1a1`` (by default an untrained one: the cycles are the same).
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import gatewright
from gatewright import quant
from gatewright.compiler.dataflow import size
from gatewright.compiler.engine import layer_cycles
from gatewright.compiler.folding import parse
from gatewright.compiler.lower import lower

FOLDING = "16x3,32x32,16x32,16x32,4x32,1x32,1x4,1x8,5x1"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=16)
    options = parser.parse_args()
    recipe = quant.recipes.get("cnv-w1a1")
    split = quant.load(recipe.dataset)
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or quant.export(recipe.build(), Path(folder) / "cnv-w1a1.onnx", (1, *recipe.shape),
                                             quant.metadata(recipe))
        began = time.perf_counter()
        model = gatewright.load(path, input=recipe.input_type, input_scale=recipe.input_scale)
        design = gatewright.compile(model, folding=FOLDING)
        design.write(Path(folder) / "build")
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        graph = lower(model.graph, parse(FOLDING))
        began = time.perf_counter()
        size(graph)
        sizing = time.perf_counter() - began
        ideal = max(map(layer_cycles, design.model.layers, design.works, design.folds))
        began = time.perf_counter()
        proof = design.verify(split.x_test[: options.frames])
        proving = time.perf_counter() - began
    table = Table(title=f"CNV-w1a1 at {FOLDING}", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    for what, value in (
        ("QONNX to Verilog, seconds", f"{seconds:.1f}"), ("peak memory, GB", f"{memory:.2f}"),
        ("FIFO and line buffer sizing, seconds", f"{sizing:.1f}"),
        ("slowest layer's cycles a frame", f"{ideal:,}"),
        ("interval predicted, cycles", f"{proof.cycles.interval['predicted']:,}"),
        ("interval measured, cycles", f"{proof.cycles.interval['measured']:,}"),
        ("latency, predicted = measured, cycles", f"{proof.cycles.latency['measured']:,}"),
        ("FIFO words", f"{sum(stage.schedule.depth for stage in design.dataflow.fifos):,}"),
        ("line buffer words", f"{sum(stage.schedule.depth for stage in design.dataflow.buffers):,}"),
        ("frames proven under stalls", f"{proof.frames}"), ("integers that differ", f"{proof.mismatches}"),
        ("proof, seconds", f"{proving:.0f}"),
    ):
        table.add_row(what, value)
    Console().print(table)
    return int(proof.mismatches != 0)


if __name__ == "__main__":
    sys.exit(main())
