"""From a unit's parameters to its component: the one list of all units that a design is built from."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from amaranth.hdl import Shape

from ..hdl.argmax import ArgMaxParameters, ArgMaxUnit
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
from ..hdl.table import TableParameters, TableUnit
from ..hdl.threshold import ThresholdParameters, ThresholdUnit
from ..hdl.upsample import UpsampleParameters, UpsampleUnit
from ..hdl.weights import WeightStreamer, WeightStreamerParameters
from ..hdl.width import WidthConverter, WidthParameters
from ..hdl.window import WindowParameters, WindowUnit
from ..hdl.window_parallel import ParallelWindowParameters, ParallelWindowUnit
from .stream import Edge

__all__ = ["KINDS", "Parameters", "make", "ports", "resized", "same_hardware"]

Parameters = (
    AddParameters | ArgMaxParameters | ConcatParameters | DepthwiseParameters | FifoParameters | ForkParameters
    | MatrixVectorParameters | ParallelWindowParameters | PoolParameters | ReorderParameters | RequantiseParameters
    | ShuffleParameters | TableParameters | ThresholdParameters | UpsampleParameters | WeightStreamerParameters
    | WidthParameters | WindowParameters)

KINDS = {
    AddParameters: "add",
    ArgMaxParameters: "arg_max",
    ConcatParameters: "concat",
    DepthwiseParameters: "depthwise",
    FifoParameters: "fifo",
    ForkParameters: "fork",
    MatrixVectorParameters: "matrix_vector",
    ParallelWindowParameters: "window",
    PoolParameters: "pool",
    ReorderParameters: "reorder",
    RequantiseParameters: "requantise",
    ShuffleParameters: "shuffle",
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
          ShuffleParameters: ShuffleUnit, UpsampleParameters: UpsampleUnit}
_OTHERS = {AddParameters: AddUnit, ArgMaxParameters: ArgMaxUnit, DepthwiseParameters: DepthwiseUnit,
           MatrixVectorParameters: MatrixVectorUnit, ParallelWindowParameters: ParallelWindowUnit,
           PoolParameters: PoolUnit, RequantiseParameters: RequantiseUnit, TableParameters: TableUnit,
           ThresholdParameters: ThresholdUnit, WeightStreamerParameters: WeightStreamer, WindowParameters: WindowUnit}


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


def same_hardware(one: Parameters, other: Parameters, loadable: bool = False) -> bool:
    """Whether two units are the same but for their depth and, where ``loadable``, for weights and thresholds."""
    if type(one) is not type(other):
        return False
    if loadable and (one.load_bits, one.arithmetic, one.threshold_bits) != (
            other.load_bits, other.arithmetic, other.threshold_bits):
        return False
    given = {"depth"} | ({"weights", "thresholds", "accumulator"} if loadable else set())
    return all(np.array_equal(getattr(one, field.name), getattr(other, field.name))
               for field in fields(one) if field.name not in given)
