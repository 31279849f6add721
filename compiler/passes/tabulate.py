"""An expression that is not monotone becomes a table of its codes, where its integers are few.

This pass alone makes tables of float32 expressions. Where codes happen to rise or fall over the interval after all
(the magnitude of what is never negative, say), they become thresholds, which cost less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..float32 import Chain, Quantiser, Steps, Uniform
from ..ir import Elementwise, Graph, Node, Quantise, Table, Threshold, Value
from .settle_thresholds import check_finite

__all__ = ["Tabulate"]


@dataclass(frozen=True)
class Tabulate:
    """Replace a Quantise after an Elementwise that is not monotone; ``span`` integers are few.

    If ``loadable``, whatever the codes are becomes a table, with a row for each channel if a constant has one.

    Raises
    ------
    UserError
        If the expression leaves the range of float32; the message names the node.
    """

    span: int = 4096
    loadable: bool = False

    def __call__(self, graph: Graph) -> Graph:
        floats = {node.output: node for node in graph.nodes if isinstance(node, Elementwise)}
        nodes: list[Node] = []
        for node in graph.nodes:
            if isinstance(node, Quantise) and not floats[node.input].chain.monotone:
                before = floats[node.input]
                source = graph.value(before.input)
                if source.hi - source.lo < self.span:
                    node = _tabulated(node, before, source, self.loadable)
            nodes.append(node)
        read = {name for node in nodes for name in node.inputs}
        return graph.with_nodes(node for node in nodes if not isinstance(node, Elementwise) or node.output in read)


def _tabulated(node: Quantise, before: Elementwise, source: Value, loadable: bool) -> Table | Threshold:
    integers = np.arange(source.lo, source.hi + 1)[:, None]
    check_finite(before.chain, integers, source.channels, before.name)
    codes = _codes(before.chain, node.quantiser, integers, source.channels)
    if loadable:
        table = codes if _by_channel(before.chain, node.quantiser) else codes[:1]
        return Table(node.name, source.name, node.output, table.copy(), source.lo)
    steps = np.diff(codes, axis=1)
    if (node.output.type.bipolar or codes.max() > codes.min()) and (
            ((steps >= 0).all(axis=1) | (steps <= 0).all(axis=1)).all()):
        falling = np.asarray((steps < 0).any(axis=1))
        base = int(codes.min())
        levels = np.array([1]) if node.output.type.bipolar else np.arange(base + 1, codes.max() + 1)
        reached = (codes[:, None, :] >= levels[:, None]).sum(axis=2)  # integers that reach each level
        thresholds = np.where(falling[:, None], source.lo + reached - 1, source.hi + 1 - reached)
        return Threshold(node.name, source.name, node.output, thresholds, falling,
                         0 if node.output.type.bipolar else base)
    table = codes[:1] if (codes == codes[0]).all() else codes
    return Table(node.name, source.name, node.output, table.copy(), source.lo)


def _by_channel(chain: Chain, quantiser: Quantiser) -> bool:
    """Whether a constant on the way is one for each channel."""
    constants = list(chain.constants)
    constants += [quantiser.scale] if isinstance(quantiser, Uniform) else []
    constants += [quantiser.thresholds[:, 0]] if isinstance(quantiser, Steps) else []
    return any(constant.size > 1 for constant in constants)


def _codes(chain: Chain, quantiser: Quantiser, integers: np.ndarray, channels: int) -> np.ndarray:
    """int64 ``[channels, integers]``."""
    codes = quantiser(chain(np.broadcast_to(integers, (len(integers), channels))))
    return np.broadcast_to(codes, (len(integers), channels)).T.astype(np.int64)
