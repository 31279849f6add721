"""The last link of the chain of equalities: the netlist that synthesis makes of the RTL, on the frames of the RTL."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..boards import netlist
from ..boards.family import FAMILIES
from ..errors import UserError
from .compiled import Compiled
from .dataflow import Dataflow
from .hardware import Hardware

__all__ = ["NetlistProof", "check_family", "hardware_of", "synthesised"]


@dataclass(frozen=True)
class NetlistProof:
    """What was checked of one family's netlist, as ``report.json`` records it.

    ``boundaries`` are the streams compared word for word: those at the ends, and those inside that synthesis left
    whole. ``cells`` counts the netlist's cells by type. ``cycles`` are those of all runs together, each under stalls,
    as predicted and as measured. ``mismatches`` counts as in :class:`.verify.Verification`.
    """

    family: str
    frames: int
    mismatches: int
    boundaries: list[str]
    cycles: dict[str, int]
    cells: dict[str, int]
    yosys: str
    failure: str | None = None

    def to_json(self) -> dict:
        """As plain data."""
        return asdict(self)


def check_family(name: str) -> None:
    """Raise ``UserError`` unless netlists of a family can be simulated."""
    if name not in netlist.SIMULATED:
        raise UserError(f"{name!r} is no family whose cells can be simulated", where="--netlist",
                        remedy=f"say one of {', '.join(netlist.SIMULATED)}")


def synthesised(design: Compiled, files: Mapping[str, bytes], family: str) -> netlist.Netlist:
    """The netlist of a design's core, made of its Verilog and memory files by name.

    Raises
    ------
    UserError
        As :func:`.boards.netlist.synthesise`.
    """
    check_family(family)
    with tempfile.TemporaryDirectory(prefix="gatewright-rtl-") as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        sources = sorted(Path(folder) / name for name in files
                         if name.endswith(".v") and not name.startswith(f"{design.name}_axis"))
        return netlist.synthesise(sources, design.name, FAMILIES[family], streams=_streams(design.dataflow))


def hardware_of(design: Compiled, made: netlist.Netlist, x_initial: str = "fast") -> Hardware:
    """The netlist in Verilator."""
    return Hardware(design.dataflow, design.name, made.files, libraries=made.libraries, watched=made.streams,
                    x_initial=x_initial)


def _streams(dataflow: Dataflow) -> dict[str, tuple[int, list[str]]]:
    """What the signals of each stream between units may be called once the hierarchy is gone: the wires of the top, or
    the ports of the units at both ends.
    """
    found = {edge.name: (edge.bits, [f"{edge.name}_"]) for edge in dataflow.edges[1:-1]}
    for stage in dataflow.stages:
        names_in, names_out = stage.ports
        for port, edge in (*zip(names_out, stage.outputs, strict=True), *zip(names_in, stage.inputs, strict=True)):
            if edge.name in found:
                found[edge.name][1].append(f"{stage.name}.{port}__")
    return found
