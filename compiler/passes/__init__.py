"""The passes, graph to graph, and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..ir import Graph
from ..ir_check import verify
from .append_argmax import AppendArgMax
from .flip_falling import FlipFalling
from .fuse_thresholds import FuseThresholds
from .infer_types import InferTypes
from .settle_thresholds import SettleThresholds

__all__ = ["PIPELINE", "AppendArgMax", "FlipFalling", "FuseThresholds", "InferTypes", "Pass", "SettleThresholds", "run"]

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[Pass, ...] = (
    InferTypes(),        # the interval of every accumulator, from the weights
    SettleThresholds(),  # float32 expression and quantiser -> integer thresholds
    FlipFalling(),       # every comparison of a product in one direction
    FuseThresholds(),    # product and thresholds -> what one unit computes
    InferTypes(),        # the narrowest types of what is left
)


def run(graph: Graph, passes: Iterable[Pass] = PIPELINE) -> Graph:
    """Apply the passes in order; the graph is checked before the first and after each.

    Raises
    ------
    UserError
        If a pass finds that the model cannot be built.
    ValueError
        If a pass leaves an illegal graph, which is a bug of that pass.
    """
    verify(graph)
    for each in passes:
        graph = each(graph)
        verify(graph)
    return graph
