"""The front door's longer walks, where training, compiler and hardware tools meet: what `cli` calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from .errors import UserError

if TYPE_CHECKING:
    from .compiler.compiled import Compiled, Model
    from .compiler.verify import Verification
    from .quant import Trained

__all__ = ["advice", "check_file", "check_torch", "count_resources", "proven", "simulate_folder", "streams",
           "train_recipe", "walk"]

Step = Callable[[str, int, int], None]


def train_recipe(name: str, output: Path, *, data: Path | None, test_data: Path | None, epochs: int | None,
                 seed: int | None, console: Console) -> Trained:
    """Train, export to ``output``, write the test split to ``test_data``, and print the table."""
    from . import quant

    recipe = quant.recipes.get(name)
    # Nothing is worse than a long training that cannot be saved.
    for path in (output, test_data):
        check_file(path)
    trained = quant.train(recipe, data=data, epochs=epochs, seed=seed, console=console)
    quant.export(trained.module, output, (1, *recipe.shape), quant.metadata(recipe),
                 notes=trained.compressed.notes if trained.compressed else None)
    if test_data is not None:
        split = quant.load(recipe.dataset, data)
        with test_data.open("wb") as file:  # a name given to NumPy would gain an ending
            np.savez_compressed(file, x=split.x_test, y=split.y_test)
    console.print(quant.summary(trained))
    if trained.compressed is not None:
        console.print(quant.steps_table(trained.compressed), quant.layers_table(trained.compressed),
                      quant.entries_table(trained.compressed))
        for line in quant.remarks(trained.compressed):
            console.print(line, highlight=False)
    declared = f"--input {recipe.input_type} --input-scale {recipe.input_scale}"
    console.print(f"written to [bold]{output}[/]; next: gatewright build {output} {declared} -o DIR", highlight=False,
                  soft_wrap=True)
    return trained


def check_file(path: Path | None) -> None:
    """Raise ``UserError`` if a file could not be written there, before the work that it is to hold."""
    if path is None:
        return
    if path.is_dir():
        raise UserError("is a folder", where=str(path), remedy="name a file")
    if not path.absolute().parent.is_dir():
        raise UserError("is in a folder that does not exist", where=str(path), remedy="make the folder first")
    if not os.access(path.absolute().parent, os.W_OK):
        raise UserError("is in a folder that you may not write", where=str(path), remedy="name another one")


def check_torch(trained: Trained, model: Path, console: Console, *, data: Path | None = None,
                frames: int = 1000) -> None:
    """Hold the exported file against the torch module on test images: every difference must be a tie.

    Raises
    ------
    MismatchError
        If a code of the module is not the file's and float32 rounding does not explain it.
    """
    from . import compiler, quant
    from .compiler import reference

    recipe = trained.recipe
    split = quant.load(recipe.dataset, data)
    imported = compiler.load(model, input=recipe.input_type, input_scale=recipe.input_scale).imported
    codes = split.x_test[:frames].reshape(-1, recipe.inputs).astype(np.int64)
    exact = reference.run_exact(imported.model, codes, imported.graph.spec)
    torch_run = quant.boundaries(trained.module, quant.units(codes, recipe))
    explained = reference.explain(exact, torch_run.codes, torch_run.outputs)
    console.print(f"torch = file on {len(codes)} test images; frames parted by ties: {sum(explained.parted.values())}",
                  highlight=False)


def simulate_folder(folder: Path, data: Path, labels: Path | None, frames: int | None, output: Path | None,
                    seed: int | None, waves: Path | None, console: Console) -> None:
    """Run a build's RTL on data and print its answers and speed."""
    from . import compiler
    from .compiler.build import rtl_files
    from .compiler.data import read
    from .compiler.execute import run_golden
    from .compiler.hardware import Hardware
    from .compiler.words import unpack
    from .sim import patterns

    for path in (output, waves):
        check_file(path)
    design = compiler.Design.open(folder)
    frame_set = read(data, labels).first(frames)
    if frame_set.y is not None:
        design.check_labels(frame_set.y)
    golden = run_golden(design.graph, design.codes(frame_set.x))
    with console.status("building the simulator"):
        hardware = Hardware(design.dataflow, design.name, rtl_files(folder), waves=waves is not None)
    stalls = {} if seed is None else {"offers": patterns.offers(seed), "accepts": patterns.accepts(seed)}
    with console.status("running"):
        measured = hardware.run(golden, waves=waves, **stalls)
    seconds = measured.seconds
    last = design.dataflow.edges[-1]
    integers = unpack(measured.outputs, last)
    values = {design.graph.output: integers}
    classes, logits = design.classes(values), design.logits(values)

    table = Table(title=f"{design.name} in Verilator: {len(integers)} frames", title_justify="left")
    for column in ("frame", "integers", "class", *(["label"] if frame_set.y is not None else [])):
        table.add_column(column, justify="left" if column == "integers" else "right")
    for frame in range(min(10, len(integers))):
        row = [str(frame), " ".join(map(str, integers[frame])), str(classes[frame])]
        table.add_row(*row, *([str(frame_set.y[frame])] if frame_set.y is not None else []))
    console.print(table)
    if frame_set.y is not None:
        console.print(f"accuracy {np.mean(classes == frame_set.y):.2%}", highlight=False)
    console.print(f"{measured.cycles} cycles, {measured.cycles / len(integers):.1f} a frame; "
                  f"{len(integers) / seconds:,.0f} frames/s, {measured.cycles / seconds:,.0f} cycles/s in Verilator",
                  highlight=False)
    if measured.waves is not None:
        console.print(f"waves in [bold]{measured.waves}[/]", highlight=False, soft_wrap=True)
    if output is not None:
        answers = {"integers": integers, "classes": classes}
        with output.open("wb") as file:
            np.savez_compressed(file, **answers, **({} if logits is None else {"logits": logits}))


def count_resources(folder: Path, families: Sequence[str], step: Step) -> dict[str, dict]:
    """Synthesise a build's core with Yosys for each family: resources by family, as ``report.json`` keeps them."""
    from . import compiler
    from .boards.family import FAMILIES
    from .boards.synthesis import resources

    name = compiler.Design.open(folder).name
    sources = sorted(path for path in (folder / "rtl").glob("*.v") if not path.stem.startswith(f"{name}_axis"))
    counted = {}
    for number, family in enumerate(families):
        step(f"synthesis for {family}", number, len(families))
        log = folder / "boards" / family / "synthesis.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        counted[family] = resources(sources, name, FAMILIES[family], log=log).to_json()
    return counted


def walk(output: Path, console: Console, bar: Callable[[str], AbstractContextManager[Step]]) -> None:
    """The demo: train digits, build, verify with random stalls, count LUTs; say what was proven and what it costs."""
    from . import compiler
    from .compiler import build as folders
    from .compiler.data import read
    from .compiler.report import console as summary

    output.mkdir(parents=True, exist_ok=True)
    model, test, folder = output / "digits.onnx", output / "digits-test.npz", output / "build"
    console.rule("1 · train a binary network on handwritten digits (Brevitas)")
    trained = train_recipe("digits-w1a1", model, data=None, test_data=test, epochs=None, seed=None, console=console)
    check_torch(trained, model, console)

    console.rule("2 · build: QONNX to Verilog")
    recipe = trained.recipe
    design = compiler.compile(compiler.load(model, input=recipe.input_type, input_scale=recipe.input_scale),
                              fps=20_000, clock=24.0)
    with bar("build") as step:
        total = len(design.dataflow.stages) + 1
        done = iter(range(total + 1))
        design.write(folder, progress=lambda stage: step(f"Verilog of {stage}", next(done), total))
    console.print(f"written to [bold]{folder}[/]", highlight=False)

    console.rule("3 · verify: QONNX = golden = RTL in Verilator, random stalls on")
    frames = read(test)
    with bar("verify") as step:
        verification = design.verify(frames.x, frames.y, files=folders.rtl_files(folder), progress=step)
    folders.record(folder, verification=verification.to_json())

    console.rule("4 · cost: Yosys for iCE40 and ECP5")
    with bar("synthesis") as step:
        counted = count_resources(folder, ("ice40", "ecp5"), step)
    content = folders.record(folder, resources=counted)
    console.print(summary(content))
    console.print(proven(design, verification, counted))
    console.print(f"the whole report: [bold]{folder / 'report.html'}[/]", highlight=False)


def proven(design: Compiled, verification: Verification, counted: dict[str, dict] | None = None) -> Table:
    """What a verification proved, and what the design costs, as a table."""
    cycles, plain = verification.cycles, verification.plain
    table = Table(title=f"{design.name}: what was proven" + (", and what it costs" if counted else ""),
                  title_justify="left", show_header=False)
    table.add_column("what", overflow="fold")
    table.add_column("value", justify="right")
    microseconds = (cycles.latency["measured"] or 0) / design.clock
    accuracy = "no labels given" if verification.accuracy is None else f"{verification.accuracy:.2%}"
    for what, value in (
        (f"frames, each under random gaps and stalls (seed {verification.seed})", f"{verification.frames:,}"),
        ("QONNX graph = golden = RTL: streams compared word for word", f"{len(verification.boundaries)}"),
        ("integers that differ", f"{verification.mismatches}"),
        ("accuracy of the hardware", accuracy),
        ("initiation interval, predicted = measured", f"{cycles.interval['measured']:,} cycles"),
        (f"frames/s at {design.clock:g} MHz{', at least' if design.dataflow.sparse else ''}", f"{design.fps:,.0f}"),
        ("latency, predicted = measured", f"{cycles.latency['measured']:,} cycles = {microseconds:.2f} µs"),
        ("FIFO peaks, predicted = measured", f"{cycles.fifo_peaks['measured']} words"),
        ("cycles under stalls, predicted = measured", f"{verification.stalled_cycles['measured']:,}"),
        ("codes on a tie; frames that plain qonnx decides otherwise by one",
         f"{sum(verification.ties.values()):,}; {plain['frames_parted_by_ties']:,}"),
        *((f"{family} netlist (Yosys {proof['yosys']}): integers that differ, on {len(proof['boundaries'])} streams",
           f"{proof['mismatches']}") for family, proof in verification.netlists.items()),
        *((f"LUTs, {family} (Yosys {row['yosys']})", f"{row['luts_total']:,}")
          for family, row in (counted or {}).items()),
    ):
        table.add_row(what, value)
    return table


def streams(design: Compiled) -> str:
    """One line on what goes in and what comes out."""
    first, last, spec = design.dataflow.edges[0], design.dataflow.edges[-1], design.graph.spec
    worth = "codes of the model's own first quantiser" if spec.encoder is not None else f"each worth {spec.scale}"
    return (f"takes {first.elements} x {first.type} a frame ({worth}) in {first.words} words of {first.lanes}, gives "
            f"{last.elements} x {last.type} in {last.words} words of {last.lanes}")


def loads(design: Compiled) -> str | None:
    """One line on what can be loaded, and what stays as it is built."""
    if not design.dataflow.loadable:
        return None
    kept = "; ".join(f"{stage.name} {what}" for stage, what in design.dataflow.fixed)
    return (f"loadable: {', '.join(stage.name for stage in design.dataflow.loadable)}, each by its port load_UNIT "
            f"(gatewright weights makes the words)" + (f"; stays as built: {kept}" if kept else ""))


def advice(model: Model) -> str | None:
    """What to say where a file names the input that it was trained on, and another one was declared."""
    kind, scale = model.says.get("gatewright.input"), model.says.get("gatewright.input_scale")
    if not (kind and scale) or model.declared == (kind, scale):
        return None
    return f"note: the file says that it was trained on --input {kind} --input-scale {scale}"
