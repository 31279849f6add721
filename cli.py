"""The command line: `gatewright train | build | weights | verify | simulate | report | demo`, and `cli_boards`.

Exit codes: 0 all is well; 1 an integer or a cycle differs; 2 bad input, with one line that says what, where and what
to do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from . import cli_boards
from .errors import GatewrightError, MismatchError, UserError
from .terminal import DataFile, Folder, Frames, Labels, bar, console

__all__ = ["app", "main"]

app = typer.Typer(
    name="gatewright", add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Quantised neural networks become verified streaming hardware.

A network trained with Brevitas and exported as QONNX goes in; Verilog comes out, with the proof that every integer of
it is the integer that the network computes, and every cycle the one predicted.

**The road:** `train` a recipe (or bring your own QONNX file), `build` the accelerator, `verify` it on data.
`demo` walks all of it in a minute.""")

# What a wrong option raises; its home differs between versions of typer, its place among the bases does not.
_UsageError = cast(type[Exception], typer.BadParameter.__bases__[0])


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Say the version and end.")] = False) -> None:
    if version:
        from . import __version__

        print(f"gatewright {__version__}")
        raise typer.Exit


_RECIPES = ", ".join(f"`{path.stem.replace('_', '-')}`" for path in sorted(
    (Path(__file__).parent / "quant" / "recipes").glob("[!_]*.py")))


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help=f"`digits-w1a1` has its data embedded and takes seconds; the others "
                                               f"take MNIST, and minutes: {_RECIPES}.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The QONNX file to write.")],
    data: Annotated[Path | None, typer.Option(
        metavar="DIR", envvar="GATEWRIGHT_DATA",
        help="Folder of MNIST's four IDX files; without it they are downloaded.")] = None,
    test_data: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Also write the test split as `.npz`, ready for `gatewright verify --data`.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
) -> None:
    """Train a recipe with Brevitas and export it as QONNX (needs `pip install 'gatewright[train]'`)."""
    from .road import check_torch, train_recipe

    trained = train_recipe(recipe, output, data=data, test_data=test_data, epochs=epochs, seed=seed, console=console)
    check_torch(trained, output, console, data=data)


@app.command()
def build(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A QONNX file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The build folder to write.")],
    clock: Annotated[float, typer.Option(metavar="MHZ", help="Clock, for frames/s and latency in time.")] = 50.0,
    fps: Annotated[float | None, typer.Option(metavar="N", help="Frames/s to reach at the least cost.")] = None,
    luts: Annotated[int | None, typer.Option(
        metavar="N", help="At most so many lookup tables, as estimated. Without `--fps`: the fastest folding that "
        "fits.")] = None,
    bram: Annotated[int | None, typer.Option(metavar="N", help="At most so many memory blocks.")] = None,
    dsp: Annotated[int | None, typer.Option(metavar="N", help="At most so many multipliers.")] = None,
    board: Annotated[str | None, typer.Option(
        metavar="NAME", help="A device or board, whose budget and family it is: `up5k`, `icebreaker`, `ecp5-25f`, "
        "`ulx3s-85f`, `xc7a35t`, `pynq-z2`, …")] = None,
    family: Annotated[str | None, typer.Option(
        metavar="ice40|ecp5|xc7", help="The device family that costs are estimated for.")] = None,
    folding: Annotated[str | None, typer.Option(
        metavar="PExSIMD,…", help="Rows x columns a cycle for each layer in order, as in `16x49,8x8,8x8,10x8`, or a "
        "JSON file of such pairs. On other engines: `static:8x8`, `eie:ELEMENTSxLANESxLANES_OUT`.")] = None,
    engine: Annotated[str, typer.Option(
        metavar="auto|dense|static|eie|LAYER=…", help="What carries layers out: lanes for all weights, lanes that "
        "leave out blocks of zeros, or a sparse engine; for all that can be, or for some as in `fc0=eie,conv1=dense`. "
        "`auto` takes the cheapest that is fast enough, where at most half of the weights are not 0.")] = "auto",
    balance: Annotated[bool | None, typer.Option(
        "--balance/--no-balance", help="Deal out the rows of a layer to the elements of its sparse engine so that all "
        "have about as much to do. By default where that helps and costs nothing.")] = None,
    pipeline: Annotated[str | None, typer.Option(
        metavar="0|1|2|3|LAYER=…", help="How short paths between registers are in layers, for all or for some as in "
        "`fc0=2,fc1=1`: more registers and latency, a higher clock, the same frames a cycle.")] = None,
    input_type: Annotated[str | None, typer.Option(
        "--input", metavar="TYPE", help="What the accelerator takes: `uint8`, `int4`, `bipolar`, …; the model's input "
        "quantiser becomes thresholds on it. Without it: the codes of the model's first quantiser.")] = None,
    input_scale: Annotated[str | None, typer.Option(
        metavar="P/Q", help="What one step of the input is worth in the model's units, as in `1/255`.")] = None,
    top1: Annotated[bool, typer.Option("--top1", help="Give the class instead of the accumulators.")] = False,
    lut: Annotated[int | None, typer.Option(
        help="Inputs of the target's lookup table, 4 or 6; by default the family's, or 4.")] = None,
    weights: Annotated[str, typer.Option(
        metavar="rom|streamed|loadable", help="Where weights live: in each layer's unit, in a unit beside it, or in "
        "memories that the ports `load_UNIT` write while the accelerator runs.")] = "rom",
    name: Annotated[str | None, typer.Option(help="The top module's name; by default the file's.")] = None,
) -> None:
    """Compile a QONNX file to Verilog: a folder with the RTL, a cocotb bench, and a report.

    `--fps` finds the cheapest folding that reaches it, a budget (`--luts`, `--bram`, `--dsp`, `--board`) the fastest
    that fits, by the cost model and an exact solver. Without any of them or `--folding`, lanes are chosen so that a
    frame takes at most 256 cycles, or what some 512 lanes need where there are convolutions.
    """
    from . import compiler
    from .compiler import build as folders
    from .compiler.report import console as table
    from .compiler.report import summarise
    from .road import advice, loads, streams

    folders.check_place(output)
    loaded = compiler.load(model, input=input_type, input_scale=input_scale, name=name)
    design = compiler.compile(loaded, folding=folding, fps=fps, clock=clock, luts=luts, bram=bram, dsp=dsp,
                              board=board, family=family, top1=top1, lut=lut, memory=weights, engine=engine,
                              balance=balance, pipeline=pipeline)
    with bar("build") as step:
        total = len(design.dataflow.stages) + 1
        done = iter(range(total + 1))
        design.write(output, progress=lambda stage: step(f"Verilog of {stage}", next(done), total))
    console.print(table(summarise(design)))
    for line in (streams(design), loads(design), advice(loaded)):
        if line:
            console.print(line, highlight=False, soft_wrap=True)
    console.print(f"written to [bold]{output}[/]; next: gatewright verify {output} --data FILE", highlight=False,
                  soft_wrap=True)


@app.command()
def weights(
    folder: Folder,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Another training of the build's network, as QONNX; or "
                                                                "a file that `--coded` has written.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PLACE", help="The folder to write, or the file.")],
    coded: Annotated[bool, typer.Option("--coded", help="Write one file, Huffman-coded and with checksums.")] = False,
) -> None:
    """Write what turns a build with `--weights loadable` into another training: the words for each port `load_UNIT`.

    Nothing is built anew: the words go to the running accelerator, while no frame is inside. With `--coded` they are
    one `.gwc` file; given such a file as MODEL, it is checked and its words are written. A damaged file is refused.
    """
    from . import compiler
    from .compiler import coded as files
    from .compiler import loading
    from .compiler.checked import layouts_of

    design = compiler.Design.open(folder)
    if files.is_coded(model):
        if coded:
            raise UserError("is coded already", where=str(model), remedy="leave out --coded to unpack it")
        words = loading.unpack(design, model, output)
    else:
        declared, scale = design.model.declared or (None, None)
        other = compiler.load(model, input=declared, input_scale=scale)
        if coded:
            words, size = loading.write_coded(design, other, output)
            plain = sum(-(-layout.plain_bits // 8) for layout in layouts_of(design.dataflow).values())
            console.print(f"{sum(map(len, words.values())):,} words for {len(words)} ports written to "
                          f"[bold]{output}[/]: {size:,} bytes instead of {plain:,}", highlight=False, soft_wrap=True)
            return
        words = loading.write_words(design, other, output)
    console.print(f"{sum(map(len, words.values())):,} words for {len(words)} ports written to [bold]{output}[/]",
                  highlight=False, soft_wrap=True)


@app.command()
def verify(
    folder: Folder, data: DataFile, labels: Labels = None, frames: Frames = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random gaps and stalls.")] = 0,
    x_initial: Annotated[str, typer.Option(
        metavar="fast|unique", help="`unique`: everything undefined at power-up starts at random.")] = "fast",
    waves: Annotated[Path | None, typer.Option(
        metavar="FILE", help="If the RTL differs: waves (FST or VCD) up to the frame that does.")] = None,
    netlist: Annotated[list[str] | None, typer.Option(
        metavar="ice40|ecp5|gatemate", help="Synthesise for this family, too, and prove the netlist on the same "
        "frames; may be given for several.")] = None,
) -> None:
    """Prove a build on data: QONNX = golden = RTL in Verilator (= netlist), every integer of every stream, every cycle.

    Exits 0 when all is equal, 1 when one integer or cycle differs, 2 on bad input; `report.json` records it.
    """
    from . import compiler
    from .compiler import build as folders
    from .compiler.data import read
    from .road import check_file, proven

    check_file(waves)
    if x_initial not in ("fast", "unique"):
        raise UserError(f"{x_initial!r} is neither fast nor unique", where="--x-initial", remedy="say one of them")
    design = compiler.Design.open(folder)
    frame_set = read(data, labels).first(frames)
    try:
        with bar("verify") as step:
            verification = design.verify(frame_set.x, frame_set.y, seed=seed, files=folders.rtl_files(folder),
                                         x_initial=x_initial, waves=waves, netlists=netlist or (), progress=step)
    except MismatchError as error:
        if error.verification is not None:
            folders.record(folder, verification=error.verification.to_json())
        raise
    folders.record(folder, verification=verification.to_json())
    console.print(proven(design, verification))


@app.command()
def simulate(
    folder: Folder, data: DataFile, labels: Labels = None, frames: Frames = None,
    output: Annotated[Path | None, typer.Option(
        "-o", "--output", metavar="FILE", help="Write integers and logits as `.npz`.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random gaps and stalls; without it, none.")] = None,
    waves: Annotated[Path | None, typer.Option(metavar="FILE", help="Write waves (FST or VCD).")] = None,
) -> None:
    """Run the RTL on data in Verilator and say what it answers, and how fast."""
    from .road import simulate_folder

    simulate_folder(folder, data, labels, frames, output, seed, waves, console)


@app.command()
def report(
    folder: Folder,
    synth: Annotated[bool, typer.Option("--synth", help="Count LUTs with Yosys: iCE40, ECP5, 7-series.")] = False,
) -> None:
    """Show a build's report, and draw `report.html` anew; `--synth` adds resources."""
    from .compiler import build as folders
    from .compiler.report import console as table
    from .road import count_resources

    resources = {}
    if synth:
        with bar("synthesis") as step:
            resources = {"resources": count_resources(folder, ("ice40", "ecp5", "xc7"), step)}
    console.print(table(folders.record(folder, **resources)))
    console.print(f"open [bold]{folder / 'report.html'}[/]", highlight=False)


app.add_typer(cli_boards.app)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to leave everything.")] = Path(
        "demo-build"),
) -> None:
    """Walk the whole road on handwritten digits: train, build, verify with random stalls, count LUTs."""
    from .road import walk

    walk(output, console, bar)


def main() -> None:
    """Run the command line; what people can mend ends in one line, never in a traceback."""
    if not sys.argv[1:]:
        sys.argv.append("--help")
    try:
        sys.exit(app(prog_name="gatewright", standalone_mode=False) or 0)
    except _UsageError as error:
        command = error.ctx.command_path if error.ctx else "gatewright"
        message = " ".join(error.format_message().split()).rstrip(".")
        print(f"gatewright: {message}; see '{command} --help'", file=sys.stderr)
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    except GatewrightError as error:
        print(f"gatewright: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"gatewright: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
