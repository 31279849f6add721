"""A split: the channels of a value shared out to the nodes that read it, as one unit and not a fork and wires.

A fork would hand each reader every word, to be gathered to whole pixels, of which it then takes its part. A split hands
each word to its reader alone where parts are ranges of channels that the lanes divide; else it gathers pixels once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..hdl.lanes import words
from ..hdl.split import SplitParameters
from .folding import divisors
from .ir import Graph, Rearrange, Value

__all__ = ["channels_taken", "parts_of", "split_lanes", "split_unit"]


def channels_taken(source: Value, target: Value, index: np.ndarray) -> np.ndarray | None:
    """The channel that each channel comes from, -1 for zeros, if it is the same in all pixels and pixels stay in place.
    """
    if source.pixels != target.pixels:
        return None
    moved = index.reshape(target.pixels, -1)
    first = moved[0]
    expected = np.where(first < 0, -1, first + np.arange(target.pixels)[:, None] * source.channels)
    return first if first.max() < source.channels and np.array_equal(moved, expected) else None


def parts_of(graph: Graph, value: Value) -> list[tuple[Rearrange, np.ndarray]]:
    """The nodes that read ``value`` and the channels that each takes, if every channel goes to exactly one of them.

    By their first channels. Otherwise none: what is read twice, or only in part, goes through a fork.
    """
    readers = [node for node in graph.nodes if value.name in node.inputs]
    parts = [(node, channels_taken(value, node.output, node.index)) for node in readers if isinstance(node, Rearrange)]
    if not len(readers) == len(parts) > 1 or value.name == graph.output:
        return []
    found = [(node, channels) for node, channels in parts if channels is not None]
    taken = np.concatenate([channels for _, channels in found]) if len(found) == len(parts) else np.zeros(0)
    if not np.array_equal(np.sort(taken), np.arange(value.channels)):
        return []
    return sorted(found, key=lambda part: int(part[1][0]))


def split_lanes(value: Value, parts: Sequence[np.ndarray], lanes: int, interval: int) -> int | None:
    """Lanes of a split of words: as they come, or as many as carry the value in ``interval`` cycles. None for pixels.
    """
    if not np.array_equal(np.concatenate(parts), np.arange(value.channels)):
        return None
    options = divisors(math.gcd(*map(len, parts)))
    enough = [fewer for fewer in options if words(value.elements, fewer) <= interval]
    return lanes if lanes in options else enough[0] if enough else None


def split_unit(value: Value, parts: Sequence[np.ndarray], lanes: int | None) -> SplitParameters:
    """The unit for words of ``lanes``, or for whole pixels."""
    order = np.concatenate(parts)
    straight = np.array_equal(order, np.arange(value.channels))
    return SplitParameters(tuple(map(len, parts)), lanes, value.pixels, None if straight else tuple(order.tolist()))
