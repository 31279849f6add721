"""The dataflow graph: one stage per hardware unit, one edge per stream; lowered from the integer graph.

A chain: input thresholds if the model has them, then for each layer a width converter (where lanes differ), a FIFO and
the matrix-vector unit, then arg-max if asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from amaranth.hdl import signed
from amaranth.lib import data

from ..errors import UserError
from ..hdl.argmax import ArgMaxParameters, ArgMaxUnit
from ..hdl.fifo import Fifo, FifoParameters
from ..hdl.lanes import words
from ..hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from ..hdl.schedule import Queue
from ..hdl.threshold import ThresholdParameters, ThresholdUnit
from ..hdl.width import WidthConverter, WidthParameters
from ..sim.network import Network, Unit
from ..sim.sizing import size_queues
from .folding import Fold
from .ir import ArgMax, Dense, Graph, IntType, Threshold, Value

__all__ = ["Dataflow", "Edge", "Stage", "lower", "size"]

Parameters = ArgMaxParameters | FifoParameters | MatrixVectorParameters | ThresholdParameters | WidthParameters


@dataclass(frozen=True)
class Edge:
    """A stream: ``channels`` integers of ``type`` a frame, ``lanes`` a word, carrying the graph's ``value``."""

    name: str
    value: str
    type: IntType
    channels: int
    lanes: int

    @property
    def bits(self) -> int:
        """Bits of a word."""
        return self.type.bits * self.lanes

    @property
    def words(self) -> int:
        """Words a frame."""
        return words(self.channels, self.lanes)

    @property
    def shape(self):
        """Shape of the payload."""
        element = signed(self.type.bits) if self.type.signed else self.type.bits
        return data.ArrayLayout(element, self.lanes)


@dataclass(frozen=True, eq=False)
class Stage:
    """One unit: its parameters, the edges it joins, and the node (``layer``) of the graph that it is part of."""

    name: str
    layer: str
    parameters: Parameters
    input: Edge
    output: Edge

    @property
    def schedule(self):
        """The unit's timing."""
        return self.parameters.schedule

    def unit(self):
        """A fresh component."""
        match self.parameters:
            case FifoParameters():
                return Fifo(self.input.shape, self.parameters)
            case WidthParameters():
                return WidthConverter(self.input.type.bits, self.parameters)
            case ThresholdParameters():
                return ThresholdUnit(self.parameters)
            case ArgMaxParameters():
                return ArgMaxUnit(self.parameters)
            case MatrixVectorParameters():
                return MatrixVectorUnit(self.parameters)


@dataclass(frozen=True, eq=False)
class Dataflow:
    """Stages in order from the edge ``i`` to the edge ``o``."""

    stages: tuple[Stage, ...]

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every stream, in order."""
        return (self.stages[0].input, *(stage.output for stage in self.stages))

    @property
    def layers(self) -> tuple[Stage, ...]:
        """The matrix-vector units."""
        return tuple(stage for stage in self.stages if isinstance(stage.parameters, MatrixVectorParameters))

    @property
    def fifos(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if isinstance(stage.parameters, FifoParameters))

    @property
    def network(self) -> Network:
        """What the dataflow engine executes."""
        return Network(tuple(Unit(stage.name, stage.schedule, (stage.input.name,), stage.output.name)
                             for stage in self.stages))

    def with_depths(self, depths: Sequence[int]) -> Dataflow:
        """The same with other FIFO depths, in the order of :attr:`fifos`."""
        new = iter(depths)
        return Dataflow(tuple(
            replace(stage, parameters=FifoParameters(next(new), stage.parameters.bits))
            if isinstance(stage.parameters, FifoParameters) else stage for stage in self.stages))


def lower(graph: Graph, folds: Sequence[Fold], *, lut: int = 4) -> Dataflow:
    """Lower a graph of (Threshold) Dense … Dense (ArgMax), one fold for each Dense. FIFOs get depth 2.

    Raises
    ------
    UserError
        If the folding does not fit the layers, or the graph has another form.
    """
    layers = [node for node in graph.nodes if isinstance(node, Dense)]
    if not layers:
        raise UserError("no fully connected layer is in the model", where=graph.name,
                        remedy="build a model with at least one")
    _check_folds(layers, folds)
    interval = max(fold.cycles(*layer.weights.shape) for layer, fold in zip(layers, folds, strict=True))
    chain = _Chain(graph, graph.input, _input_lanes(graph, folds[0].simd, interval))
    number = 0
    for node in graph.nodes:
        match node:
            case Dense():
                chain.dense(node, folds[number], f"fc{number}", lut)
                number += 1
            case Threshold():
                chain.threshold(node)
            case ArgMax():
                chain.arg_max(node)
            case _:
                raise UserError(f"a {type(node).__name__} is left over after all passes", where=node.name)
    return chain.finish()


def size(dataflow: Dataflow) -> Dataflow:
    """Give each FIFO the smallest depth that keeps the bottleneck's interval (:func:`..sim.sizing.size_queues`)."""
    bits = {stage.name: stage.parameters.bits for stage in dataflow.fifos}

    def timing(name: str, depth: int) -> Queue:
        return FifoParameters(depth, bits[name]).schedule

    return dataflow.with_depths(size_queues(dataflow.network, timing))


def _check_folds(layers: Sequence[Dense], folds: Sequence[Fold]) -> None:
    shapes = ", ".join(f"{layer.weights.shape[0]}x{layer.weights.shape[1]}" for layer in layers)
    if len(folds) != len(layers):
        raise UserError(f"{len(folds)} foldings for {len(layers)} layers ({shapes})", where="--folding",
                        remedy="give PE x SIMD once for each layer, in order")
    for layer, fold in zip(layers, folds, strict=True):
        rows, columns = layer.weights.shape
        if fold.pe > rows or fold.simd > columns:
            raise UserError(f"{fold} is more than layer {layer.name!r} has: {rows} rows and {columns} columns",
                            where="--folding", remedy=f"take PE from 1 to {rows} and SIMD from 1 to {columns}")


def _input_lanes(graph: Graph, simd: int, interval: int) -> int:
    """Lanes of the input stream: enough to bring a frame in ``interval`` cycles, and cheap to regroup into ``simd``.

    The multiplexers of the width converter cost about its buffer times its levels, each lane at the input a
    comparator or a pin or two; up to a third more lanes than needed are looked at.
    """
    channels = graph.input.shape[0]
    least = words(channels, interval)
    if least >= simd:
        candidates = [lanes for lanes in range(least, channels + 1) if lanes % simd == 0][:1]
        return min((*candidates, least), key=lambda lanes: (lanes > least + least // 3, lanes != simd))

    def cost(lanes: int) -> tuple[int, int]:
        converter = WidthParameters(channels, lanes, simd)
        late = converter.schedule.phases > interval
        return late, lanes * 2 + len(converter.levels) * (converter.buffer_lanes + simd) // 8

    return min(range(least, min(simd, least + least // 3 + 1) + 1), key=cost)


class _Chain:
    """Grows the chain of stages; the last edge gets its name ``o`` at the end."""

    def __init__(self, graph: Graph, value: Value, lanes: int):
        self.graph = graph
        self.stages: list[Stage] = []
        self.edge = Edge("i", value.name, value.type, value.shape[0], lanes)

    def _append(self, name: str, layer: str, parameters: Parameters, **changes) -> None:
        output = replace(self.edge, name=f"{name}_out", **changes)
        self.stages.append(Stage(name, layer, parameters, self.edge, output))
        self.edge = output

    def threshold(self, node: Threshold) -> None:
        if not node.output.type.bipolar or node.thresholds.shape[1] != 1:
            raise UserError(f"thresholds to {node.output.type} are not supported yet", where=node.name,
                            remedy="quantise activations to bipolar")
        edge = self.edge
        if edge.type.bipolar:
            raise UserError("thresholds on an input that is bipolar already", where=node.name,
                            remedy="declare the input's own type with --input")
        parameters = ThresholdParameters(node.thresholds[:, 0], node.falling, edge.lanes, edge.type.bits,
                                         edge.type.signed)
        name = "quantise" if not self.stages else re.sub(r"\W", "_", node.name)
        self._append(name, node.name, parameters, value=node.output.name, type=node.output.type)

    def dense(self, node: Dense, fold: Fold, name: str, lut: int) -> None:
        if not self.edge.type.bipolar or not node.weight_type.bipolar:
            raise UserError(f"takes {self.edge.type} and has {node.weight_type} weights; layers of bipolar activations "
                            "and weights are supported", where=node.name,
                            remedy="quantise both to bipolar, or declare the input's type with --input")
        if self.edge.lanes != fold.simd:
            converter = WidthParameters(self.edge.channels, self.edge.lanes, fold.simd)
            self._append(f"{name}_width", node.name, converter, lanes=fold.simd)
        self._append(f"{name}_fifo", node.name, FifoParameters(2, self.edge.bits))
        thresholds = None if node.thresholds is None else node.thresholds[:, 0]
        unit = MatrixVectorParameters(node.weights, fold.pe, fold.simd, thresholds, lut)
        self._append(name, node.name, unit, value=node.output.name, type=node.output.type, channels=len(node.weights),
                     lanes=fold.pe)

    def arg_max(self, node: ArgMax) -> None:
        unit = ArgMaxParameters(self.edge.channels, self.edge.lanes, self.edge.type.bits)
        self._append("top1", node.name, unit, value=node.output.name, type=node.output.type, channels=1, lanes=1)

    def finish(self) -> Dataflow:
        last = self.stages[-1]
        self.stages[-1] = replace(last, output=replace(last.output, name="o"))
        return Dataflow(tuple(self.stages))
