"""Runs the integer graph on the golden operators."""

from __future__ import annotations

import math

import numpy as np

from ..sim import golden
from .ir import (
    Add,
    ArgMax,
    Concat,
    Dense,
    Graph,
    Node,
    Pool,
    Rearrange,
    Requantise,
    Table,
    Threshold,
    Value,
    Window,
)

__all__ = ["run_golden"]

# Frames go through the graph so many at a time that the largest value stays near the caches.
_BLOCK_ELEMENTS = 1 << 22


def run_golden(graph: Graph, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Every integer value of the graph, by name, for codes ``[frames, elements]`` of the graph's input.

    All arrays are ``[frames, elements]`` in stream order, of an integer type that holds the values.

    Raises
    ------
    ValueError
        If the codes are not of the input's size and type, or a node is not one that the hardware has.
    """
    if codes.ndim != 2 or codes.shape[1] != graph.input.elements or not graph.input.type.holds(codes):
        raise ValueError(f"codes must be [frames, {graph.input.elements}] of {graph.input.type}, not {codes.shape}")
    values = {graph.input.name: graph.input}
    for node in graph.nodes:
        if not isinstance(node, HARDWARE):
            raise ValueError(f"node {node.name!r} is not one that the hardware has")
        values[node.output.name] = node.output
    block = max(1, _BLOCK_ELEMENTS // max(value.elements for value in values.values()))
    parts = [_run(graph, values, codes[begin : begin + block]) for begin in range(0, max(1, len(codes)), block)]
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in values}


def _run(graph: Graph, values: dict[str, Value], codes: np.ndarray) -> dict[str, np.ndarray]:
    found = {graph.input.name: codes}
    for node in graph.nodes:
        y = _execute(node, [found[name].reshape(-1, *values[name].shape) for name in node.inputs])
        found[node.output.name] = y.reshape(len(codes), node.output.elements)
    return found


HARDWARE = (Threshold, Dense, Pool, Requantise, Table, Add, Concat, Rearrange, ArgMax)


def _execute(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    x = inputs[0]
    match node:
        case Threshold() if node.output.type.bipolar:
            return golden.threshold_bipolar(x, node.thresholds, node.falling)
        case Threshold():
            return golden.threshold(x, node.thresholds, node.falling, node.base)
        case Dense():
            return _dense(node, x)
        case Pool():
            pool = golden.pool_max if node.kind == "max" else golden.pool_sum
            return pool(x, node.window.kernel, **_movement(node.window))
        case Requantise():
            return golden.requantise(x, node.multiplier, node.offset, node.shift, node.lo, node.hi,
                                     node.even)
        case Table():
            return golden.table(x, node.table, node.first)
        case Add():
            return golden.add(inputs, node.multipliers)
        case Concat():
            return golden.concat(inputs)
        case Rearrange():
            return golden.take(_flat(x), node.index)
        case ArgMax():
            return golden.arg_max(_flat(x))
    raise AssertionError(node)


def _dense(node: Dense, x: np.ndarray) -> np.ndarray:
    if node.window is None:
        y = golden.matmul(_flat(x), node.weights)
    else:
        weights = node.weights.reshape(len(node.weights), *node.window.kernel, -1)
        y = golden.conv(x, weights, groups=node.groups, **_movement(node.window))
    if node.thresholds is None:
        return y
    if node.output.type.bipolar:
        return golden.threshold_bipolar(y, node.thresholds)
    return golden.threshold(y, node.thresholds, base=node.base)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), math.prod(x.shape[1:]))


def _movement(window: Window) -> dict:
    return {"stride": window.stride, "pads": window.pads, "dilation": window.dilation, "insert": window.insert}
