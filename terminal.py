"""What all commands share: the console, the progress bar, and the options that several of them have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["DataFile", "Folder", "Frames", "Labels", "bar", "console"]

console = Console()

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A build folder, made by `gatewright build`.")]
DataFile = Annotated[Path, typer.Option(
    "--data", metavar="FILE", help="Frames: `.npy`, `.npz` (`x`, perhaps `y`) or IDX (`.gz` too). Integers are the "
    "accelerator's codes; floats are in the model's own units.")]
Labels = Annotated[Path | None, typer.Option(
    metavar="FILE", help="Labels, if not in the `.npz` nor beside the IDX file.")]
Frames = Annotated[int | None, typer.Option(min=1, help="Only the first so many frames.")]


@contextmanager
def bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on a terminal; call it with what is being done, how much is done and of how much."""
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                  TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total)
