"""Interval analysis: the exact range of every integer, from the actual weights and thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir import ArgMax, Dense, Graph, IntType, MatMul, Node, Quantise, Threshold, Value

__all__ = ["InferTypes", "count_steps", "dot_interval", "partial_interval"]


def dot_interval(weights: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest value of each row of ``weights`` (int64 ``[out, in]``) times inputs in [low, high]."""
    at_low, at_high = weights * low, weights * high
    return np.minimum(at_low, at_high).sum(axis=1), np.maximum(at_low, at_high).sum(axis=1)


def partial_interval(weights: np.ndarray, low: int, high: int) -> tuple[int, int]:
    """What an accumulator may hold on the way to any row's sum, whatever the order: any subset of the terms."""
    at_low, at_high = weights * low, weights * high
    least = np.minimum(np.minimum(at_low, at_high), 0).sum(axis=1)
    greatest = np.maximum(np.maximum(at_low, at_high), 0).sum(axis=1)
    return int(least.min(initial=0)), int(greatest.max(initial=0))


def count_steps(integers: np.ndarray, thresholds: np.ndarray, falling: np.ndarray) -> np.ndarray:
    """How many thresholds each integer meets: ``integers`` ``[channels]``, ``thresholds`` ``[channels, levels]``."""
    column = integers[:, None]
    return np.where(falling[:, None], column <= thresholds, column >= thresholds).sum(axis=1)


@dataclass(frozen=True)
class InferTypes:
    """Give every value its exact interval, plain integers the narrowest type, and accumulators theirs."""

    def __call__(self, graph: Graph) -> Graph:
        values = {graph.input.name: graph.input}
        nodes: list[Node] = []
        for node in graph.nodes:
            node = self._visit(node, values)
            if isinstance(node.output, Value):
                values[node.output.name] = node.output
            nodes.append(node)
        return graph.with_nodes(nodes)

    def _visit(self, node: Node, values: dict[str, Value]) -> Node:
        if isinstance(node, MatMul):
            source = values[node.input]
            low, high = dot_interval(node.weights, source.lo, source.hi)
            return replace(node, output=_plain(node.output, low, high))
        if isinstance(node, Dense):
            source = values[node.input]
            low, high = dot_interval(node.weights, source.lo, source.hi)
            accumulator = IntType.spanning(*partial_interval(node.weights, source.lo, source.hi))
            if node.thresholds is None:
                output = _plain(node.output, low, high)
            else:
                output = _codes(node.output, low, high, node.thresholds, np.zeros(len(low), dtype=np.bool_))
            return replace(node, output=output, accumulator=accumulator)
        if isinstance(node, Threshold):
            source = values[node.input]
            low, high = (np.full(len(node.thresholds), bound, dtype=np.int64) for bound in (source.lo, source.hi))
            return replace(node, output=_codes(node.output, low, high, node.thresholds, node.falling))
        if isinstance(node, ArgMax):
            return replace(node, output=_plain(node.output, np.zeros(1, np.int64),
                                               np.array([values[node.input].shape[-1] - 1])))
        if isinstance(node, Quantise):
            return replace(node, output=replace(node.output, lo=node.output.type.lo, hi=node.output.type.hi))
        return node


def _plain(value: Value, low: np.ndarray, high: np.ndarray) -> Value:
    lo, hi = int(low.min()), int(high.max())
    return replace(value, lo=lo, hi=hi, type=IntType.spanning(lo, hi))


def _codes(value: Value, low: np.ndarray, high: np.ndarray, thresholds: np.ndarray, falling: np.ndarray) -> Value:
    """Codes are monotone in the integer, so the ends of its interval give theirs. The type is the quantiser's."""
    ends = np.concatenate([count_steps(end, thresholds, falling) for end in (low, high)])
    step = 2 if value.type.bipolar else 1
    return replace(value, lo=value.type.lo + step * int(ends.min()), hi=value.type.lo + step * int(ends.max()))
