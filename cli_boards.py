"""The command line's commands for what is behind the Verilog: boards, bitstreams, hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .terminal import DataFile, Folder, Frames, Labels, bar, console

__all__ = ["app"]

app = typer.Typer()


@app.command()
def implement(
    folder: Folder,
    board: Annotated[str, typer.Option("--board", metavar="NAME", help="As `gatewright boards` lists them.")],
    clock: Annotated[float | None, typer.Option(metavar="MHZ", help="To reach; by default the build's.")] = None,
    baud: Annotated[int, typer.Option(min=1, help="Of the serial link, bits/s.")] = 1_000_000,
    seeds: Annotated[int, typer.Option(min=1, max=64, help="Starts of place and route; the best is kept.")] = 2,
    jobs: Annotated[int | None, typer.Option(min=1, help="Seeds at once; by default as many as processors.")] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Fold the layers anew if the design is too large.")] = False,
) -> None:
    """Make a bitstream: synthesis, place and route with several seeds, and whatever the clock takes.

    Where timing fails, the layers on the critical path are pipelined, and all else failing the clock is lowered; it
    says so. Results are in `DIR/boards/NAME`; `core/` there is the design as it is on the board, a build to verify.
    """
    from .compiler import Design
    from .compiler import build as folders
    from .compiler.implement import find_board, implement, record
    from .compiler.report_boards import console as table

    target = find_board(board)
    design = Design.open(folder)
    with bar("implement") as step:
        done = implement(design, target, folder / "boards" / target.name, clock=clock, baud=baud,
                         seeds=range(1, seeds + 1), jobs=jobs, fit=fit, progress=step)
    folders.record(folder, boards=record(folder, done))
    console.print(table(done.to_json()))
    for change in done.changes:
        console.print(f"changed: {change}", highlight=False, soft_wrap=True)
    if done.result.bitstream is not None:
        console.print(f"written to [bold]{done.folder / done.result.bitstream}[/]; next: "
                      f"{target.program.format(bitstream=done.folder / done.result.bitstream)}", highlight=False,
                      soft_wrap=True)


@app.command()
def boards(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One board, with its pins.")] = None,
) -> None:
    """List the boards: what their FPGAs hold, what carries the link, how far the tools that pip installs go."""
    from rich.table import Table

    from .boards.catalogue import BOARDS
    from .boards.flows import flow_for

    if name is not None:
        from .compiler.implement import find_board

        board = find_board(name)
        pins = ", ".join(f"{port} {pin.name}" for port, pin in board.read_pins().by_port().items())
        for line in (board.title, f"FPGA       {board.part}, {board.device.family.title}",
                     f"oscillator {board.clock_mhz:g} MHz", f"pins       {pins}", f"link       {board.link}",
                     f"program    {board.program}", f"see        {board.url}"):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("board", "device", "family"):
        table.add_column(title, no_wrap=True)
    for title in ("LUTs", "RAMs", "DSPs", "MHz"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("link", "up to"):
        table.add_column(title, no_wrap=True)
    for board in BOARDS.values():
        device = board.device
        table.add_row(board.name, device.name, device.family.name, f"{device.luts:,}", f"{device.block_rams:,}",
                      f"{device.dsps:,}", f"{board.clock_mhz:g}", "USB" if board.bridged else "adapter",
                      flow_for(board).reach)
    console.print(table)
    console.print("MHz: the oscillator's; a PLL makes others. More on one: gatewright boards NAME", highlight=False,
                  soft_wrap=True)


@app.command()
def run(
    folder: Folder,
    port: Annotated[str, typer.Option("--port", metavar="PORT", help="A serial port, such as `/dev/ttyUSB0`.")],
    data: DataFile, labels: Labels = None, frames: Frames = None,
    board: Annotated[str | None, typer.Option(
        "--board", metavar="NAME", help="Which board it is, if the design was implemented for several.")] = None,
    baud: Annotated[int | None, typer.Option(
        min=1, help="Of the link, bits/s; by default what the design was implemented with, or 1,000,000.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare every integer with the golden model's.")] = False,
    output: Annotated[Path | None, typer.Option(
        "-o", "--output", metavar="FILE", help="Write integers and logits as `.npz`.")] = None,
    patience: Annotated[float, typer.Option(
        min=0.1, metavar="SECONDS", help="Of silence, after which the board is taken to be dead.")] = 5.0,
) -> None:
    """Run frames on a board at a serial port, and say what it answers, how fast, and what the line damaged.

    The board says which design it holds; another one is refused. Damaged bytes cost time, and are reported; no answer
    is ever wrong. Exits 1 if `--check` finds an integer that differs.
    """
    from .road_link import place_of, run_at_port

    run_at_port(place_of(folder, board, baud), port, data, labels, frames, output, check=check, patience=patience,
                console=console, bar=bar)


@app.command()
def simulate_board(
    folder: Folder,
    board: Annotated[str | None, typer.Option(
        "--board", metavar="NAME", help="Which board; as it was implemented for it, if it was.")] = None,
    baud: Annotated[int | None, typer.Option(min=1, help="Of the link, bits/s; as of `run`.")] = None,
    clock: Annotated[float | None, typer.Option(
        metavar="MHZ", help="By default as implemented, or the board's oscillator's.")] = None,
    corrupt: Annotated[float, typer.Option(metavar="SHARE", help="Of bytes that are changed, both ways.")] = 0.0,
    lose: Annotated[float, typer.Option(metavar="SHARE", help="Of bytes that are lost.")] = 0.0,
    repeat: Annotated[float, typer.Option(metavar="SHARE", help="Of bytes that are doubled.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the damage.")] = 0,
) -> None:
    """Simulate a board: the whole design with its serial port in Verilator, behind a pseudo-terminal.

    The first word printed is the port's name, for `gatewright run --port`. It serves until it is ended.
    """
    from .road_link import place_of, serve_board

    serve_board(place_of(folder, board, baud), clock=clock, corrupt=corrupt, lose=lose, repeat=repeat, seed=seed,
                console=console)


@app.command()
def tile(
    folder: Folder,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The TinyTapeout project to write.")],
    tiles: Annotated[str, typer.Option(
        "--tiles", metavar="1x1|1x2|2x2|…", help="How much of a chip it asks for.")] = "1x2",
    clock: Annotated[float, typer.Option(metavar="MHZ", help="What the tile is to run at.")] = 10.0,
    author: Annotated[str, typer.Option(help="Your name, for `info.yaml`.")] = "",
    liberty: Annotated[Path | None, typer.Option(
        "--liberty", metavar="FILE", help="A cell library (`.lib`), in which the area is given; generic gates without "
        "one.")] = None,
    data: Annotated[Path | None, typer.Option(
        "--data", metavar="FILE", help="Frames for its bench, as of `verify`; random ones without them.")] = None,
    frames: Frames = None,
) -> None:
    """Make a chip of a small build: a TinyTapeout tile `tt_um_NAME`, with its pinout, documentation and bench.

    Frames go in and answers come out over eight pins each way. Memories become gates and flip-flops, and nothing relies
    on what they hold at power-up.
    """
    from .compiler import Design
    from .compiler.data import read
    from .compiler.tile import write

    design = Design.open(folder)
    codes = None if data is None else design.codes(read(data, None).first(frames).x)
    with bar("tile") as step:
        found = write(design, output, codes, tiles=tiles, clock_hz=round(clock * 1e6), author=author, liberty=liberty,
                      progress=step)
    size = f"{found.area:,.0f} um^2" if found.area is not None else f"about {found.transistors:,} transistors"
    console.print(f"{found.cells:,} cells, {found.flip_flops:,} of them flip-flops: {size} in {found.library} "
                  f"(Yosys {found.yosys}, cells alone)", highlight=False, soft_wrap=True)
    console.print(f"written to [bold]{output}[/]; next: make -C {output}/test -f verilator.mk", highlight=False,
                  soft_wrap=True)
