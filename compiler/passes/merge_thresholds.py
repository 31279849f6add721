"""Codes of codes: a quantiser right after a quantiser is one quantiser, and one that changes nothing is none.

Exporters put a quantiser at both ends of a layer's edge, often with the same scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Graph, Node, Threshold, Value
from .intervals import count_steps
from .readers import reading, sole_readers

__all__ = ["MergeThresholds"]


@dataclass(frozen=True)
class MergeThresholds:
    """Compose a Threshold with the Threshold that alone reads it, then leave out Thresholds that change nothing.

    ``span`` is the largest number of integers that are tried to find that out.
    """

    span: int = 1 << 16

    def __call__(self, graph: Graph) -> Graph:
        return self._without_idle(_composed(graph))

    def _without_idle(self, graph: Graph) -> Graph:
        values = {graph.input.name: graph.input}
        renamed: dict[str, str] = {}
        nodes: list[Node] = []
        for node in graph.nodes:
            node = reading(node, renamed)
            if isinstance(node, Threshold) and self._idle(node, values[node.input]):
                source = values[node.input]
                renamed[node.output.name] = source.name
                if source.origin is None:  # the tensor of the codes is this one, too
                    values[source.name] = replace(source, origin=node.output.origin, order=node.output.order)
                continue
            if isinstance(node.output, Value):
                values[node.output.name] = node.output
            nodes.append(node)
        known = [node if isinstance(node.output, str) else replace(node, output=values[node.output.name])
                 for node in nodes]
        return graph.with_nodes(known, input=values[graph.input.name],
                                output=renamed.get(graph.output, graph.output))

    def _idle(self, node: Threshold, source: Value) -> bool:
        """Whether every integer of the source is its own code."""
        if source.hi - source.lo >= self.span or source.type.bipolar != node.output.type.bipolar:
            return False
        integers = np.arange(source.lo, source.hi + 1, 2 if source.type.bipolar else 1)
        rows = np.unique(np.concatenate([node.thresholds, node.falling[:, None]], axis=1), axis=0)
        return all(np.array_equal(_codes(node, integers, row[:-1], bool(row[-1])), integers) for row in rows)


def _codes(node: Threshold, integers: np.ndarray, thresholds: np.ndarray, falling: bool) -> np.ndarray:
    """One channel's codes."""
    rows = np.broadcast_to(thresholds, (len(integers), len(thresholds)))
    count = count_steps(integers, rows, np.full(len(integers), falling))
    return 2 * count - 1 if node.output.type.bipolar else node.base + count


def _composed(graph: Graph) -> Graph:
    sole = sole_readers(graph)
    merged: dict[str, Threshold] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node, Threshold) and node.input in merged:
            first = merged.pop(node.input)
            node = _compose(first, node, graph.value(first.input))
        if isinstance(node, Threshold) and isinstance(sole.get(node.output.name), Threshold):
            merged[node.output.name] = node
        else:
            nodes.append(node)
    return graph.with_nodes(nodes)


def _compose(first: Threshold, second: Threshold, source: Value) -> Threshold:
    """The thresholds of the second on what the first reads."""
    channels, levels = first.thresholds.shape
    codes = np.array([-1, 1]) if first.output.type.bipolar else first.base + np.arange(levels + 1)
    # By how many thresholds of the first are met, how many of the second are: [met of the first, channels].
    met = np.stack([count_steps(np.full(channels, code), second.thresholds, second.falling) for code in codes])
    reached = (met[:, :, None] > np.arange(second.thresholds.shape[1])).sum(axis=0)  # [channels, levels of the second]
    turned = second.falling[:, None]
    # Reached by the last ``reached`` counts of the first or, where the second falls, by the first ``reached`` counts:
    # from the threshold at ``place`` on, or up to the one before it.
    place = np.where(turned, reached, levels + 1 - reached)
    falls = first.falling[:, None]
    within = np.take_along_axis(first.thresholds, np.clip(place - 1, 0, levels - 1), axis=1)
    within = np.where(turned, np.where(falls, within + 1, within - 1), within)
    falling = falls ^ turned
    always, never = (np.where(falling, *ends) for ends in ((source.hi, source.lo), (source.lo - 1, source.hi + 1)))
    everywhere, nowhere = reached == levels + 1, reached == 0
    thresholds = np.where(everywhere, always, np.where(nowhere, never, within))
    return replace(second, input=first.input, thresholds=thresholds, falling=falling[:, 0])
