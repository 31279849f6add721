"""The integer graph as text, a line a node: for messages, for reading, and for the passes' tests."""

from __future__ import annotations

import hashlib

import numpy as np

from .float32 import Chain
from .ir import ArgMax, Dense, Elementwise, Graph, MatMul, Node, Quantise, Threshold, Value

__all__ = ["dump"]


def dump(graph: Graph) -> str:
    """The whole graph. Small arrays are printed in full, larger ones as shape and digest."""
    encoder = "" if graph.spec.encoder is None else f", encoded by {_chain(graph.spec.encoder)}"
    lines = [f"graph {graph.name}", f"  {_value(graph.input)} = input, scale {graph.spec.scale}{encoder}"]
    lines += [f"  {_node(node)}" for node in graph.nodes]
    lines.append(f"  return %{graph.output}, final {_chain(graph.final)}")
    return "\n".join(lines) + "\n"


def _value(value: Value) -> str:
    shape = "x".join(str(d) for d in value.shape)
    return f"%{value.name}: {value.type}[{shape}] in {value.lo}..{value.hi}"


def _array(array: np.ndarray) -> str:
    if array.size <= 16:
        return str(array.tolist()).replace(" ", "")
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:8]
    return f"<{'x'.join(str(d) for d in array.shape)} {digest}>"


def _constant(array: np.ndarray) -> str:
    return repr(float(array[0])) if array.size == 1 else _array(array)


def _chain(chain: Chain) -> str:
    scale = _constant(chain.scale) if isinstance(chain.scale, np.ndarray) else str(chain.scale)
    return " ".join([f"*{scale}", *(f"{o.kind} {_constant(o.constant)}" for o in chain.operations)])


def _node(node: Node) -> str:
    output = _value(node.output) if isinstance(node.output, Value) else f"%{node.output}: float32"
    head = f"{output} = {type(node).__name__.lower()} {node.name} %{node.input}"
    if isinstance(node, MatMul):
        return f"{head} weights {node.weight_type} {_array(node.weights)}"
    if isinstance(node, Dense):
        tail = "" if node.thresholds is None else f", at least {_array(node.thresholds)}"
        return f"{head} weights {node.weight_type} {_array(node.weights)}, accumulator {node.accumulator}{tail}"
    if isinstance(node, Elementwise):
        return f"{head} {_chain(node.chain)}"
    if isinstance(node, Threshold):
        falling = np.flatnonzero(node.falling)
        tail = f", falling {_array(falling)}" if falling.size else ""
        return f"{head} at {_array(node.thresholds)}{tail}"
    assert isinstance(node, Quantise | ArgMax)
    return head
