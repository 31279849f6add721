"""A TinyTapeout project: the core behind a tile's pins, its documentation, and a bench that knows nothing but the pins.

    OUT/
      info.yaml  docs/info.md      what TinyTapeout reads: pins, tiles, how it works and how to try it
      src/                         tt_um_NAME.v, NAME.v (the core, memories included), config.json, lint.vlt
      test/                        cocotb bench with vectors
      area.json                    what it takes, in which cells
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..atomic import replacing
from ..boards.cells import Area, area, library_name
from ..errors import UserError
from ..hdl.byte_pins import BytePins, Packing
from ..sim import bench_template
from . import tile_text as text
from .build import check_place
from .compiled import Compiled
from .emit import convert
from .execute import run_golden
from .tile_verilog import chip_verilog, without_power_up
from .words import pack

__all__ = ["MARK", "TILES", "files", "write"]

MARK = "info.yaml"
TILES = ("1x1", "1x2", "2x2", "3x2", "4x2", "6x2", "8x2")
"""Sizes of a project, in tiles."""

_LARGEST = 200_000  # bits of ROM, beyond which no tile holds a design and a synthesis would take hours
_FRAMES = 40


def files(design: Compiled, codes: np.ndarray | None = None, *, tiles: str = "1x2", clock_hz: int = 10_000_000,
          author: str = "") -> dict[str, bytes]:
    """The project's files by name, but for ``area.json``.

    Parameters
    ----------
    codes
        int64 ``[frames, elements]`` of the accelerator's input type, for the bench; by default seeded random ones.

    Raises
    ------
    UserError
        If there is no such number of tiles, or the design cannot be one (``tile_verilog``).
    """
    if design.dataflow.loadable:
        raise UserError("weights that are loaded need a port that a tile has no pins for", where=design.name,
                        remedy="build it with --weights rom")
    if tiles not in TILES:
        raise UserError(f"there is no project of {tiles!r} tiles", where="--tiles",
                        remedy=f"say one of {', '.join(TILES)}")
    if not 0 < clock_hz <= 1_000_000_000:
        raise UserError(f"a clock must be of more than 0 and at most 1,000 MHz, not {clock_hz / 1e6:g}",
                        where="--clock")
    weights = sum(work.products for work in design.works)
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    into, out = Packing(first.bits, first.words), Packing(last.bits, last.words)
    name, top = design.name, f"tt_um_{design.name}"
    bits = sum(stage.parameters.weight_bits * stage.parameters.weights.size for stage in design.dataflow.layers
               if hasattr(stage.parameters, "weight_bits") and hasattr(stage.parameters, "weights"))
    if bits > _LARGEST:
        raise UserError(f"{bits:,} bits of weights are more than a chip's corner holds; at most {_LARGEST:,} are tried",
                        where=name, remedy="train a smaller network, as the recipe digits-tile")
    pins = without_power_up(convert(BytePins(into, out), f"{name}_pins"), f"{name}_pins")
    core = f"// {name}: the core, and what packs its words into bytes.\n`default_nettype wire\n\n"
    core += f"{pins}\n{chip_verilog(design.dataflow, name)}"
    layers = " - ".join(map(str, (design.works[0].columns, *(work.rows for work in design.works))))
    title = f"{name}: a neural network of {len(design.works)} layers"
    source = design.dataflow.edges[0]
    facts = {
        "top": top, "name": name, "title": title, "author": author, "tiles": tiles, "clock_hz": clock_hz,
        "description": f"Layers {layers}, {weights:,} products a frame, compiled to gates",
        "layers": f"dense layers of {layers}" if all(work.positions == 1 for work in design.works) else
                  f"{len(design.works)} layers, {weights:,} products a frame",
        "in_elements": source.elements, "in_type": source.type, "out_elements": last.elements, "out_type": last.type,
        "means": ", the class" if design.top1 else "", "interval": _number(design.prediction.interval),
        "in_bytes": into.bytes, "out_bytes": f"{out.bytes} byte{'s' * (out.bytes > 1)}",
        "in_packing": _packing(into, source), "out_packing": _packing(out, last),
        "i_range": _range(first.bits), "o_range": _range(last.bits), "pins": _pinout(),
        "period": 1e9 / clock_hz,
    }
    bench = _bench(design, codes, into, out)
    makefile, ports = bench_template.tile_files(top)
    here = Path(bench_template.__file__)
    contents = {
        "info.yaml": text.INFO_YAML.format(**facts), "docs/info.md": text.INFO_MD.format(**facts),
        f"src/{top}.v": text.TOP.format(**facts), f"src/{name}.v": core,
        "src/config.json": text.CONFIG.format(**facts), "src/lint.vlt": text.LINT,
        "test/Makefile": text.MAKEFILE, "test/verilator.mk": makefile, "test/ports.vlt": ports,
        "test/tb.v": text.TB.format(**facts), "test/requirements.txt": text.REQUIREMENTS,
        "test/vectors.json": json.dumps(bench, indent=1) + "\n",
        "test/test.py": here.with_name("cocotb_tile.py").read_text(encoding="utf-8"),
        "test/run.py": here.with_name("cocotb_run.py").read_text(encoding="utf-8"),
    }
    return {path: content.encode() for path, content in contents.items()}


def write(design: Compiled, folder: Path, codes: np.ndarray | None = None, *, tiles: str = "1x2",
          clock_hz: int = 10_000_000, author: str = "", liberty: Path | None = None,
          progress: Callable[[str, int, int], None] = lambda what, done, total: None) -> Area:
    """Write the project; an earlier one in the same place is replaced at the end, or stays whole. Its area.

    Raises
    ------
    UserError
        As :func:`files`, if the place holds something else or cannot be written, or the Liberty file is none.
    """
    check_place(folder, MARK)
    if liberty is not None:
        library_name(liberty)
    progress("Verilog", 0, 2)
    made = files(design, codes, tiles=tiles, clock_hz=clock_hz, author=author)
    progress("area", 1, 2)
    top = f"tt_um_{design.name}"
    with tempfile.TemporaryDirectory(prefix="gatewright-tile-") as temporary:
        sources = []
        for path, content in made.items():
            if path.startswith("src/") and path.endswith(".v"):
                sources.append(Path(temporary) / Path(path).name)
                sources[-1].write_bytes(content)
        found = area(sources, top, liberty)
    progress("area", 2, 2)
    made["area.json"] = (json.dumps(found.to_json(), indent=1) + "\n").encode()
    with replacing(folder) as new:
        for path, content in made.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(content)
    return found


def _bench(design: Compiled, codes: np.ndarray | None, into: Packing, out: Packing) -> dict:
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    if codes is None:
        codes = np.random.default_rng(0).integers(first.type.lo, first.type.hi + 1, size=(_FRAMES, first.elements))
        codes = np.where(codes >= 0, 1, -1) if first.type.bipolar else codes
    golden = run_golden(design.graph, codes)[last.value]
    full = np.full((1, last.elements), -1 if last.type.signed else last.type.hi)

    def framed(values: np.ndarray, edge, packing: Packing) -> list[str]:
        words = pack(values, edge).reshape(len(values), edge.words, -1)
        return [packing.to_bytes([int.from_bytes(word.tobytes(), "little") for word in frame]).hex()
                for frame in words]

    cycles = math.ceil(design.prediction.interval) + design.prediction.latency + 2 * (into.bytes + out.bytes)
    return {"cycles_per_frame": cycles, "mask": framed(full, last, out)[0], "frames": [
        {"in": given, "out": wanted}
        for given, wanted in zip(framed(codes, first, into), framed(golden, last, out), strict=True)]}


def _number(interval) -> str:
    return f"{int(interval):,}" if interval.denominator == 1 else f"about {float(interval):,.1f}"


def _range(bits: int) -> str:
    return f"[{bits - 1}:0] " if bits > 1 else ""


def _packing(packing: Packing, edge) -> str:
    meaning = "1 is +1, 0 is -1" if edge.type.bipolar else "two's complement" if edge.type.signed else "unsigned"
    element = f"{edge.type} ({meaning})"
    word = f"{edge.lanes} elements of {element} a word" if edge.lanes > 1 else f"one element of {element} a word"
    if packing.words_a_byte > 1:
        return f"{word}, {packing.words_a_byte} words a byte, the first in the lowest bits"
    many = f"{packing.bytes_a_word} bytes a word, the lowest first" if packing.bytes_a_word > 1 else "a byte a word"
    return f"{word}, {many}, zeros above it"


def _pinout() -> str:
    names = [*(f"IN {k}" for k in range(8)), *(f"OUT {k}" for k in range(8)),
             "IN_VALID (in)", "IN_READY (out)", "OUT_VALID (out)", "OUT_READY (in)", "SYNC (in)", "OUT_LAST (out)", "",
             ""]
    pins = [f"{group}[{k}]" for group in ("ui", "uo", "uio") for k in range(8)]
    return "".join(f'  {pin}: "{re.sub("^IN ", "data in ", re.sub("^OUT ", "data out ", name))}"\n'
                   for pin, name in zip(pins, names, strict=True))
