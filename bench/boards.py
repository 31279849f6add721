"""Networks on boards: real bitstreams, what they take, how fast they are; one row each.

    python -m bench.boards --models DIR [--seeds N] [--keep DIR] [NETWORK@BOARD ...]

``--models`` holds trained networks as ``NAME.onnx`` (``gatewright train NAME -o DIR/NAME.onnx``). A row is what
``gatewright build`` and ``gatewright implement`` do with the folding and the clock of :data:`CASES`; ``--keep`` keeps
their folders, bitstreams included, as ``NETWORK@BOARD``. Rows take from one minute to some ten; 7 series end with what
Yosys counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from rich.console import Console
from rich.table import Table

import gatewright
from gatewright.compiler.implement import Implemented, find_board, implement
from gatewright.compiler.report_text import figure
from gatewright.errors import GatewrightError


@dataclass(frozen=True)
class Case:
    """A network on a board: how it is folded and pipelined, and MHz to reach."""

    network: str
    board: str
    folding: str
    clock: float
    baud: int = 1_000_000
    pipeline: str | None = None


_TFC_SMALL = "4x49,2x8,2x8,2x2"
_LENET = "6x25,16x25,4x25,2x8,1x2"
CASES = (
    Case("digits-w1a1", "icebreaker", "1x16,1x64,1x3", 24),
    Case("digits-w1a1", "tang-nano-9k", "1x64,1x256,5x2", 27),
    Case("tfc-w1a1", "hx8k-breakout", _TFC_SMALL, 40),
    Case("tfc-w1a1", "ulx3s-25f", "16x49,8x8,8x8,10x8", 100, pipeline="fc0=2"),
    Case("tfc-w1a1", "tang-nano-20k", _TFC_SMALL, 50),
    Case("tfc-w1a1", "gatemate-a1-evb", _TFC_SMALL, 25),
    Case("tfc-w1a1", "arty-a7-35", "16x49,8x8,8x8,10x8", 100),
    Case("lenet5-w2a2", "ulx3s-25f", _LENET, 100, pipeline="2"),
    Case("eie-fc", "ulx3s-25f", "eie:8x8x2r3", 100, pipeline="1"),
)
"""Rows, if no others are asked for. ``eie-fc`` is the first layer of lenet300-deep alone, 784 to 300 at 9 % density."""
COLUMNS = ("network", "board", "folding", "LUTs", "FFs", "block RAMs", "DSPs", "MHz asked", "Fmax", "core frames/s",
           "latency, µs", "link frames/s", "seconds", "bitstream, bytes", "changed")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="NETWORK@BOARD", help="by default all")
    parser.add_argument("--models", type=Path, required=True, help="folder of trained networks")
    parser.add_argument("--seeds", type=int, default=2, help="of place and route")
    parser.add_argument("--keep", type=Path, help="folder in which builds and bitstreams stay")
    options = parser.parse_args(arguments)
    console, progress = Console(width=250), Console(stderr=True)
    table = Table(title="networks on boards", title_justify="left", caption_justify="left",
                  caption="LUTs, block RAMs, DSPs and Fmax after routing (7 series: Yosys' counts), link included; "
                          "core frames/s at the clock asked for, or lowered to; link frames/s at 1 Mbaud, an "
                          "upper bound: framing takes some 5 %; seconds of wall time, all seeds of all attempts")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("network", "board", "folding", "changed") else "right")
    failed = 0
    for case in CASES:
        name = f"{case.network}@{case.board}"
        if options.cases and name not in options.cases:
            continue
        try:
            with progress.status(name), tempfile.TemporaryDirectory() as folder:
                row = _row(case, options, (options.keep or Path(folder)) / name, progress)
            progress.print(" | ".join(row), highlight=False, soft_wrap=True)  # what an hour's run has so far
            table.add_row(*row)
        except GatewrightError as error:
            failed += 1
            table.add_row(case.network, case.board, case.folding, *[""] * (len(COLUMNS) - 4), str(error))
    console.print(table)
    return int(failed > 0)


def _row(case: Case, options: argparse.Namespace, folder: Path, progress: Console) -> list[str]:
    began = time.monotonic()
    board = find_board(case.board)
    design = gatewright.compile(_load(case.network, options.models, folder.parent), folding=case.folding,
                                clock=case.clock, lut=board.device.family.lut_inputs, pipeline=case.pipeline)
    design.write(folder)
    done = implement(design, board, folder / "boards" / board.name, baud=case.baud, seeds=range(1, options.seeds + 1),
                     progress=lambda what, *_: progress.log(f"{case.network}@{case.board}: {what}"))
    return _said(case, done, time.monotonic() - began)


def _said(case: Case, done: Implemented, seconds: float) -> list[str]:
    said, result = done.to_json(), done.result
    size = "" if result.bitstream is None else f"{(done.folder / result.bitstream).stat().st_size:,}"
    return [case.network, case.board, said["folding"], f"{result.luts:,}", f"{result.registers:,}",
            f"{result.block_rams:g}", f"{result.dsps:g}", f"{done.clock:g}",
            "" if result.fmax_mhz is None else f"{result.fmax_mhz:.1f}", figure(said["fps"], 4),
            figure(said["latency_us"]), figure(said["link_fps"], 4), f"{seconds:.0f}", size, "; ".join(done.changes)]


def _load(name: str, models: Path, place: Path) -> gatewright.Model:
    """A network with the input that its file says."""
    path = models / f"{name}.onnx"
    if name == "eie-fc":
        path = _first_layer(models / "lenet300-deep.onnx", place / "eie-fc.onnx")
    says = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return gatewright.load(path, input=says["gatewright.input"], input_scale=says["gatewright.input_scale"])


def _first_layer(source: Path, path: Path) -> Path:
    """A file with a network's nodes up to its first layer's sums."""
    model = onnx.load(source)
    graph, output = model.graph, "layers.0.linear.out"
    last = next(place for place, node in enumerate(graph.node) if node.output[0] == output)
    outputs = next(tensor.dims[0] for tensor in graph.initializer if tensor.name == "layers.0.norm.scale")
    del graph.node[last + 1 :]
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    del graph.output[:], graph.value_info[:]
    graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, outputs]))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


if __name__ == "__main__":
    sys.exit(main())
