"""A float32 expression and its quantiser become integer thresholds, settled by the expression itself.

The threshold of a code is the smallest integer for which the model's own float32 expression yields that code or a
higher one. Every operation of the expression is monotone, rounding included, so bisection on the very expression finds
it, and no argument about rounding decides a bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import UserError
from ..float32 import Chain, Quantiser
from ..ir import Elementwise, Graph, Node, Quantise, Threshold, Value
from .intervals import count_all

__all__ = ["SettleThresholds", "Settled", "check_finite", "settle"]

# Bounds the thresholds searched at once, so that a bisection's arrays stay in caches.
_BLOCK = 1 << 18
# Levels up to which thresholds stay thresholds whatever they are (``ReplaceThresholds``).
_EVERY = 255


@dataclass(frozen=True, eq=False)
class Settled:
    """Thresholds as of :class:`~gatewright.compiler.ir.Threshold`; the code of no threshold met is ``base``."""

    thresholds: np.ndarray
    falling: np.ndarray
    base: int


@dataclass(frozen=True)
class SettleThresholds:
    """Replace every Elementwise and each Quantise after it by one Threshold.

    Only codes that the interval reaches get a threshold, unless ``loadable``: then, up to 255, all codes do.
    ``exhaustive`` is the largest number of (integer, channel)
    pairs for which the thresholds are compared with the expression on every integer of the interval; beyond it, that
    the expression stays finite at both ends proves that bisection applies.

    Raises
    ------
    UserError
        If an expression overflows or is not monotone over its interval; the message names the node.
    """

    exhaustive: int = 1 << 22
    loadable: bool = False

    def __call__(self, graph: Graph) -> Graph:
        floats = {node.output: node for node in graph.nodes if isinstance(node, Elementwise)}
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, Elementwise):
                continue
            if isinstance(node, Quantise):
                before = floats[node.input]
                source = graph.value(before.input)
                if not before.chain.monotone:
                    raise UserError(f"is not monotone, and has too many integers for a table: {source.lo} to "
                                    f"{source.hi}", where=f"node {before.name!r}",
                                    remedy="put a quantiser of at most 12 bits before it")
                found = settle(before.chain, node.quantiser, source, before.name, self.exhaustive,
                               every=self.loadable and node.quantiser.levels <= _EVERY)
                base = 0 if node.output.type.bipolar else found.base
                node = Threshold(node.name, source.name, node.output, found.thresholds, found.falling, base)
            nodes.append(node)
        return graph.with_nodes(nodes)


def settle(chain: Chain, quantiser: Quantiser, source: Value, name: str, exhaustive: int = 1 << 22, *,
           every: bool = False) -> Settled:
    """The thresholds, directions and base of the codes of ``quantiser`` after a monotone ``chain``.

    ``source`` gives the interval and the channels. Levels that all channels meet everywhere or nowhere are left out, as
    long as one is left, unless ``every`` level is wanted.
    """
    channels = source.channels
    check_finite(chain, np.array([[source.lo], [source.hi]]), channels, name)
    falling = np.broadcast_to(chain.slope() < 0, (channels,))
    ends = np.stack([_steps(chain, quantiser, np.full((1, channels), end)) for end in (source.lo, source.hi)])
    least = 0 if every else min(int(ends.min()), quantiser.levels - 1)
    levels = np.arange(least + 1, (quantiser.levels if every else max(int(ends.max()), least + 1)) + 1)
    block = max(1, _BLOCK // channels)
    thresholds = np.concatenate([_bisect(chain, quantiser, source, falling, levels[begin:begin + block])
                                 for begin in range(0, len(levels), block)]).T.copy()
    # A constant channel has no direction: call it rising, met from the bottom of the interval or never.
    low, high = ends[:, 0]
    thresholds = np.where((falling & (low == high))[:, None],
                          np.where(levels <= low[:, None], source.lo, source.hi + 1), thresholds)
    settled = Settled(thresholds, falling & (low != high), quantiser.lo + least)
    _verify(chain, quantiser, source, settled, least, name, exhaustive)
    return settled


def check_finite(chain: Chain, integers: np.ndarray, channels: int, name: str) -> None:
    """Raise ``UserError`` if the expression leaves float32 for one of the integers ``[count, 1]``."""
    with np.errstate(all="ignore"):
        for x in chain.trace(np.broadcast_to(integers, (len(integers), channels))):
            wrong = ~np.isfinite(x).reshape(len(integers), -1).all(axis=1)
            if wrong.any():
                raise UserError(f"leaves the range of float32 for the accumulator {integers[wrong][0, 0]}",
                                where=f"node {name!r}",
                                remedy="check the scales and the normalisation before the quantiser")


def _steps(chain: Chain, quantiser: Quantiser, integers: np.ndarray) -> np.ndarray:
    """How many steps above its lowest code the quantiser is, for integers ``[..., channels]``."""
    with np.errstate(all="ignore"):
        return np.broadcast_to(quantiser.steps(chain(integers)), integers.shape)


def _bisect(chain: Chain, quantiser: Quantiser, source: Value, falling: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The first integer, in the direction of each channel, that reaches each level; one beyond the interval if none.

    int64 ``[levels, channels]``.
    """
    sign, shape = np.where(falling, -1, 1), (len(levels), len(falling))
    low = np.broadcast_to(np.where(falling, -source.hi, source.lo), shape)  # the interval in the rising direction
    high = np.broadcast_to(np.where(falling, -source.lo, source.hi) + 1, shape)
    while (low < high).any():
        middle = (low + high) >> 1
        met = _steps(chain, quantiser, np.clip(sign * middle, source.lo, source.hi)) >= levels[:, None]
        searching = low < high
        high = np.where(searching & met, middle, high)
        low = np.where(searching & ~met, middle + 1, low)
    return sign * low


def _verify(chain: Chain, quantiser: Quantiser, source: Value, settled: Settled, least: int, name: str,
            exhaustive: int) -> None:
    """The thresholds give the expression's codes: on every integer where that is affordable, else at both ends."""
    channels, span = source.channels, source.hi - source.lo + 1
    affordable = span * channels <= exhaustive
    integers = np.arange(source.lo, source.hi + 1) if affordable else np.array([source.lo, source.hi])
    chunk = max(1, _BLOCK // channels)
    for start in range(0, len(integers), chunk):
        part = integers[start:start + chunk]
        expected = _steps(chain, quantiser, np.broadcast_to(part[:, None], (len(part), channels)))
        met = count_all(part, settled.thresholds, settled.falling).T
        if not np.array_equal(least + met, expected):
            row, channel = np.argwhere(least + met != expected)[0]
            raise UserError(f"is not monotone: channel {channel} breaks its order at the accumulator {part[row]}",
                            where=f"node {name!r}", remedy="use a monotone activation before the quantiser")
