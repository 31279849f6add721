"""What nothing reads is left out."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Graph, Node

__all__ = ["RemoveUnused"]


@dataclass(frozen=True)
class RemoveUnused:
    """Keep the nodes that the output depends on."""

    def __call__(self, graph: Graph) -> Graph:
        read = {graph.output}
        kept: list[Node] = []
        for node in reversed(graph.nodes):
            if (node.output if isinstance(node.output, str) else node.output.name) in read:
                read.update(node.inputs)
                kept.append(node)
        return graph.with_nodes(reversed(kept))
