"""The passes, graph to graph, and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..ir import Graph
from ..ir_check import verify
from .append_argmax import AppendArgMax
from .declare_weights import DeclareWeights
from .flip_falling import FlipFalling
from .fuse_thresholds import FuseThresholds
from .infer_types import InferTypes
from .merge_thresholds import MergeThresholds
from .remove_unused import RemoveUnused
from .replace_thresholds import ReplaceThresholds
from .settle_thresholds import SettleThresholds
from .simplify_adds import SimplifyAdds
from .sink_max_pool import SinkMaxPool
from .tabulate import Tabulate
from .trim_thresholds import TrimThresholds
from .unfuse_thresholds import UnfuseThresholds

__all__ = ["LOADABLE", "PIPELINE", "AppendArgMax", "DeclareWeights", "FlipFalling", "FuseThresholds", "InferTypes",
           "MergeThresholds", "Pass", "RemoveUnused", "ReplaceThresholds", "SettleThresholds", "SimplifyAdds",
           "SinkMaxPool", "Tabulate", "TrimThresholds", "UnfuseThresholds", "run"]

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[Pass, ...] = (
    RemoveUnused(),
    InferTypes(),         # the interval of every accumulator, from the weights
    Tabulate(),           # expressions that are not monotone, and quantiser -> tables
    SettleThresholds(),   # all other expressions and quantiser -> integer thresholds
    MergeThresholds(),    # quantisers of quantised integers
    SimplifyAdds(),       # sums of scaled branches in fewer bits
    SinkMaxPool(),        # the largest of codes in place of the code of the largest
    FlipFalling(),        # every comparison of a product in one direction
    InferTypes(),
    TrimThresholds(),     # only thresholds that matter
    ReplaceThresholds(),  # too many of them -> multiply and shift, or a table
    FuseThresholds(),     # product and few thresholds -> what one unit computes
    InferTypes(),         # the narrowest types of what is left
)

LOADABLE: tuple[Pass, ...] = (
    RemoveUnused(),
    DeclareWeights(),     # from here on, any weights of the same quantisers
    InferTypes(loadable=True),
    Tabulate(loadable=True),
    SettleThresholds(loadable=True),
    MergeThresholds(),
    SinkMaxPool(),
    FlipFalling(loadable=True),
    InferTypes(loadable=True),
    TrimThresholds(loadable=True),
    ReplaceThresholds(loadable=True),
    FuseThresholds(loadable=True),
    InferTypes(loadable=True),
)
"""The same for weights that are loaded while the accelerator runs: nothing that is built depends on what they are."""


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
