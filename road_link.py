"""The front door's way to a board at a serial port, real or simulated: what `cli_boards` calls."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from .errors import MismatchError, UserError
from .road import check_file

if TYPE_CHECKING:
    from .sim.board import SimulatedBoard

__all__ = ["BAUD", "On", "place_of", "run_at_port", "serve_board", "simulated"]

BAUD = 1_000_000
"""bits/s where nothing else is said."""
Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class On:
    """What is on a board: the build folder of the design as it is there, the link's rate (bits/s) and the clock (MHz);
    ``board`` is its name, None where the design was not implemented for one.
    """

    folder: Path
    baud: int
    clock: float | None
    board: str | None


def place_of(folder: Path, board: str | None, baud: int | None) -> On:
    """What of a build folder is on the board: what was implemented for it, else the build itself.

    Raises
    ------
    UserError
        If the folder is no build, or several boards are possible.
    """
    if not (folder / "design.json").is_file():
        raise UserError("no build here: design.json is missing" if folder.is_dir() else "no such folder",
                        where=str(folder), remedy="make one with gatewright build MODEL -o DIR")
    found = {path.parent.name: path for path in sorted(folder.glob("boards/*/implementation.json"))}
    if board is None and len(found) > 1:
        raise UserError(f"was implemented for {', '.join(found)}", where=str(folder), remedy="say which with --board")
    path = found.get(board) if board is not None else next(iter(found.values()), None)
    if path is None:
        return On(folder, baud or BAUD, None, board)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return On(path.parent / "core", baud or int(said["baud"]), float(said["clock_mhz"]), path.parent.name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot be read: {error}", where=str(path),
                        remedy="make it again with gatewright implement") from None


def run_at_port(on: On, port: str, data: Path, labels: Path | None, frames: int | None, output: Path | None, *,
                check: bool, patience: float, console: Console,
                bar: Callable[[str], AbstractContextManager[Step]]) -> None:
    """Send frames to the board at a port and print what it answers, how fast, and what the line did.

    Raises
    ------
    MismatchError
        With ``check``, if an integer is not the golden model's.
    UserError
        If the port, the board or the data are not what they must be.
    """
    from . import compiler
    from .compiler.data import read
    from .compiler.execute import run_golden
    from .driver.board import Board
    from .driver.wire import Wire

    check_file(output)
    design = compiler.Design.open(on.folder)
    frame_set = read(data, labels).first(frames)
    if frame_set.y is not None:
        design.check_labels(frame_set.y)
    codes = design.codes(frame_set.x)
    with Board.open(port, Wire.read(on.folder), baud=on.baud, patience=patience) as board:
        with bar("run") as step:
            integers = board.run(codes, progress=lambda done, total: step("frames answered", done, total))
        statistics, identity = board.statistics, board.identity
    values = {design.graph.output: integers}
    classes, logits = design.classes(values), design.logits(values)
    if output is not None:
        answers: dict[str, Any] = {"integers": integers, "classes": classes, "logits": logits}
        with output.open("wb") as file:
            np.savez_compressed(file, **{name: array for name, array in answers.items() if array is not None})

    refused = sum(statistics.refused.values())
    table = Table(title=f"{design.name} at {port}", title_justify="left", show_header=False)
    table.add_column("what", overflow="fold")
    table.add_column("value", justify="right", overflow="fold")
    for what, value in (
        ("identity of the board's design", identity.identity.hex()),
        ("frames answered", f"{statistics.frames:,}"),
        *([("accuracy", f"{np.mean(classes == frame_set.y):.2%}")] if frame_set.y is not None else []),
        ("frames/s over the line", f"{statistics.frames_per_second:,.1f}"),
        ("bytes sent, received", f"{statistics.bytes_sent:,}, {statistics.bytes_received:,}"),
        ("packets that the board refused", f"{refused:,}" + (
            f" ({', '.join(f'{name} {count:,}' for name, count in statistics.refused.items() if count)})"
            if refused else "")),
        ("packets that came back damaged", f"{statistics.damaged:,}"),
        ("frames sent again for their answers were lost", f"{statistics.lost_answers:,}"),
        ("bytes of frames sent again", f"{statistics.resent_bytes:,}"),
        ("times gone back to where the board stood; asked", f"{statistics.went_back:,}; {statistics.timeouts:,}"),
    ):
        table.add_row(what, value)
    console.print(table)
    if check:
        golden = run_golden(design.graph, codes)[design.graph.output]
        different = np.argwhere(integers != golden)
        if len(different):
            frame, index = different[0]
            raise MismatchError(f"{len(different)} integers differ; the first: frame {frame}, index {index}, expected "
                                f"{golden[frame, index]}, got {integers[frame, index]}")
        console.print(f"all {golden.size:,} integers of {len(golden):,} frames equal those of the golden model",
                      highlight=False)


def simulated(on: On, *, clock: float | None = None, corrupt: float = 0.0, lose: float = 0.0, repeat: float = 0.0,
              seed: int = 0) -> tuple[SimulatedBoard, str]:
    """A simulated board with a design on it, not yet serving, and a line on what it is.

    ``clock`` is in MHz; by default that with which the design was implemented, else the board's oscillator's. Damage is
    as of :class:`.sim.board.SimulatedBoard`.

    Raises
    ------
    UserError
        If the clock does not make the rate, a share is none, or the simulation cannot be built.
    """
    from . import compiler
    from .boards import catalogue
    from .compiler.build import rtl_files
    from .compiler.uart_edge import emit_uart
    from .driver.wire import Wire
    from .sim.board import SimulatedBoard
    from .sim.verilated import Sources

    known = None if on.board is None else catalogue.find_board(on.board)
    if on.board is not None and known is None:
        raise UserError(f"no board is called {on.board!r}", where="--board",
                        remedy=f"say one of {', '.join(catalogue.BOARDS)}")
    design = compiler.Design.open(on.folder)
    mhz = clock or on.clock or (design.clock if known is None else known.clock_mhz)
    # The core's own files: a build's rtl/ holds its edges for buses, too.
    core = design.rtl()
    files = {name: text for name, text in rtl_files(on.folder).items() if name in core}
    top = emit_uart(design.dataflow, design.name, Wire.read(on.folder).identity, mhz * 1e6, on.baud)
    files |= {name: text.encode() for name, text in top.items()}
    # Longer than any answer takes; and if not, whatever the host says next wakes the board.
    idle = int(8 * (design.prediction.latency + float(design.prediction.interval))) + 20_000
    board = SimulatedBoard(Sources(files), f"{design.name}_uart", period=mhz * 1e6 / on.baud, idle=idle,
                           corrupt=corrupt, lose=lose, repeat=repeat, seed=seed)
    return board, f"{design.name}{f' on {on.board}' if on.board else ''}, simulated: {mhz:g} MHz, {on.baud} baud"


def serve_board(on: On, *, clock: float | None, corrupt: float, lose: float, repeat: float, seed: int,
                console: Console) -> None:
    """Simulate a board (:func:`simulated`) until somebody ends it (Ctrl-C, SIGTERM); say what went over its line."""
    with console.status("building the simulator"):
        board, what = simulated(on, clock=clock, corrupt=corrupt, lose=lose, repeat=repeat, seed=seed)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: board.stop())
        print(f"{board.port} {what}; Ctrl-C ends it", flush=True)
        began = time.monotonic()
        board.serve()
        counts, seconds = board.counts, time.monotonic() - began
        print(f"{counts.cycles:,} cycles in {seconds:.0f} s; to the board {counts.bytes_down:,} bytes, "
              f"{counts.damaged_down:,} of them damaged; from it {counts.bytes_up:,}, {counts.damaged_up:,} of them",
              flush=True)
    finally:
        board.close()
