"""Smaller multipliers for a sum whose codes stay the same: a residual connection's adder in a few bits.

The scales of two branches are float32 numbers, and the integers in their exact ratio may have 24 bits each. Where codes
follow, fractions near the ratio, far smaller ones, often separate the same pairs of integers. They are tried from the
simplest on, along the Stern-Brocot tree (Graham, Knuth and Patashnik, Concrete Mathematics, 2nd ed., section 4.5), and
one is taken only if on every pair it gives every channel's codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Add, Graph, IntType, Node, Threshold, Value
from .readers import sole_readers

__all__ = ["SimplifyAdds"]


@dataclass(frozen=True)
class SimplifyAdds:
    """Simplify every Add of two inputs that a Threshold alone reads.

    ``span`` is the largest number of integers of each input, all pairs of which are tried, ``largest`` the largest
    multiplier that is looked at.
    """

    span: int = 256
    largest: int = 1 << 12

    def __call__(self, graph: Graph) -> Graph:
        sole = sole_readers(graph)
        changed: dict[str, Threshold] = {}
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, Add):
                reader = sole.get(node.output.name)
                sources = [graph.value(name) for name in node.inputs]
                if isinstance(reader, Threshold) and len(sources) == 2 and 0 not in node.multipliers and all(
                        source.hi - source.lo < self.span for source in sources):
                    found = self._simplified(node, reader, sources)
                    if found is not None:
                        node, changed[reader.name] = found
            nodes.append(changed.get(node.name, node))
        return graph.with_nodes(nodes)

    def _simplified(self, node: Add, reader: Threshold, sources: list[Value]) -> tuple[Add, Threshold] | None:
        left, right = (_integers(source) for source in sources)
        first, second = node.multipliers
        sums = (first * left[:, None] + second * right).reshape(-1)
        ranked = np.argsort(sums, kind="stable")
        # How many of the pairs, in order, lie below each threshold's step; both sides of it must stay apart.
        below = np.where(reader.falling[:, None], np.searchsorted(sums[ranked], reader.thresholds, side="right"),
                         np.searchsorted(sums[ranked], reader.thresholds, side="left"))
        for one, other in _simpler(abs(first), abs(second), self.largest):
            factors = int(np.sign(first)) * one, int(np.sign(second)) * other
            tried = (factors[0] * left[:, None] + factors[1] * right).reshape(-1)[ranked]
            beyond = int(tried.max()) + 1
            greatest = np.concatenate([[int(tried.min()) - 1], np.maximum.accumulate(tried)])
            least = np.concatenate([np.minimum.accumulate(tried[::-1])[::-1], [beyond]])
            if (greatest[below] < least[below]).all():
                thresholds = np.where(reader.falling[:, None], greatest[below], least[below])
                low, high = int(tried.min()), int(tried.max())
                output = replace(node.output, lo=low, hi=high, type=IntType.spanning(low, high),
                                 origin=None, order=None)
                return (replace(node, multipliers=factors, output=output),
                        replace(reader, thresholds=thresholds))
        return None


def _integers(source: Value) -> np.ndarray:
    return np.arange(source.lo, source.hi + 1, 2 if source.type.bipolar else 1)


def _simpler(first: int, second: int, largest: int) -> Iterator[tuple[int, int]]:
    """The fractions on the way down the tree to ``first / second``, without the last, which is this itself."""
    low, high = (0, 1), (1, 0)
    while True:
        middle = low[0] + high[0], low[1] + high[1]
        compared = middle[0] * second - middle[1] * first
        if compared == 0 or max(middle) > largest:
            return
        yield middle
        low, high = (middle, high) if compared < 0 else (low, middle)
