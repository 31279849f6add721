"""Folding: how many rows (PE) and columns (SIMD) of each layer are worked on in a cycle, and on which engine."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import UserError
from ..hdl.lanes import words
from ..hdl.mvu import folded_cycles
from .ir import Dense, Graph

__all__ = ["DEFAULT_CYCLES", "ENGINES", "Blocks", "Choice", "Elements", "Fold", "Work", "choose", "cycles_for",
           "default_cycles", "depthwise_folds", "divisors", "from_json", "options", "parse", "to_json",
           "work_of"]

ENGINES = ("dense", "static", "eie")
"""What carries a layer out: lanes for all its weights; lanes for its blocks that are not all zeros; a sparse engine."""

# Without a wish, a frame may take this many cycles: small layers stay small, and 50 MHz give 200,000 frames/s.
DEFAULT_CYCLES = 256


@dataclass(frozen=True)
class Fold:
    """PE rows by SIMD columns a cycle."""

    pe: int
    simd: int

    engine: ClassVar[str] = "dense"

    @property
    def lanes(self) -> int:
        """Multiplications a cycle."""
        return self.pe * self.simd

    def cycles(self, rows: int, columns: int) -> int:
        """Cycles a frame of a ``rows`` x ``columns`` layer."""
        return folded_cycles(rows, columns, self.pe, self.simd)

    def __str__(self) -> str:
        return f"{self.pe}x{self.simd}"


@dataclass(frozen=True)
class Blocks(Fold):
    """Likewise, of the blocks of PE x SIMD weights that are not all zeros (``hdl.block_sparse``)."""

    engine: ClassVar[str] = "static"

    def __str__(self) -> str:
        return f"static:{self.pe}x{self.simd}"


@dataclass(frozen=True)
class Elements:
    """A sparse engine (``hdl.sparse``) of ``elements``, each working on one weight a cycle.

    ``simd`` activations come in a word and ``lanes_out`` sums leave in one; ``depth`` items wait at each element. Runs
    of rows without a weight are coded in ``run_bits``. ``balanced``: rows are dealt out to the elements so that all
    have about as much to do, not in turn.
    """

    elements: int
    simd: int
    lanes_out: int
    depth: int = 8
    run_bits: int = 4
    balanced: bool = False

    engine: ClassVar[str] = "eie"

    @property
    def lanes(self) -> int:
        """Multiplications a cycle."""
        return self.elements

    def __str__(self) -> str:
        depth = "" if self.depth == 8 else f"@{self.depth}"
        runs = "" if self.run_bits == 4 else f"r{self.run_bits}"
        return f"eie:{self.elements}x{self.simd}x{self.lanes_out}{depth}{runs}{'b' * self.balanced}"


Choice = Fold | Elements
"""An engine, and how much of it."""


def to_json(choice: Choice) -> dict:
    """A choice as plain data."""
    return {"engine": choice.engine, **asdict(choice)}


def from_json(said: dict) -> Choice:
    """What :func:`to_json` made; other entries are passed over. Raises ``KeyError`` where one is missing."""
    engine = said.get("engine", "dense")
    if engine == "eie":
        return Elements(*(said[name] for name in ("elements", "simd", "lanes_out", "depth", "run_bits", "balanced")))
    return (Blocks if engine == "static" else Fold)(said["pe"], said["simd"])


@dataclass(frozen=True)
class Work:
    """What a layer computes: at each of ``positions``, for each of ``groups``, ``rows`` x ``columns`` products.

    A ``depthwise`` layer has as many rows as channels, and as many columns as taps; its unit works on PE channels and
    one tap or all taps a cycle. ``unrolls`` says of which channels all taps may come at once: of "words" of any
    PE channels, of whole "pixels" only, or of "none".
    """

    rows: int
    columns: int
    positions: int = 1
    groups: int = 1
    depthwise: bool = False
    unrolls: str = "words"

    @property
    def products(self) -> int:
        """Multiplications a frame."""
        return self.rows * self.columns * self.positions * self.groups

    def cycles(self, fold: Fold) -> int:
        """Cycles a frame."""
        return fold.cycles(self.rows, self.columns) * self.positions * self.groups

    def cycles_of(self, folds: np.ndarray) -> np.ndarray:
        """Cycles a frame with each of ``folds``, rows (PE, SIMD): int64 ``[folds]``."""
        folded = -(-self.rows // folds[:, 0]) * -(-self.columns // folds[:, 1])
        return folded * (self.positions * self.groups)


def work_of(graph: Graph, layer: Dense) -> Work:
    """The work of a layer."""
    rows, columns = layer.weights.shape
    if layer.window is None:
        return Work(rows, columns)
    positions = layer.output.pixels
    if layer.groups == rows == graph.value(layer.input).channels > 1:
        # Only from one pixel to the next does a window of all taps step evenly over words of some of the channels.
        unrolls = "none" if layer.window.insert != (1, 1) else "words" if layer.window.stride[1] == 1 else "pixels"
        return Work(rows, columns, positions, 1, True, unrolls)
    return Work(rows // layer.groups, columns, positions, layer.groups)


def options(work: Work) -> np.ndarray:
    """Every fold worth a look: int64 ``[folds, 2]``, rows (PE, SIMD).

    Of all PE with the same number of row folds the smallest, and of SIMD with the same number of column folds: any
    other works on as many rows or columns in vain. A depthwise unit has those of :func:`depthwise_folds`.
    """
    if work.depthwise:
        return np.array([(fold.pe, fold.simd) for fold in depthwise_folds(work)], dtype=np.int64)
    pe, simd = (np.unique(-(-count // np.arange(1, count + 1))) for count in (work.rows, work.columns))
    return np.stack(np.meshgrid(pe, simd, indexing="ij"), axis=-1).reshape(-1, 2)


def depthwise_folds(work: Work) -> list[Fold]:
    """Every fold that a depthwise unit can have: PE that divide the channels, and one tap or all of them."""
    pes = divisors(work.rows)
    whole = {"words": pes, "pixels": pes[-1:], "none": []}[work.unrolls]
    return [Fold(pe, 1) for pe in pes] + [Fold(pe, work.columns) for pe in whole if work.columns > 1]


def divisors(number: int) -> list[int]:
    """Ascending."""
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


_EXAMPLE = ("write PE x SIMD for each layer in order, as in 16x49,static:8x8,eie:16x4x2, or name a JSON file of such "
            "strings or [PE, SIMD] pairs")
_FOLD = re.compile(r"(static:)?(\d{1,9})[xX*](\d{1,9})")
_ELEMENTS = re.compile(r"eie:(\d{1,9})x(\d{1,9})x(\d{1,9})(?:@(\d{1,9}))?(?:r(\d))?(b?)")


def parse(text: str) -> tuple[Choice, ...]:
    """What ``str`` says of each layer's choice, as in ``16x49,static:8x8,eie:16x4x2``, or a JSON file of such strings
    or of [PE, SIMD] pairs.

    Raises
    ------
    UserError
        If the text or the file is neither.
    """
    entries: list[str | Sequence[int]] = [part.strip() for part in text.split(",")]
    if text.endswith(".json"):
        try:
            entries = json.loads(Path(text).read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"cannot read {text}: {error.strerror}", where="--folding", remedy=_EXAMPLE) from None
        except ValueError as error:
            raise UserError(f"cannot read {text}: {error}", where="--folding", remedy=_EXAMPLE) from None
        if not isinstance(entries, list):
            raise UserError(f"{text} must hold a list, one entry a layer", where="--folding", remedy=_EXAMPLE)
    return tuple(_choice(entry) for entry in entries)


def _choice(entry: object) -> Choice:
    """One layer's."""
    numbers: object = entry
    kind = Fold
    if isinstance(entry, str):
        if pair := _FOLD.fullmatch(entry):
            kind, numbers = Blocks if pair[1] else Fold, [int(pair[2]), int(pair[3])]
        elif said := _ELEMENTS.fullmatch(entry):
            counts = [int(said[1]), int(said[2]), int(said[3]), int(said[4] or 8), int(said[5] or 4)]
            if min(counts) > 0:
                return Elements(*counts, balanced=bool(said[6]))
    if not (isinstance(numbers, list) and len(numbers) == 2
            and all(type(number) is int and number > 0 for number in numbers)):
        raise UserError(f"{entry!r} is no folding", where="--folding", remedy=_EXAMPLE)
    return kind(*numbers)


def cycles_for(fps: float, clock_mhz: float) -> int:
    """The longest initiation interval, in cycles, that gives ``fps`` frames/s at the clock.

    Raises
    ------
    UserError
        If the frame rate is not positive or above one frame a cycle.
    """
    if not (fps > 0 and math.isfinite(fps)):
        raise UserError(f"a frame rate must be positive, not {fps:g} frames/s", where="--fps")
    cycles = Fraction(clock_mhz) * 1_000_000 // Fraction(fps)
    if cycles < 1:
        raise UserError(f"{fps:g} frames/s are more than one a cycle at {clock_mhz:g} MHz", where="--fps",
                        remedy="ask for fewer frames/s or a faster --clock")
    return int(cycles)


def default_cycles(works: Sequence[Work]) -> int:
    """Cycles a frame where nobody says: :data:`DEFAULT_CYCLES`, or what some 512 lanes need where layers slide."""
    if all(work.positions == 1 for work in works):
        return DEFAULT_CYCLES
    return max(DEFAULT_CYCLES, sum(work.products for work in works) // 512)


def choose(works: Sequence[Work], cycles: int) -> tuple[Fold, ...]:
    """The folding of least lanes (PE x SIMD) for each layer with at most ``cycles`` a frame.

    Exact: every useful number of row folds is tried. Of equal lanes the one with fewer cycles is taken, then the one
    with fewer PEs, which need fewer accumulators and thresholds. A layer that cannot reach it is unrolled whole.
    """
    folds = []
    for work in works:
        each = max(1, cycles // (work.positions * work.groups))
        options = set()
        if work.depthwise:
            folds_of = depthwise_folds(work)
            options = {fold for fold in folds_of if work.cycles(fold) <= cycles} or {folds_of[-1]}
        else:
            for row_folds in range(1, min(work.rows, each) + 1):
                pe = words(work.rows, row_folds)
                options.add(Fold(pe, words(work.columns, each // words(work.rows, pe))))
        # A tap at a time takes a smaller window than all at once.
        folds.append(min(options, key=lambda fold: (fold.pe * fold.simd, work.cycles(fold),
                                                    fold.simd if work.depthwise else fold.pe)))
    return tuple(folds)
