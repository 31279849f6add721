"""Weights of the type that their quantiser gives, not of the narrowest that holds those of this training.

Weights that are loaded while the accelerator runs come from other trainings: what depends on their type must be the
same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ir import Conv, Graph, IntType, MatMul

__all__ = ["DeclareWeights"]


@dataclass(frozen=True)
class DeclareWeights:
    """Give every MatMul and Conv the type of its declared weights; without a declaration, the type stays."""

    def __call__(self, graph: Graph) -> Graph:
        return graph.with_nodes(
            replace(node, weight_type=IntType.spanning(*node.declared))
            if isinstance(node, MatMul | Conv) and node.declared is not None else node for node in graph.nodes)
