"""Interval analysis: the exact range of every integer, from the actual weights and thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import UserError
from ..ir import (
    Add,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Elementwise,
    Graph,
    IntType,
    MatMul,
    Node,
    Pool,
    Quantise,
    Rearrange,
    Requantise,
    Table,
    Threshold,
    Value,
)
from .intervals import (
    Interval,
    any_interval,
    count_steps,
    dot_interval,
    moved_interval,
    partial_interval,
    pool_interval,
    table_interval,
    window_interval,
)

__all__ = ["InferTypes", "count_steps", "dot_interval", "partial_interval"]

MAX_BITS = 62


@dataclass(frozen=True)
class InferTypes:
    """Give every value its exact interval, plain integers the narrowest type, and accumulators theirs.

    Intervals are found channel by channel. Codes have a type that holds every code of their thresholds, every entry of
    their table, whether it is reached or not; what only moves integers keeps the type of what it moves.

    If ``loadable``, the intervals are those of any weights, thresholds and tables of the same types and shapes.

    Raises
    ------
    UserError
        If a sum may need more than 62 bits; the message names the node.
    """

    loadable: bool = False

    def __call__(self, graph: Graph) -> Graph:
        values, intervals = {graph.input.name: graph.input}, {graph.input.name: _constant(graph.input)}
        nodes: list[Node] = []
        for node in graph.nodes:
            if not isinstance(node, Elementwise | Quantise):
                node, interval = _visit(node, [values[name] for name in node.inputs],
                                        [intervals[name] for name in node.inputs], self.loadable)
                values[node.output.name], intervals[node.output.name] = node.output, interval
            elif isinstance(node, Quantise):
                output = replace(node.output, lo=node.quantiser.lo, hi=node.quantiser.hi)
                node = replace(node, output=output)
                values[output.name], intervals[output.name] = output, _constant(output)
            nodes.append(node)
        return graph.with_nodes(nodes)


def _constant(value: Value) -> Interval:
    return np.full(value.channels, value.lo, dtype=np.int64), np.full(value.channels, value.hi, dtype=np.int64)


def _visit(node: Node, sources: list[Value], intervals: list[Interval], loadable: bool):
    """The node with its output's interval and type, and that interval channel by channel."""
    assert isinstance(node.output, Value)
    source, (low, high) = sources[0], intervals[0]
    kind: IntType | None = None  # the narrowest that holds the interval
    changes = {}
    match node:
        case MatMul() | Conv():
            interval = _products(node, source, low, high, loadable)
        case Dense():
            interval = _products(node, source, low, high, loadable)
            ends = _hull(interval) if loadable else _partial(node, source, low, high)
            changes["accumulator"] = IntType.spanning(*ends)
            if node.thresholds is not None and loadable:
                interval, kind = _any_codes(node.output, node.thresholds, node.base)
            elif node.thresholds is not None:
                rising = np.zeros(len(node.weights), dtype=np.bool_)
                interval, kind = _codes(node.output, interval, node.thresholds, rising, node.base)
        case Threshold() if loadable:
            interval, kind = _any_codes(node.output, node.thresholds, node.base)
        case Threshold():
            interval, kind = _codes(node.output, (low, high), node.thresholds, node.falling, node.base)
        case Requantise():
            _demand_bits(node, _reach((low, high)) * _reach((node.multiplier,)) + _reach((node.offset,)))
            ends = np.stack([low, high]) * node.multiplier + node.offset >> node.shift
            interval, kind = _sorted(np.clip(ends, node.lo, node.hi)), IntType.spanning(node.lo, node.hi)
        case Table() if loadable:
            interval, kind = _constant(node.output), node.output.type
        case Table():
            interval = table_interval(node.table, node.first, (low, high))
            bipolar = node.output.type.bipolar
            kind = node.output.type if bipolar else IntType.spanning(int(node.table.min()), int(node.table.max()))
        case Pool(kind="sum"):
            interval = pool_interval(node.window, (source.shape[0], source.shape[1]), (low, high))
        case Pool():
            interval, kind = (low, high), source.type
        case Add():
            terms = list(zip(intervals, node.multipliers, strict=True))
            _demand_bits(node, sum(_reach(each) * abs(factor) for each, factor in terms))
            ends = [_sorted(np.stack(each) * factor) for each, factor in terms]
            interval = np.sum([end[0] for end in ends], axis=0), np.sum([end[1] for end in ends], axis=0)
        case Concat():
            interval = np.concatenate([each[0] for each in intervals]), np.concatenate([each[1] for each in intervals])
            kind = source.type if {each.type for each in sources} == {source.type} else None
        case Rearrange():
            interval = moved_interval(node.index, node.output.channels, (low, high))
            padded = source.type.bipolar and bool((node.index < 0).any())
            kind = IntType(2, signed=True) if padded else source.type
        case ArgMax():
            interval = np.zeros(1, dtype=np.int64), np.array([source.elements - 1])
        case _:
            raise TypeError(f"no intervals are known of a {type(node).__name__}")
    lo, hi = int(interval[0].min()), int(interval[1].max())
    output = replace(node.output, lo=lo, hi=hi, type=kind or IntType.spanning(lo, hi))
    return replace(node, output=output, **changes), interval


def _products(node: MatMul | Conv | Dense, source: Value, low: np.ndarray, high: np.ndarray,
              loadable: bool) -> Interval:
    """The range of the sums."""
    if loadable:
        weights = node.declared or (node.weight_type.lo, node.weight_type.hi)
        _demand_bits(node, float(node.weights[0].size) * _reach((np.array(weights),)) * _reach((low, high)))
        window = None if isinstance(node, MatMul) else node.window
        low, high = (np.atleast_2d(_seen(node, source, bound)) for bound in (low, high))
        ends = any_interval(weights, window, (source.shape[0], source.shape[-2] if window else 1), low, high)
        least, greatest = (np.broadcast_to(end, len(node.weights)) for end in ends)
        return least, greatest
    rows = node.weights.reshape(len(node.weights), -1)
    _demand_bits(node, np.abs(rows).sum(axis=1, dtype=np.float64).max() * _reach((low, high)))
    low, high = _seen(node, source, low), _seen(node, source, high)
    if isinstance(node, MatMul) or node.window is None:
        return dot_interval(rows, low, high)
    weights = rows.reshape(len(rows), node.window.taps, -1)
    return window_interval(weights, node.window, (source.shape[0], source.shape[1]), low, high)


def _partial(node: Dense, source: Value, low: np.ndarray, high: np.ndarray) -> tuple[int, int]:
    """What an accumulator holds on the way to the sums."""
    low, high = _seen(node, source, low), _seen(node, source, high)
    if node.window is None:
        return partial_interval(node.weights, low, high)
    ends = [partial_interval(rows, np.tile(least, node.window.taps), np.tile(most, node.window.taps))
            for rows, least, most in _by_group(node, low, high)]
    return min(end[0] for end in ends), max(end[1] for end in ends)


def _by_group(node: Dense, low: np.ndarray, high: np.ndarray):
    """The rows of each group, and the bounds of the channels that they see."""
    per_group = len(node.weights) // node.groups
    for first in range(0, len(node.weights), per_group):
        yield node.weights[first : first + per_group], low[first], high[first]


def _seen(node: MatMul | Conv | Dense, source: Value, bound: np.ndarray) -> np.ndarray:
    """A bound of each input: of all, or of the channels of its group that each output channel sees, at every tap."""
    if isinstance(node, MatMul) or node.window is None:
        return np.tile(bound, source.pixels)
    return bound.reshape(node.groups, -1).repeat(len(node.weights) // node.groups, axis=0)


def _codes(value: Value, interval: Interval, thresholds: np.ndarray, falling: np.ndarray,
           base: int) -> tuple[Interval, IntType]:
    """Codes are monotone in the integer, so the ends of its interval give theirs."""
    low, high = _sorted(np.stack([count_steps(end, thresholds, falling) for end in interval]))
    if value.type.bipolar:
        return (2 * low - 1, 2 * high - 1), value.type
    return (base + low, base + high), IntType.spanning(base, base + thresholds.shape[1])


def _any_codes(value: Value, thresholds: np.ndarray, base: int) -> tuple[Interval, IntType]:
    """All codes that any thresholds give."""
    levels = thresholds.shape[1]
    lo, hi = (-1, 1) if value.type.bipolar else (base, base + levels)
    kind = value.type if value.type.bipolar else IntType.spanning(lo, hi)
    return (np.full(value.channels, lo), np.full(value.channels, hi)), kind


def _hull(interval: Interval) -> tuple[int, int]:
    """The least and the greatest of all, and 0."""
    return int(interval[0].min(initial=0)), int(interval[1].max(initial=0))


def _reach(arrays: tuple[np.ndarray, ...]) -> float:
    """The largest magnitude."""
    return max(float(np.abs(array).max()) for array in arrays)


def _demand_bits(node: Node, magnitude: float) -> None:
    if magnitude >= 2.0**MAX_BITS:
        raise UserError(f"may add up to {magnitude:.3g}, more than {MAX_BITS} bits hold", where=f"node {node.name!r}",
                        remedy="use fewer bits for weights or activations, or scales that differ less")


def _sorted(ends: np.ndarray) -> Interval:
    return ends.min(axis=0), ends.max(axis=0)
