"""Netlists that can be simulated: a design of a family's cells as Verilog, and the models of those cells.

The models are those that come with Yosys, read where it is installed. Where Yosys has none, ``models/`` has our own.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from . import synthesis
from .family import Family

__all__ = ["SIMULATED", "Netlist", "synthesise"]

# Files of Yosys' `share`, by family and by the name that the simulator gets them under. Not ECP5's own cells_sim.v: it
# declares the memory, without saying what it does.
_MODELS: dict[str, dict[str, str]] = {
    "ice40": {"cells_sim.v": "ice40/cells_sim.v"},
    "ecp5": {"common_sim.v": "ecp5/common_sim.vh", "ccu2c_sim.v": "ecp5/ccu2c_sim.vh",
             "cells_ff.vh": "ecp5/cells_ff.vh", "cells_io.vh": "ecp5/cells_io.vh"},
    "gatemate": {"cells_sim.v": "gatemate/cells_sim.v"},
}

SIMULATED: tuple[str, ...] = tuple(_MODELS)
"""The families whose cells have models."""

_PARTS = ("payload", "valid", "ready")


@dataclass(frozen=True, eq=False)
class Netlist:
    """A synthesised design.

    ``files`` hold the netlist, as ``TOP.v``, and models of our own; ``libraries`` are the models of Yosys.
    ``streams`` are those that are still there, with all bits of their payload: their signals are called
    ``NAME_payload``, ``NAME_valid`` and, where the value is True, ``NAME_ready``. ``cells`` counts them by type.
    """

    top: str
    files: Mapping[str, bytes]
    libraries: Mapping[str, bytes]
    streams: Mapping[str, bool]
    cells: Mapping[str, int]
    yosys: str


def synthesise(sources: Sequence[Path], top: str, family: Family, *,
               streams: Mapping[str, tuple[int, Sequence[str]]] | None = None, log: Path | None = None) -> Netlist:
    """Synthesise Verilog files as :func:`.synthesis.resources` does, and make the netlist ready to be simulated.

    Parameters
    ----------
    sources
        Verilog files. Memory files that their ``$readmemh`` name lie beside the first.
    top
        The module to synthesise.
    family
        The target.
    streams
        Streams inside ``top``, whose names the synthesis may have kept or not: bits of the payload, and how the names
        of the signals begin, of which ``payload``, ``valid`` and ``ready`` are the ends.
    log
        Where to keep what Yosys prints.

    Raises
    ------
    UserError
        If there are no models for the family, pyosys is not installed, a file is missing, or Yosys fails.
    """
    if family.name not in _MODELS:
        raise UserError(f"the cells of {family.title} have no simulation models", where=family.name,
                        remedy=f"say one of {', '.join(SIMULATED)}")
    share = _share()
    with tempfile.TemporaryDirectory(prefix="gatewright-netlist-") as folder:
        written, verilog = Path(folder) / "netlist.json", Path(folder) / "netlist.v"
        module, version = synthesis.synthesise(sources, top, f"{family.synth} -top {top}", written, log=log,
                                               target=family.name)
        names = _kept(module, streams or {})
        # With Yosys' own long names the simulator's code would be several times larger, and a vector of which each bit
        # has a cell of its own is slow to simulate.
        but = " ".join(f"w:{new} %d" for new in names.values())
        _run([f'read_json "{written}"', f"cd {top}", *(f"rename {old} {new}" for old, new in names.items()), "cd ..",
              f"splitnets w:* {but}", f"rename -hide w:* x:* %d {but} c:*", "rename -enumerate -pattern n%",
              f'write_verilog -noattr "{verilog}"'], verilog)
        text = verilog.read_bytes()
    kept = {name: f"{name}_ready" in names.values() for name in streams or {} if f"{name}_valid" in names.values()}
    own = Path(__file__).with_name("models") / f"{family.name}.v"
    files = {f"{top}.v": b"`timescale 1ps / 1ps\n" + text}
    if own.is_file():
        files["models.v"] = own.read_bytes()
    cells = Counter(cell["type"] for cell in module["cells"].values() if not cell["type"].startswith("$"))
    return Netlist(top, files, {name: (share / path).read_bytes() for name, path in _MODELS[family.name].items()},
                   kept, dict(sorted(cells.items())), version)


def _share() -> Path:
    spec = importlib.util.find_spec("pyosys")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the Python package 'pyosys', which holds Yosys, is not installed",
                        remedy="install it with 'pip install pyosys'")
    return Path(next(iter(spec.submodule_search_locations))) / "share"


def _run(commands: Sequence[str], made: Path) -> None:
    done = subprocess.run([sys.executable, "-c", synthesis.DRIVER, *commands], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", cwd=made.parent, check=False)
    if done.returncode or not made.is_file():
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise UserError(f"Yosys failed: {errors[-1].strip() if errors else f'it ended with status {done.returncode}'}")


def _kept(module: dict, streams: Mapping[str, tuple[int, Sequence[str]]]) -> dict[str, str]:
    """Old and new names of the signals of streams that are whole: each bit is driven by a cell, a port or a constant.

    A stream without ``ready`` is kept, too; one without all of its payload or without ``valid`` is not.
    """
    driven: set[int | str] = {"0", "1"}
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell.get("port_directions", {}).get(port) == "output":
                driven.update(bits)
    for port in module["ports"].values():
        if port["direction"] == "input":
            driven.update(port["bits"])
    names: dict[str, str] = {}
    for stream, (bits, beginnings) in streams.items():
        found = {}
        for part in _PARTS:
            for name in (beginning + part for beginning in beginnings):
                net = module["netnames"].get(name)
                if (net and not net["hide_name"] and name not in names and name not in module["ports"]
                        and len(net["bits"]) == (bits if part == "payload" else 1) and driven.issuperset(net["bits"])):
                    found[name] = f"{stream}_{part}"
                    break
        if {f"{stream}_payload", f"{stream}_valid"} <= set(found.values()):
            names |= found
    return names
