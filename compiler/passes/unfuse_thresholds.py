"""What a sparse engine computes are sums alone: thresholds on them become a node, and so a unit, of their own again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Dense, Graph, Node, Threshold, Value
from .readers import fresh

__all__ = ["UnfuseThresholds"]


@dataclass(frozen=True)
class UnfuseThresholds:
    """Take the thresholds out of the Dense nodes of some names: the reverse of ``FuseThresholds`` there."""

    names: Collection[str]

    def __call__(self, graph: Graph) -> Graph:
        nodes: list[Node] = []
        for node in graph.nodes:
            if not isinstance(node, Dense) or node.thresholds is None or node.name not in self.names:
                nodes.append(node)
                continue
            kind = node.accumulator
            sums = Value(fresh(graph, f"{node.name}_sums"), node.output.shape, kind, kind.lo, kind.hi)
            nodes.append(replace(node, output=sums, thresholds=None, base=0))
            nodes.append(Threshold(fresh(graph, f"{node.name}_thresholds"), sums.name, node.output, node.thresholds,
                                   np.zeros(len(node.thresholds), dtype=np.bool_), node.base))
        return graph.with_nodes(nodes)
