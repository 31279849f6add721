"""Fits the cost model (`boards/cost_model.json`) on Yosys runs of random units, and says how far off it is.

    python -m bench.cost_model [--families ice40,ecp5,xc7] [--kinds matrix_vector,…] [--write] [--show KIND] [--counted]

The fit is of non-negative coefficients and least absolute relative errors. Its error is that of four fits which have
each not seen another quarter of the samples, on that quarter; the coefficients that are kept are fitted on all.
Counts are kept in `bench/cost_samples.json`, under the hash of what was synthesised, so that only units that have
changed are synthesised again. `--write` puts coefficients and errors into the package.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy.optimize import nnls

from gatewright.boards.cost import measured_numbers
from gatewright.boards.family import FAMILIES, FITTED, Family
from gatewright.boards.synthesis import resources
from gatewright.compiler.emit import Memories, convert

from .cost_samples import MOST, SAMPLES, Sample, count, draw

PARTS = 4
"""So often one part of the samples is held out, to see how well a fit on the others foresees it."""
SMALL = 32
"""Lookup tables below which a unit's relative error says nothing, and is not counted."""
REWEIGHTED, NEAR = 30, 0.1
"""Least absolute errors, by least squares reweighted so often; errors below so much weigh alike."""
STORE = Path(__file__).with_name("cost_samples.json")
ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "boards" / "cost_model.json"
SOURCES = (*sorted(ROOT.glob("hdl/*.py")), *(ROOT / name for name in (
    "boards/family.py", "bench/cost_samples.py", "bench/cost_samples_sparse.py", "bench/cost_samples_trained.py",
    "compiler/emit.py", "compiler/stream.py", "compiler/units.py")))
"""What samples' Verilog is made by."""
NAMES = ROOT / ".cost_samples.json"
"""The hash of each sample, so that as long as those files stay, a fit need not make Verilog."""


def _replace(path: Path, text: str) -> None:
    """Write a file whole: a run that is killed leaves what was there."""
    whole = path.with_name(f"{path.name}.{os.getpid()}")
    whole.write_text(text)
    whole.replace(path)


class Counts:
    """What Yosys counted, by the hash of what it was given: kept in a file from run to run."""

    def __init__(self, path: Path, *, only: bool = False):
        self._path, self._only = path, only
        self._kept = self._read()
        self._used: dict[str, list[float]] = {}
        self._yosys = importlib.metadata.version("pyosys")
        self._sources = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()
        self._names = self._read_names()

    def _read_names(self) -> dict[str, str]:
        said = json.loads(NAMES.read_text()) if NAMES.is_file() else {}
        return said["names"] if said.get("sources") == self._sources else {}

    def _read(self) -> dict[str, list[float]]:
        return json.loads(self._path.read_text()) if self._path.is_file() else {}

    def _files(self, sample: Sample) -> dict[str, str]:
        """A sample's Verilog and memory files."""
        files: dict[str, str] = {}
        # At the top of a design, Yosys' abc9 trips over ports whose elements have names of their own, `port[0]`.
        files["unit.v"] = re.sub(r"\\(\w+)\[(\d+)\] ", r"\1_element\2 ",
                                 convert(sample.component(), "unit", Memories("unit", files)))
        return files

    def of(self, sample: Sample, family: Family, name: str) -> list[float] | None:
        """Lookup tables, half memory blocks, multipliers; None if ``only`` what was counted before is wanted."""
        name = f"{family.name} {name}"
        key = self._names.get(name)
        if key not in self._kept:
            files = self._files(sample)
            said = json.dumps([self._yosys, family.synth, sorted(files.items())])
            key = f"{family.name} {hashlib.sha256(said.encode()).hexdigest()[:24]}"
            if key not in self._kept and self._only:
                return None
            if key not in self._kept:
                self._kept[key] = self._count(files, family)
                self.save(self._read() | self._kept)
            self._names = self._read_names() | self._names | {name: key}
            _replace(NAMES, json.dumps({"sources": self._sources, "names": self._names}, indent=1) + "\n")
        self._used[key] = self._kept[key]
        return self._kept[key]

    @staticmethod
    def _count(files: dict[str, str], family: Family) -> list[float]:
        with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as folder:
            for name, text in files.items():
                (Path(folder) / name).write_text(text)
            found = resources([Path(folder) / name for name in files if name.endswith(".v")], "unit", family)
        halves = sum(2 * size * number for begin, size in family.block_ram_cells.items()
                     for cell, number in found.cells.items() if cell.startswith(begin))
        return [found.luts_total, int(halves), found.dsps]

    def save(self, counts: dict[str, list[float]]) -> None:
        lines = [f"{json.dumps(key)}: {json.dumps(counts[key])}" for key in sorted(counts)]
        _replace(self._path, "{\n" + ",\n".join(lines) + "\n}\n")

    def forget_others(self) -> None:
        """Drop what this run did not ask for."""
        self.save(self._used)


class Points:
    """Samples of units that share coefficients, measured on a family.

    ``drawn`` says how each was drawn, ``parts`` which of :data:`PARTS` it belongs to.
    """

    def __init__(self, family: Family, samples: list[Sample], counts: list[list[float]], drawn: list[str],
                 parts: list[int]):
        self.samples, self.counts = samples, np.array(counts, dtype=np.float64)
        self.drawn, self.parts = np.array(drawn), np.array(parts)
        seen = [measured_numbers(family, sample.unit) for sample in samples]
        self.numbers = [{name: float(value) for name, value in numbers.items()} for numbers, *_ in seen]
        self.known = np.array([float(luts) for _, luts, _, _ in seen])
        self.foreseen = np.array([[float(halves), float(dsps)] for _, _, halves, dsps in seen])
        self.large = self.counts[:, 0] >= SMALL

    def fit(self, near: dict[str, float], train: np.ndarray) -> dict[str, float]:
        """Coefficients of all numbers, from the samples of ``train``; those that ``near`` names stay near its.

        As near as one more sample would pull them; those of numbers that no sample has are its.
        """
        names = sorted({name for numbers in self.numbers for name in numbers})
        weight = 1 / np.maximum(self.counts[:, 0], SMALL)[train]
        matrix = np.array([[numbers.get(name, 0.0) for name in names] for numbers in self.numbers])[train]
        matrix = matrix * weight[:, None]
        wanted = (self.counts[:, 0] - self.known)[train] * weight
        pulls = np.diag([column.max(initial=0.0) * (name in near)
                         for name, column in zip(names, matrix.T, strict=True)])
        rows = np.concatenate([matrix, pulls])
        goal = np.concatenate([wanted, pulls @ [near.get(name, 0.0) for name in names]])
        scale, found = np.ones(len(rows)), np.zeros(len(names))
        for _ in range(REWEIGHTED):
            found, _ = nnls(rows * scale[:, None], goal * scale)
            scale = 1 / np.sqrt(np.maximum(np.abs(rows @ found - goal), NEAR))
        seen = {name for name, column in zip(names, matrix.T, strict=True) if column.any()}
        unseen = {name: value for name, value in near.items() if name not in seen}
        return {name: float(f"{value:.6g}") for name, value in (*zip(names, found, strict=True), *unseen.items())}

    def like(self, others: dict[str, float], train: np.ndarray) -> dict[str, float]:
        """Another family's coefficients, scaled to what this one's samples of ``train`` need.

        Those that are 0 there say nothing, and neither do samples that have such numbers.
        """
        others = {name: value for name, value in others.items() if value}
        train = train & self.large & [all(name in others for name, value in numbers.items() if value)
                                      for numbers in self.numbers]
        ratio = np.median(self.counts[train, 0] / np.maximum(self.estimate(others)[train], 1)) if train.any() else 1.0
        return {name: float(ratio) * value for name, value in others.items()}

    def estimate(self, coefficients: dict[str, float]) -> np.ndarray:
        """Lookup tables by the model."""
        return self.known + np.array([sum(coefficients.get(name, 0.0) * value for name, value in numbers.items())
                                      for numbers in self.numbers])

    def errors(self, estimates: np.ndarray, which: np.ndarray | bool = True) -> np.ndarray:
        """Relative errors of lookup tables, of the larger units."""
        which = which & self.large
        return np.abs(estimates - self.counts[:, 0])[which] / self.counts[which, 0]


def measure(family: Family, kinds: list[str], counts: Counts, progress: Progress) -> dict[str, Points]:
    """Synthesise what has not been; points by the kind of their units."""
    found: dict[str, list[tuple[Sample, list[float], str, int]]] = {}
    jobs = [(number, kind) for kind in kinds for number in range(count(kind, family))]
    for number, kind in progress.track(sorted(jobs), description=f"synthesis for {family.name}"):
        sample = draw(kind, number, family)
        counted = counts.of(sample, family, f"{kind} {number}")
        if counted is not None:
            part = (number + list(SAMPLES).index(kind)) % PARTS
            found.setdefault(sample.unit.kind, []).append((sample, counted, kind, part))
    return {kind: Points(family, *map(list, zip(*entries, strict=True))) for kind, entries in found.items()}


def _coefficients(points: dict[str, Points], others: dict[str, dict[str, float]],
                  without: int | None = None) -> dict[str, dict[str, float]]:
    """Coefficients by kind, from all samples but those of one part.

    A unit's memories are weighed about as memories alone (tables of thresholds in order are simpler than random ones);
    all else about as in the family whose coefficients the ``others`` are, if there is one.
    """
    def fitted(kind: str, near: dict[str, float]) -> dict[str, float]:
        each = points[kind]
        train = each.parts != (-1 if without is None else without)
        return each.fit((each.like(others[kind], train) if kind in others else {}) | near, train)

    memory = fitted("memory", {})
    return {kind: memory if kind == "memory" else fitted(kind, memory) for kind in points}


def fit(points: dict[str, Points], others: dict[str, dict[str, float]],
        ) -> tuple[dict[str, dict[str, float]], dict[str, np.ndarray], dict[str, Any]]:
    """Coefficients by kind; what each sample takes by a fit that has not seen it; how far that is off."""
    held_out = {kind: np.zeros(len(each.samples)) for kind, each in points.items()}
    for part in range(PARTS):
        coefficients = _coefficients(points, others, part)
        for kind, each in points.items():
            mine = each.parts == part
            held_out[kind][mine] = each.estimate(coefficients[kind])[mine]
    off = np.concatenate([each.errors(held_out[kind]) for kind, each in points.items()])
    hit = np.concatenate([each.counts[:, 1:] == each.foreseen for each in points.values()])
    return _coefficients(points, others), held_out, {
        "luts": {"median": round(float(np.median(off)), 4), "p90": round(float(np.quantile(off, 0.9)), 4),
                 "held_out": len(off)},
        "block_rams": {"exact": round(float(hit[:, 0].mean()), 4), "samples": len(hit)},
        "dsps": {"exact": round(float(hit[:, 1].mean()), 4), "samples": len(hit)},
    }


def report(name: str, points: dict[str, Points], coefficients: dict[str, dict[str, float]],
           held_out: dict[str, np.ndarray], errors: dict[str, Any], console: Console) -> None:
    """A table of errors by kind."""
    table = Table(title=f"{name}: estimates against Yosys, units from {SMALL} LUTs on", title_justify="left")
    for column in ("unit", "samples", "fitted: median", "90 %", "held out: median", "90 %", "block RAMs exact",
                   "DSPs exact"):
        table.add_column(column, justify="left" if column == "unit" else "right")
    for kind, each in points.items():
        for drawn in dict.fromkeys(each.drawn.tolist()):
            mine, cells = each.drawn == drawn, []
            for estimates in (each.estimate(coefficients[kind]), held_out[kind]):
                off = each.errors(estimates, mine)
                cells += [f"{np.median(off):.1%}", f"{np.quantile(off, 0.9):.1%}"] if len(off) else ["", ""]
            hit = (each.counts[:, 1:] == each.foreseen)[mine].mean(axis=0)
            table.add_row(drawn, str(mine.sum()), *cells, f"{hit[0]:.0%}", f"{hit[1]:.0%}")
    table.add_section()
    off = np.concatenate([each.errors(each.estimate(coefficients[kind])) for kind, each in points.items()])
    table.add_row("all", str(errors["dsps"]["samples"]), f"{np.median(off):.1%}", f"{np.quantile(off, 0.9):.1%}",
                  f"{errors['luts']['median']:.1%}", f"{errors['luts']['p90']:.1%}",
                  f"{errors['block_rams']['exact']:.0%}", f"{errors['dsps']['exact']:.0%}")
    console.print(table)


def show(each: Points, coefficients: dict[str, float], held_out: np.ndarray, console: Console) -> None:
    """Every sample of a kind, those furthest off when held out first."""
    fitted = each.estimate(coefficients)
    off = (held_out - each.counts[:, 0]) / np.maximum(each.counts[:, 0], SMALL)
    for k in np.argsort(-np.abs(off)):
        console.print(f"{off[k]:+7.1%} {each.counts[k, 0]:6.0f} {held_out[k]:8.1f} {fitted[k]:8.1f} "
                      f"{each.counts[k, 1:].astype(int)} {each.foreseen[k].astype(int)} "
                      f"{each.drawn[k]}: {each.samples[k].text}", highlight=False, soft_wrap=True)
    console.print({name: round(value, 3) for name, value in coefficients.items() if value})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cost_model", description=__doc__.splitlines()[0])
    parser.add_argument("--families", default=",".join(FITTED), help="comma-separated")
    parser.add_argument("--kinds", default=",".join(SAMPLES), help="comma-separated; memory is always among them")
    parser.add_argument("--write", action="store_true", help=f"write {MODEL.name}")
    parser.add_argument("--show", metavar="KIND,…", help="list the samples of kinds")
    parser.add_argument("--counted", action="store_true", help="take only samples that were synthesised before")
    options = parser.parse_args()
    console, counts = Console(), Counts(STORE, only=options.counted)
    kinds = list(dict.fromkeys(["memory", *options.kinds.split(",")]))
    families = options.families.split(",")
    fitted = {}
    for name in sorted(families, key=lambda name: name != MOST):
        with Progress(console=console, transient=True) as progress:
            points = measure(FAMILIES[name], kinds, counts, progress)
        coefficients, held_out, errors = fit(points, fitted[MOST]["coefficients"] if MOST in fitted else {})
        fitted[name] = {"samples": sum(len(each.samples) for each in points.values()), "coefficients": coefficients,
                        "errors": errors}
        report(name, points, coefficients, held_out, errors, console)
        if options.show:
            show(points[options.show], coefficients[options.show], held_out[options.show], console)
    if options.write:
        if set(kinds) != set(SAMPLES) or set(families) != set(FITTED):
            parser.error("--write needs all families and kinds")
        counts.forget_others()
        content = {"made_by": "python -m bench.cost_model --write", "yosys": importlib.metadata.version("pyosys"),
                   "families": fitted}
        MODEL.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
