"""A product and the few thresholds on it become one Dense node: what one matrix-vector unit computes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Conv, Dense, Graph, MatMul, Node, Threshold
from .flip_falling import mirrored
from .readers import sole_readers

__all__ = ["FuseThresholds"]


@dataclass(frozen=True)
class FuseThresholds:
    """Make every MatMul and Conv a Dense, with the Threshold that alone reads it if it rises and has few ``levels``.

    The accumulator's type is left to InferTypes. If ``loadable``, only thresholds are fused that rise whatever they
    become, since falling channels can be flipped.
    """

    levels: int = 3
    loadable: bool = False

    def __call__(self, graph: Graph) -> Graph:
        sole = sole_readers(graph)
        fused: set[str] = set()
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, MatMul | Conv):
                reader = sole.get(node.output.name)
                if not (isinstance(reader, Threshold) and reader.thresholds.shape[1] <= self.levels
                        and not reader.falling.any() and (mirrored(node) or not self.loadable)):
                    reader = None
                else:
                    fused.add(reader.name)
                nodes.append(_dense(node, reader))
            elif node.name not in fused:
                nodes.append(node)
        return graph.with_nodes(nodes)


def _dense(product: MatMul | Conv, threshold: Threshold | None) -> Dense:
    window, groups = (product.window, product.groups) if isinstance(product, Conv) else (None, 1)
    weights = np.ascontiguousarray(product.weights.reshape(len(product.weights), -1))
    index = product.index if isinstance(product, MatMul) else None
    if threshold is None:
        return Dense(product.name, product.input, product.output, weights, product.weight_type, product.output.type,
                     None, window, groups, declared=product.declared, index=index)
    return Dense(product.name, product.input, threshold.output, weights, product.weight_type, product.output.type,
                 threshold.thresholds, window, groups, threshold.base, product.declared, index)
