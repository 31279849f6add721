"""Make the thresholds on a product rise: where a channel falls, its weights and thresholds change sign.

``a <= t`` is ``-a >= -t``, and ``-a`` is the product with negated weights. So the hardware compares in one direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...coding.xxhash32 import Hash
from ..ir import Conv, Graph, IntType, MatMul, Node, Threshold
from .readers import sole_readers

__all__ = ["FlipFalling", "mirrored"]


@dataclass(frozen=True)
class FlipFalling:
    """Negate the falling channels of every MatMul or Conv that a Threshold alone reads.

    Not where a negated weight would need another bit or, if ``loadable``, where one of those that may come would, and
    not where a hash gives the weights' signs. All other Thresholds keep their directions.
    """

    loadable: bool = False

    def __call__(self, graph: Graph) -> Graph:
        sole = sole_readers(graph)
        flipped: set[str] = set()
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, MatMul | Conv):
                reader = sole.get(node.output.name)
                hashed = isinstance(node, MatMul) and isinstance(node.index, Hash)
                if isinstance(reader, Threshold) and reader.falling.any() and not hashed:
                    rows = reader.falling.reshape(-1, *[1] * (node.weights.ndim - 1))
                    weights = np.where(rows, -node.weights, node.weights)
                    if mirrored(node) if self.loadable else node.weight_type.holds(weights):
                        low, high = min(node.output.lo, -node.output.hi), max(node.output.hi, -node.output.lo)
                        # These are no longer the model's accumulators: the interval widens, the origin goes.
                        output = replace(node.output, lo=low, hi=high, type=IntType.spanning(low, high), origin=None,
                                         order=None)
                        node = replace(node, weights=weights, output=output)
                        flipped.add(output.name)
            elif isinstance(node, Threshold) and node.input in flipped:
                node = replace(node, thresholds=np.where(node.falling[:, None], -node.thresholds, node.thresholds),
                               falling=np.zeros_like(node.falling))
            nodes.append(node)
        return graph.with_nodes(nodes)


def mirrored(node: MatMul | Conv) -> bool:
    """Whether the weights that may come are, negated, such weights again."""
    least, greatest = node.declared or (node.weight_type.lo, node.weight_type.hi)
    return least == -greatest
