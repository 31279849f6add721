"""From a unit's parameters to its component: the one list of all units that a design is built from."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from amaranth.hdl import Shape

from ..hdl.argmax import ArgMaxParameters, ArgMaxUnit
from ..hdl.block_sparse import BlockSparseParameters, BlockSparseUnit
from ..hdl.concat import ConcatParameters, ConcatUnit
from ..hdl.depthwise import DepthwiseParameters, DepthwiseUnit
from ..hdl.fifo import Fifo, FifoParameters
from ..hdl.fork import ForkParameters, ForkUnit
from ..hdl.join import AddParameters, AddUnit
from ..hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from ..hdl.pool import PoolParameters, PoolUnit
from ..hdl.reorder import ReorderParameters, ReorderUnit
from ..hdl.requantise import RequantiseParameters, RequantiseUnit
from ..hdl.shuffle import ShuffleParameters, ShuffleUnit
from ..hdl.sparse import HashParameters, LfsrParameters, SparseMatrixVectorUnit, SparseParameters
from ..hdl.sparse_stored import StoredWeights
from ..hdl.split import SplitParameters, SplitUnit
from ..hdl.table import TableParameters, TableUnit
from ..hdl.threshold import ThresholdParameters, ThresholdUnit
from ..hdl.upsample import UpsampleParameters, UpsampleUnit
from ..hdl.weights import WeightStreamer, WeightStreamerParameters
from ..hdl.width import WidthConverter, WidthParameters
from ..hdl.window import WindowParameters, WindowUnit
from ..hdl.window_parallel import ParallelWindowParameters, ParallelWindowUnit
from .stream import Edge

__all__ = ["KINDS", "Parameters", "built_otherwise", "fixed", "in_the_room_of", "loadable", "make", "ports", "resized"]

Parameters = (
    AddParameters | ArgMaxParameters | BlockSparseParameters | ConcatParameters | DepthwiseParameters | FifoParameters
    | ForkParameters | HashParameters | LfsrParameters | MatrixVectorParameters | ParallelWindowParameters
    | PoolParameters | ReorderParameters | RequantiseParameters | ShuffleParameters | SparseParameters | SplitParameters
    | TableParameters | ThresholdParameters | UpsampleParameters | WeightStreamerParameters | WidthParameters
    | WindowParameters)

KINDS = {
    AddParameters: "add",
    ArgMaxParameters: "arg_max",
    BlockSparseParameters: "block_sparse",
    ConcatParameters: "concat",
    DepthwiseParameters: "depthwise",
    FifoParameters: "fifo",
    ForkParameters: "fork",
    HashParameters: "sparse",
    LfsrParameters: "sparse",
    MatrixVectorParameters: "matrix_vector",
    ParallelWindowParameters: "window",
    PoolParameters: "pool",
    ReorderParameters: "reorder",
    RequantiseParameters: "requantise",
    ShuffleParameters: "shuffle",
    SparseParameters: "sparse",
    SplitParameters: "split",
    TableParameters: "table",
    ThresholdParameters: "threshold",
    UpsampleParameters: "upsample",
    WeightStreamerParameters: "weights",
    WidthParameters: "width",
    WindowParameters: "window",
}
"""What reports call a unit."""

# Units that move lanes without looking at them take the lane's shape beside their parameters.
_BLIND = {ConcatParameters: ConcatUnit, ForkParameters: ForkUnit, ReorderParameters: ReorderUnit,
          ShuffleParameters: ShuffleUnit, SplitParameters: SplitUnit, UpsampleParameters: UpsampleUnit}
_OTHERS = {AddParameters: AddUnit, ArgMaxParameters: ArgMaxUnit, BlockSparseParameters: BlockSparseUnit,
           DepthwiseParameters: DepthwiseUnit, HashParameters: SparseMatrixVectorUnit,
           LfsrParameters: SparseMatrixVectorUnit, MatrixVectorParameters: MatrixVectorUnit,
           ParallelWindowParameters: ParallelWindowUnit, PoolParameters: PoolUnit, RequantiseParameters: RequantiseUnit,
           SparseParameters: SparseMatrixVectorUnit, TableParameters: TableUnit, ThresholdParameters: ThresholdUnit,
           WeightStreamerParameters: WeightStreamer, WindowParameters: WindowUnit}


def make(parameters: Parameters, source: Edge | None):
    """A fresh component; ``source`` is the edge at its first input, if it has one."""
    kind = type(parameters)
    if source is None:
        return _OTHERS[kind](parameters)
    if isinstance(parameters, FifoParameters):
        return Fifo(source.shape, parameters)
    if isinstance(parameters, WidthParameters):
        return WidthConverter(Shape(source.type.bits, source.type.signed), parameters)
    if kind in _BLIND:
        return _BLIND[kind](Shape(source.type.bits, source.type.signed), parameters)
    return _OTHERS[kind](parameters)


def ports(parameters: Parameters) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The stream members of a unit's component: inputs and outputs, in order."""
    match parameters:
        case AddParameters() | ConcatParameters():
            count = len(parameters.inputs if isinstance(parameters, AddParameters) else parameters.channels)
            return tuple(f"i{k}" for k in range(count)), ("o",)
        case ForkParameters():
            return ("i",), tuple(f"o{k}" for k in range(parameters.outputs))
        case SplitParameters():
            return ("i",), tuple(f"o{k}" for k in range(len(parameters.channels)))
        case WeightStreamerParameters():
            return (), ("o",)
        case MatrixVectorParameters() if parameters.memory == "streamed":
            return ("i", "w"), ("o",)
        case _:
            return ("i",), ("o",)


def resized(parameters: Parameters, depth: int) -> Parameters:
    """A FIFO or a buffer of another depth, in words."""
    if isinstance(parameters, FifoParameters):
        return FifoParameters(depth, parameters.bits)
    return replace(parameters, depth=depth)


def loadable(parameters: Parameters) -> bool:
    """Whether a unit has a port ``load``."""
    return getattr(parameters, "loadable", False) or getattr(parameters, "memory", "") == "loadable"


def fixed(parameters: Parameters) -> str | None:
    """What of a model is built into a unit that has no port ``load``, and differs between trainings."""
    match parameters:
        case AddParameters() if set(parameters.multipliers) != {1}:
            return f"multiplies by {' and '.join(map(str, parameters.multipliers))}"
        case RequantiseParameters():
            return "scales by built-in multipliers"
    return None


def in_the_room_of(one: Parameters, other: Parameters) -> Parameters:
    """A unit with the memories of another of its kind, if what it holds fits into them; else as it is."""
    if not (isinstance(one, StoredWeights) and isinstance(other, StoredWeights)):
        return other
    try:
        return replace(other, code_bits=one.code_bits, entries_capacity=one.entries_capacity)
    except ValueError:
        return other


_LOADED = {DepthwiseParameters: ("weights", "thresholds"), LfsrParameters: ("weights",),
           MatrixVectorParameters: ("weights", "thresholds"), SparseParameters: ("weights",),
           TableParameters: ("table",), ThresholdParameters: ("thresholds", "falling")}


def built_otherwise(one: Parameters, other: Parameters) -> str | None:
    """How two units differ, other than in depth and in what is loaded into them; None if they do not."""
    if type(one) is not type(other):
        return f"{KINDS[type(other)]}, not {KINDS[type(one)]}"
    given = _LOADED.get(type(one), ()) if loadable(one) else ()
    sized = ("depth", "kind") if isinstance(one, FifoParameters) else ("depth",)
    for field in fields(one):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name in given:
            if np.shape(mine) != np.shape(theirs):
                return f"{field.name} of shape {list(np.shape(theirs))}, not {list(np.shape(mine))}"
        elif field.name not in sized and not np.array_equal(mine, theirs):
            if isinstance(mine, np.ndarray):
                return f"its {field.name} is built in and differs"
            mine, theirs = (" and ".join(map(str, each)) if isinstance(each, tuple) else each
                            for each in (mine, theirs))
            return f"{field.name} {theirs}, not {mine}"
    return None
