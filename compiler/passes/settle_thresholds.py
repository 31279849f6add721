"""A float32 expression and its quantiser become integer thresholds, settled by the expression itself.

The threshold of a code is the smallest integer for which the model's own float32 expression yields that code or a
higher one. Every operation of the expression is monotone, rounding included, so bisection on the very expression finds
it, and no argument about rounding decides a bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import UserError
from ..float32 import Chain
from ..ir import Elementwise, Graph, Node, Quantise, Threshold, Value
from .infer_types import count_steps

__all__ = ["SettleThresholds", "settle"]


@dataclass(frozen=True)
class SettleThresholds:
    """Replace every Elementwise and the Quantise after it by one Threshold.

    ``exhaustive`` is the largest number of (integer, channel) pairs for which the thresholds are compared with the
    expression on every integer of the interval; beyond it, that the expression stays finite at both ends proves that
    bisection applies.

    Raises
    ------
    UserError
        If an expression overflows or is not monotone over its interval; the message names the node.
    """

    exhaustive: int = 1 << 22

    def __call__(self, graph: Graph) -> Graph:
        floats = {node.output: node for node in graph.nodes if isinstance(node, Elementwise)}
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, Elementwise):
                continue
            if isinstance(node, Quantise):
                before = floats[node.input]
                source = graph.value(before.input)
                thresholds, falling = settle(before.chain, source, node.output, before.name, self.exhaustive)
                node = Threshold(node.name, source.name, node.output, thresholds, falling)
            nodes.append(node)
        return graph.with_nodes(nodes)


def settle(chain: Chain, source: Value, output: Value, name: str, exhaustive: int = 1 << 22):
    """The thresholds (int64 ``[channels, levels]``) and directions (bool ``[channels]``) of ``output``'s codes.

    ``source`` gives the interval and the channels; see :class:`~gatewright.compiler.ir.Threshold` for the meaning.
    """
    channels, levels = source.shape[-1], 1 if output.type.bipolar else output.type.hi - output.type.lo
    with np.errstate(all="ignore"):
        for end in (source.lo, source.hi):
            if not all(np.isfinite(x).all() for x in chain.trace(np.full(channels, end))):
                raise UserError(f"leaves the range of float32 for the accumulator {end}", where=f"node {name!r}",
                                remedy="check the scales and the normalisation before the quantiser")
        falling = np.broadcast_to(chain.slope() < 0, (channels,))
        thresholds = np.empty((channels, levels), dtype=np.int64)
        for level in range(1, levels + 1):
            thresholds[:, level - 1] = _bisect(chain, source, falling, level)
    # A constant channel has no direction: call it rising, met from the bottom of the interval or never.
    low, high = (count_steps(np.full(channels, end), thresholds, falling) for end in (source.lo, source.hi))
    thresholds = np.where((falling & (low == high))[:, None],
                          np.where(np.arange(levels) < low[:, None], source.lo, source.hi + 1), thresholds)
    falling = falling & (low != high)
    _verify(chain, source, thresholds, falling, name, exhaustive)
    return thresholds, falling


def _steps(chain: Chain, integers: np.ndarray) -> np.ndarray:
    """How many steps above its lowest code the quantiser is: for a bipolar one, 1 where the expression is >= 0."""
    return (chain(integers) >= 0).astype(np.int64)


def _bisect(chain: Chain, source: Value, falling: np.ndarray, level: int) -> np.ndarray:
    """The first integer, in the direction of each channel, that reaches ``level``; one beyond the interval if none."""
    sign = np.where(falling, -1, 1)
    low = np.where(falling, -source.hi, source.lo)  # the interval as seen in the rising direction
    high = np.where(falling, -source.lo, source.hi) + 1
    while (low < high).any():
        middle = (low + high) >> 1
        met = _steps(chain, np.clip(sign * middle, source.lo, source.hi)) >= level
        searching = low < high
        high = np.where(searching & met, middle, high)
        low = np.where(searching & ~met, middle + 1, low)
    return sign * low


def _verify(chain: Chain, source: Value, thresholds: np.ndarray, falling: np.ndarray, name: str, exhaustive: int):
    """The thresholds give the expression's codes: on every integer where that is affordable, else at both ends."""
    channels, span = len(thresholds), source.hi - source.lo + 1
    affordable = span * channels <= exhaustive
    integers = np.arange(source.lo, source.hi + 1) if affordable else np.array([source.lo, source.hi])
    chunk = max(1, (1 << 18) // channels)
    for start in range(0, len(integers), chunk):
        column = integers[start:start + chunk, None]
        with np.errstate(all="ignore"):
            expected = _steps(chain, np.broadcast_to(column, (len(column), channels)))
        met = np.where(falling[:, None], column[..., None] <= thresholds, column[..., None] >= thresholds).sum(axis=-1)
        if not np.array_equal(met, expected):
            row, channel = np.argwhere(met != expected)[0]
            raise UserError(f"is not monotone: channel {channel} breaks its order at the accumulator {column[row, 0]}",
                            where=f"node {name!r}", remedy="use a monotone activation before the quantiser")
