"""Make every matrix product's thresholds rise: where a channel falls, its weights and thresholds change sign.

``a <= t`` is ``-a >= -t``, and ``-a`` is the product with negated weights. So the hardware compares in one direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Graph, IntType, MatMul, Node, Threshold

__all__ = ["FlipFalling"]


@dataclass(frozen=True)
class FlipFalling:
    """Negate the falling channels of every MatMul that feeds a Threshold. Thresholds on the graph's input stay."""

    def __call__(self, graph: Graph) -> Graph:
        flips = {node.input: node.falling for node in graph.nodes if isinstance(node, Threshold) and node.falling.any()}
        nodes: list[Node] = []
        flipped: set[str] = set()
        for node in graph.nodes:
            if isinstance(node, MatMul) and node.output.name in flips:
                weights = np.where(flips[node.output.name][:, None], -node.weights, node.weights)
                kind = node.weight_type if node.weight_type.holds(weights) else (
                    IntType.spanning(int(weights.min()), int(weights.max())))
                low, high = min(node.output.lo, -node.output.hi), max(node.output.hi, -node.output.lo)
                # The accumulators are no longer those of the model's tensor: the interval widens, the origin goes.
                output = replace(node.output, lo=low, hi=high, type=IntType.spanning(low, high), origin=None)
                node = replace(node, weights=weights, weight_type=kind, output=output)
                flipped.add(output.name)
            elif isinstance(node, Threshold) and node.input in flipped:
                rows = node.falling[:, None]
                node = replace(node, thresholds=np.where(rows, -node.thresholds, node.thresholds),
                               falling=np.zeros_like(node.falling))
            nodes.append(node)
        return graph.with_nodes(nodes)
