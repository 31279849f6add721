"""A matrix product and the thresholds on it become one Dense node: what one matrix-vector unit computes."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Dense, Graph, IntType, MatMul, Node, Threshold
from .infer_types import partial_interval

__all__ = ["FuseThresholds"]


@dataclass(frozen=True)
class FuseThresholds:
    """Fuse every MatMul with the Threshold that reads it; a MatMul without one gives raw accumulators."""

    def __call__(self, graph: Graph) -> Graph:
        products = {node.output.name: node for node in graph.nodes if isinstance(node, MatMul)}
        fused = {node.input for node in graph.nodes if isinstance(node, Threshold) and node.input in products}
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, MatMul):
                if node.output.name not in fused:
                    nodes.append(self._dense(graph, node, None))
            elif isinstance(node, Threshold) and node.input in fused:
                nodes.append(self._dense(graph, products[node.input], node))
            else:
                nodes.append(node)
        return graph.with_nodes(nodes)

    def _dense(self, graph: Graph, product: MatMul, threshold: Threshold | None) -> Dense:
        source = graph.value(product.input)
        accumulator = IntType.spanning(*partial_interval(product.weights, source.lo, source.hi))
        return Dense(product.name, product.input, threshold.output if threshold else product.output, product.weights,
                     product.weight_type, accumulator, threshold.thresholds if threshold else None)
