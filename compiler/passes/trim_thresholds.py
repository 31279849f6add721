"""Thresholds that the integers never pass, or always have, are left out, and so are entries that no integer reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Graph, IntType, Node, Table, Threshold, Value
from .intervals import count_steps

__all__ = ["TrimThresholds"]


@dataclass(frozen=True)
class TrimThresholds:
    """Trim every Threshold and Table to the interval of what it reads.

    A threshold beyond it comes to lie one beyond it; one level of thresholds stays. If ``loadable``, all levels do.
    """

    loadable: bool = False

    def __call__(self, graph: Graph) -> Graph:
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, Threshold):
                node = _trimmed(node, graph.value(node.input), self.loadable)
            elif isinstance(node, Table):
                node = _cut(node, graph.value(node.input))
            nodes.append(node)
        return graph.with_nodes(nodes)


def _cut(node: Table, source: Value) -> Table:
    table = node.table[:, source.lo - node.first : source.hi - node.first + 1]
    return replace(node, table=table.copy(), first=source.lo)


def _trimmed(node: Threshold, source: Value, loadable: bool) -> Threshold:
    falls = node.falling[:, None]
    thresholds = np.clip(node.thresholds, np.where(falls, source.lo - 1, source.lo),
                         np.where(falls, source.hi, source.hi + 1))
    if node.output.type.bipolar or loadable:
        return replace(node, thresholds=thresholds)
    met = np.stack([count_steps(np.full(len(thresholds), end), thresholds, node.falling)
                    for end in (source.lo, source.hi)])
    least = min(int(met.min()), thresholds.shape[1] - 1)
    most = max(int(met.max()), least + 1)
    base = node.base + least
    top = base + most - least
    output = replace(node.output, lo=max(node.output.lo, base), hi=min(node.output.hi, top),
                     type=IntType.spanning(base, top))
    return replace(node, thresholds=thresholds[:, least:most].copy(), base=base, output=output)
