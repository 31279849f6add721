"""Thresholds that no unit compares with: those of codes of more than 8 bits, and those on signs.

Codes of many bits become a multiplication, an addition and a shift, if integers exist that give every single code as
the thresholds do. Where float32 rounds on the way, thresholds lie off any line by a little; once the bits of code and
integer together pass 22 or so, hardly any scale has such integers, other than powers of two. Then a table serves if the
integers are few, or the thresholds themselves if they are not too many to store.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import UserError
from ..ir import Graph, Requantise, Table, Threshold, Value
from .affine import MAX_SHIFT, Affine, fit
from .intervals import count_all

__all__ = ["ReplaceThresholds"]

_MAX_BITS = 62


@dataclass(frozen=True)
class ReplaceThresholds:
    """Replace Thresholds of more than ``levels`` levels by a Requantise or, on ``span`` integers, a Table.

    Where neither is possible, up to ``stored`` thresholds of all different channels together stay what they are. If
    ``loadable``, those on signs become a table for each channel, equal or not.

    Raises
    ------
    UserError
        If nothing of this is possible; the message names the node.
    """

    levels: int = 255
    span: int = 4096
    stored: int = 1 << 16
    loadable: bool = False

    def __call__(self, graph: Graph) -> Graph:
        return graph.with_nodes(self._replaced(node, graph.value(node.input)) if isinstance(node, Threshold) else node
                                for node in graph.nodes)

    def _replaced(self, node: Threshold, source: Value) -> Threshold | Requantise | Table:
        if source.type.bipolar:
            return _table(node, source, self.loadable)
        if node.thresholds.shape[1] <= self.levels:
            return node
        for even in (False, True):
            found = _scaled(node, source, even)
            if found is not None:
                return found
        if source.hi - source.lo < self.span:
            return _table(node, source)
        different = np.unique(np.concatenate([node.thresholds, node.falling[:, None]], axis=1), axis=0)
        if different.size <= self.stored:
            return node
        raise UserError(f"gives {node.thresholds.shape[1] + 1} codes of integers from {source.lo} to {source.hi}, "
                        f"which no multiplication and shift of {MAX_SHIFT} bits does exactly",
                        where=f"node {node.name!r}", remedy="quantise to 8 bits or fewer, "
                        "or by a power of two without normalisation")


def _table(node: Threshold, source: Value, loadable: bool = False) -> Table:
    integers = np.arange(source.lo, source.hi + 1)
    codes = count_all(integers, node.thresholds, node.falling)
    codes = 2 * codes - 1 if node.output.type.bipolar else node.base + codes
    codes = codes[:1] if not loadable and (codes == codes[0]).all() else codes
    return Table(node.name, node.input, node.output, codes, source.lo)


def _scaled(node: Threshold, source: Value, even: bool) -> Requantise | None:
    known: dict[bytes, Affine | None] = {}
    found: list[Affine] = []
    for row, falls in zip(node.thresholds, node.falling, strict=True):
        key = row.tobytes() + bytes([bool(falls)])
        if key not in known:
            known[key] = _channel(row, bool(falls), node.base, source, even)
        affine = known[key]
        if affine is None:
            return None
        found.append(affine)
    shift = max(affine.shift for affine in found)
    multiplier, offset = ([getattr(affine, name) << shift - affine.shift for affine in found]
                          for name in ("multiplier", "offset"))
    reach = max(abs(source.lo), abs(source.hi))
    if max(reach * abs(m) + abs(b) for m, b in zip(multiplier, offset, strict=True)).bit_length() > _MAX_BITS:
        return None
    return Requantise(node.name, node.input, node.output, np.array(multiplier, dtype=np.int64),
                      np.array(offset, dtype=np.int64), shift, node.base, node.base + node.thresholds.shape[1], even)


def _channel(thresholds: np.ndarray, falls: bool, base: int, source: Value, even: bool) -> Affine | None:
    """One channel's multiply-add-shift; a falling one is found in the mirror."""
    low, high = (-source.hi, -source.lo) if falls else (source.lo, source.hi)
    steps = -thresholds if falls else thresholds
    codes = base + np.arange(1, len(steps) + 1)
    met, passed = steps <= high, steps > low
    if not (met & passed).any():  # constant
        return Affine(0, 2 * (base + int(met.sum())) + 1, 1)
    affine = fit((np.maximum(steps, low)[met], codes[met]), (np.minimum(steps, high + 1)[passed] - 1, codes[passed]),
                 even)
    if affine is None:
        return None
    return Affine(-affine.multiplier, affine.offset, affine.shift) if falls else affine
