"""Tools that come with pip, each run in a process of its own that ends when ours does, however ours ends."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import UserError

__all__ = ["check", "run", "version"]

# The process watches its parent, so that nothing is left running when that is killed.
_DRIVER = """
import importlib.metadata, os, sys, threading, time

def watch(parent):
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)

threading.Thread(target=watch, args=(int(sys.argv[1]),), daemon=True).start()
script = next(iter(importlib.metadata.entry_points(group="console_scripts", name=sys.argv[2])))
sys.argv = sys.argv[2:]
sys.exit(script.load()())
"""


def _script(tool: str) -> importlib.metadata.EntryPoint | None:
    return next(iter(importlib.metadata.entry_points(group="console_scripts", name=tool)), None)


def check(tools: Sequence[str]) -> None:
    """Raise ``UserError`` unless each of the tools is installed."""
    for tool in tools:
        if _script(tool) is None:
            raise UserError(f"the tool {tool} is not installed", remedy="install it with pip install 'gatewright[pnr]'")


def version(tool: str) -> str:
    """The version of the package that brings a tool."""
    script = _script(tool)
    return "" if script is None or script.dist is None else script.dist.version


def run(tool: str, arguments: Sequence[str], folder: Path, log: Path,
        hopeless: Callable[[str], str | None] = lambda line: None) -> int:
    """Run a tool in a folder, with all that it prints in a log; its exit status.

    ``hopeless`` is asked every second about the last line printed; if it gives a reason, the tool is ended, and the
    log's last line says ``ERROR:`` and why.

    Raises
    ------
    UserError
        If the tool is not installed.
    """
    check([tool])
    with log.open("a", encoding="utf-8") as stream:
        running = subprocess.Popen([sys.executable, "-c", _DRIVER, str(os.getpid()), tool, *arguments], cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    return running.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    reason = hopeless(_last_line(log))
                if reason is not None:
                    running.kill()
                    running.wait()
                    stream.write(f"\nERROR: {reason}\n")
                    return running.returncode
        finally:
            running.kill()


def _last_line(log: Path) -> str:
    """The last whole line of a log."""
    with log.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 1000))
        lines = stream.read().decode("utf-8", errors="replace").split("\n")[:-1]
    return lines[-1] if lines else ""
