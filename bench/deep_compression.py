"""Networks through Deep Compression, on sparse engines and on dense lanes: proven, counted, side by side.

    python -m bench.deep_compression --models DIR [--frames N] [--engine auto] [--no-luts] [NETWORK ...]

``DIR`` holds trained networks as ``NAME.onnx`` (``gatewright train NAME -o DIR/NAME.onnx``). Each is built twice: with
the engine of each layer that is asked for, and on dense lanes that are as fast as this is where no activation is 0.
Both are proven on the first ``--frames`` images of MNIST's test split, under random stalls. Then the memory that the
matrices of the LeNet-300-100s take in engines, by how their weights are stored.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import gatewright
from gatewright import quant
from gatewright.boards.family import FAMILIES
from gatewright.boards.synthesis import resources
from gatewright.coding.xxhash32 import Hash
from gatewright.compiler.choosing import stored_bits
from gatewright.compiler.dataflow import Stage
from gatewright.compiler.execute import run_golden
from gatewright.compiler.folding import Elements
from gatewright.compiler.ir import Dense
from gatewright.compiler.report import summarise
from gatewright.compiler.verify import Verification
from gatewright.hdl.schedule import Engine
from gatewright.hdl.sparse_parameters import EngineParameters
from gatewright.quant.data import Split
from gatewright.sim.dataflow import simulate
from gatewright.sim.network import Network, Unit

NETWORKS = ("lenet300-deep", "lenet5-deep")
STORED = ("lenet300-deep", "lenet300-lfsr", "lenet300-hashed")
CLOCK = 50.0
RATES = {"lenet5-deep": 5000.0}
"""Frames/s asked of a network; without a goal LeNet-5's first convolution, a column a cycle, would set the pace."""
BATCH = 500
MEAN = 200
"""Images over which the cycles of a layer alone are a mean, by the dataflow engine."""


@dataclass(frozen=True)
class Built:
    """A design, what was proven of it, and the lookup tables of its layers and of all of it, by family."""

    design: gatewright.Design
    report: dict
    proof: Verification
    luts: dict[str, dict[str, int]]


def load(path: Path) -> gatewright.Model:
    """A network, with the input that its file says."""
    says = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return gatewright.load(path, input=says["gatewright.input"], input_scale=says["gatewright.input_scale"])


def build(design: gatewright.Design, split: Split, frames: int, families: list[str], progress: Progress) -> Built:
    """Prove a design and count its lookup tables."""
    engines = {choice.engine for choice in design.folds}
    task = progress.add_task(f"{design.name} ({', '.join(sorted(engines))})", total=None)

    def step(what: str, done: int, total: int) -> None:
        progress.update(task, description=f"{design.name}: {what}", completed=done, total=total)

    proof = design.verify(split.x_test[:frames], split.y_test[:frames], progress=step)
    luts: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in design.rtl().items():
            (Path(folder) / name).write_text(text)
        sources = sorted(Path(folder).glob("*.v"))
        tops = [design.name, *(f"{design.name}_{stage.name}" for stage in design.dataflow.layers)]
        for family in families:
            luts[family] = {}
            for number, top in enumerate(tops):
                step(f"synthesis of {top} for {family}", number, len(tops))
                luts[family][top.removeprefix(design.name).removeprefix("_")] = resources(
                    sources, top, FAMILIES[family]).luts_total
    progress.remove_task(task)
    return Built(design, summarise(design), proof, luts)


def mean_cycles(design: gatewright.Design, stage: Stage, codes: np.ndarray) -> float:
    """Cycles a frame of a layer's unit alone, over some frames."""
    values = run_golden(design.graph, codes)
    timing = next(unit.timing for unit in design.dataflow.network_for(values).units if unit.name == stage.name)
    if not isinstance(timing, Engine):
        return stage.schedule.phases
    ends = simulate(Network((Unit(stage.name, timing, ("i",), ("o",)),)), len(codes)).times["o"]
    last = ends[stage.output.words - 1 :: stage.output.words]
    return float(last[-1] - last[0]) / (len(last) - 1)


def compare(name: str, sparse: Built, dense: Built, split: Split, families: list[str]) -> Table:
    """One network, a layer a row."""
    table = Table(title=f"{name}: as compressed, and on dense lanes", title_justify="left", caption_justify="left",
                  caption=f"cycles a frame: most, and mean over {MEAN} images of the layer alone (dataflow engine), of "
                          "all measured on the RTL; bits of matrix memory; LUTs by Yosys, units of layers alone")
    for column in ("layer", "kept", "values", "engine", "cycles", "mean", "pointers", "entries", "codebook",
                   "dense lanes", "cycles", "bits", *(f"LUT {family}" for family in families for _ in (0, 1))):
        table.add_column(column, justify="left" if column in ("layer", "engine") else "right")
    codes = sparse.design.codes(split.x_test[:MEAN])
    rows = zip(sparse.design.dataflow.layers, sparse.report["layers"], dense.report["layers"], strict=True)
    for stage, mine, theirs in rows:
        engine, bits = mine["engine"], mine["engine"]["bits"]
        held = [f"{bits[kind]:,}" if kind in bits else "" for kind in ("pointers", "entries", "codebook")]
        if not isinstance(stage.parameters, EngineParameters):
            held[1] = f"{sum(bits.values()):,}"
        luts = [f"{built.luts[family][stage.name]:,}" for family in families for built in (sparse, dense)]
        table.add_row(stage.name, f"{engine['kept']:.1%}", str(engine["distinct"]),
                      engine["candidates"][0]["choice"] if engine["candidates"] else f"{mine['pe']}x{mine['simd']}",
                      f"{mine['cycles']:,}", f"{mean_cycles(sparse.design, stage, codes):,.1f}", *held,
                      f"{theirs['pe']}x{theirs['simd']}", f"{theirs['cycles']:,}",
                      f"{theirs['engine']['dense_bits']:,}", *luts)
    totals = [sum(layer["engine"]["bits"].get(kind, 0) for layer in sparse.report["layers"])
              for kind in ("pointers", "entries", "codebook")]
    measured = sparse.proof.cycles.interval["measured"]
    assert measured is not None
    table.add_section()
    table.add_row("all", "", "", "", f"{sparse.report['totals']['interval']:,}", f"{measured:,.1f}",
                  *(f"{total:,}" for total in totals), "", f"{dense.report['totals']['interval']:,}",
                  f"{sum(layer['engine']['dense_bits'] for layer in dense.report['layers']):,}",
                  *(f"{built.luts[family]['']:,}" for family in families for built in (sparse, dense)))
    return table


def proofs(name: str, sparse: Built, dense: Built) -> str:
    """What was proven, in a line."""
    parts = []
    for what, built in (("compressed", sparse), ("dense", dense)):
        proof = built.proof
        assert proof.accuracy is not None
        parts.append(f"{what}: {proof.frames:,} images, {proof.mismatches} integers differ, accuracy "
                     f"{proof.accuracy:.2%}, {proof.stalled_cycles['measured']:,} cycles under stalls as predicted")
    return f"{name}: " + "; ".join(parts)


def _engine(layer: Dense) -> Elements:
    """An engine of 8 elements, the fewest that hold a hash's weights once."""
    elements = layer.index.banks if isinstance(layer.index, Hash) else 8
    return Elements(elements, 8, 1, run_bits=3)


def stored(folder: Path, split: Split, frames: int) -> Table:
    """What the matrices of the LeNet-300-100s take, by how they are stored."""
    table = Table(title="LeNet-300-100: bits of matrix memory by how weights are stored", title_justify="left",
                  caption="engines of 8 elements; hashed: of one, since each element has a copy of the real weights",
                  caption_justify="left")
    for column in ("network", "accuracy", "weights not 0", "pointers", "entries", "codebook", "real weights", "all",
                   "dense lanes", "dense / all"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name in STORED:
        path = folder / f"{name}.onnx"
        if not path.is_file():
            continue
        model = load(path)
        design = gatewright.compile(model, folding=[_engine(layer) for layer in model.layers], clock=CLOCK)
        x, y = split.x_test[:frames], split.y_test[:frames]
        right = sum(int((design.classes(run_golden(design.graph, design.codes(x[begin : begin + BATCH])))
                         == y[begin : begin + BATCH]).sum()) for begin in range(0, frames, BATCH))
        engines = [stage.parameters for stage in design.dataflow.layers
                   if isinstance(stage.parameters, EngineParameters)]
        held = [sum(unit.memory_bits.get(kind, 0) for unit in engines)
                for kind in ("pointers", "entries", "codebook", "weights")]
        total = sum(map(stored_bits, engines))
        assert total == sum(held)
        dense = sum(layer["engine"]["dense_bits"] for layer in summarise(design)["layers"])
        kept = sum(int((layer.weights != 0).sum()) for layer in design.model.layers)
        table.add_row(name, f"{right / frames:.2%}", f"{kept:,}", *(f"{bits:,}" for bits in held), f"{total:,}",
                      f"{dense:,}", f"{dense / total:.1f}")
    return table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), help=f"by default {' and '.join(NETWORKS)}")
    parser.add_argument("--models", type=Path, required=True, help="folder of trained networks")
    parser.add_argument("--frames", type=int, default=10_000, help="images proven in Verilator")
    parser.add_argument("--engine", default="auto", help="as of gatewright build")
    parser.add_argument("--no-luts", action="store_true", help="leave Yosys out")
    options = parser.parse_args(arguments)
    console, split = Console(width=200), quant.load("mnist")
    families = [] if options.no_luts else ["ecp5", "xc7"]
    progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                        console=Console(stderr=True))
    differ = 0
    with progress:
        for name in options.networks:
            model = load(options.models / f"{name}.onnx")
            design = gatewright.compile(model, engine=options.engine, clock=CLOCK,
                                        fps=RATES.get(name))
            fps = CLOCK * 1e6 / float(design.prediction.interval)
            sparse = build(design, split, options.frames, families, progress)
            dense = build(gatewright.compile(model, engine="dense", clock=CLOCK, fps=fps), split, options.frames,
                          families, progress)
            console.print(compare(name, sparse, dense, split, families))
            console.print(proofs(name, sparse, dense), highlight=False, soft_wrap=True)
            differ += sparse.proof.mismatches + dense.proof.mismatches
    console.print(stored(options.models, split, min(options.frames, len(split.x_test))))
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
