"""Which folding? Sweep frame rates over a QONNX file with the dataflow engine alone: seconds, and no RTL is made.

    python examples/explore_folding.py digits.onnx --input uint5 --input-scale 1/16 --clock 50

For each target the folding with the fewest lanes is chosen; interval, latency and FIFO words are then found by
executing the units' schedules, so they are what the hardware will do, to the cycle.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

import gatewright
from gatewright.compiler import folding


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="a QONNX file")
    parser.add_argument("--input", help="what the accelerator takes, such as uint8")
    parser.add_argument("--input-scale", help="what one step of it is worth, such as 1/255")
    parser.add_argument("--clock", type=float, default=50.0, help="MHz")
    parser.add_argument("--cycles", type=int, nargs="+", default=[4096, 2048, 1024, 512, 256, 128, 64, 32, 16],
                        help="cycles a frame to aim for")
    arguments = parser.parse_args()
    console = Console()
    try:
        model = gatewright.load(arguments.model, input=arguments.input, input_scale=arguments.input_scale)
        works = [folding.work_of(model.graph, layer) for layer in model.layers]
        table = Table(title=f"{model.name} at {arguments.clock:g} MHz: "
                            + ", ".join(f"{work.rows} x {work.columns}" for work in works),
                      caption="interval and latency in cycles", title_justify="left", caption_justify="left")
        table.add_column("PE x SIMD", no_wrap=True)
        for heading in ("lanes", "interval", "frames/s", "latency", "FIFO words"):
            table.add_column(heading, justify="right", no_wrap=True)
        seen = set()
        for cycles in track(arguments.cycles, "running the dataflow engine", console=console, transient=True):
            folds = folding.choose(works, cycles)
            if folds in seen:  # two targets, one answer
                continue
            seen.add(folds)
            design = gatewright.compile(model, folding=folds, clock=arguments.clock)
            table.add_row(
                ",".join(map(str, folds)), f"{sum(fold.pe * fold.simd for fold in folds):,}",
                f"{design.prediction.interval}", f"{design.fps:,.0f}", f"{design.prediction.latency:,}",
                f"{sum(fifo.parameters.depth for fifo in design.dataflow.fifos):,}")
    except gatewright.GatewrightError as error:
        sys.exit(f"explore_folding: {error}")
    console.print(table)


if __name__ == "__main__":
    main()
