"""Who reads what: a value may be altered for one reader only where nothing else reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..ir import Add, Concat, Graph, Node

__all__ = ["fresh", "reading", "sole_readers"]


def sole_readers(graph: Graph) -> dict[str, Node]:
    """The reader of each value or float32 that has exactly one, by name; the graph's output counts as read."""
    readers: dict[str, list[Node | None]] = {graph.output: [None]}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    return {name: found[0] for name, found in readers.items() if len(found) == 1 and found[0] is not None}


def fresh(graph: Graph, name: str, also: Iterable[str] = ()) -> str:
    """``name``, with underscores until no node or value is called so."""
    taken = {graph.input.name, *also}
    for node in graph.nodes:
        taken |= {node.name, node.output if isinstance(node.output, str) else node.output.name}
    while name in taken:
        name += "_"
    return name


def reading(node: Node, renamed: Mapping[str, str]) -> Node:
    """The node with what it reads called by new names."""
    inputs = tuple(renamed.get(name, name) for name in node.inputs)
    if inputs == node.inputs:
        return node
    return replace(node, inputs=inputs) if isinstance(node, Add | Concat) else replace(node, input=inputs[0])
