"""The largest of some sums, then its code, is the largest of their codes: pooling then moves a few bits, not many."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ir import Graph, Node, Pool, Requantise, Threshold
from .readers import fresh, sole_readers

__all__ = ["SinkMaxPool"]


@dataclass(frozen=True)
class SinkMaxPool:
    """Exchange a max Pool and the rising Threshold or Requantise that alone reads it, where codes have fewer bits.

    Both rise, so the exchange is exact; padding wins in neither. What reads the codes sees no difference.
    """

    def __call__(self, graph: Graph) -> Graph:
        sole = sole_readers(graph)
        swapped: dict[str, Pool] = {}
        names: list[str] = []
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, Pool) and node.kind == "max":
                source, reader = graph.value(node.input), sole.get(node.output.name)
                if (isinstance(reader, Threshold | Requantise) and _rises(reader)
                        and reader.output.type.bits < source.type.bits):
                    names.append(fresh(graph, f"{reader.output.name}_unpooled", names))
                    codes = replace(reader.output, name=names[-1], shape=source.shape, origin=None, order=None)
                    swapped[reader.name] = replace(node, input=codes.name, output=reader.output)
                    node = replace(reader, input=source.name, output=codes)
            elif node.name in swapped:
                node = swapped[node.name]
            nodes.append(node)
        return graph.with_nodes(nodes)


def _rises(node: Threshold | Requantise) -> bool:
    return not node.falling.any() if isinstance(node, Threshold) else bool((node.multiplier >= 0).all())
