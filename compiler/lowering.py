"""The dataflow graph while it grows: what every node's lowering is told, and the units that it may insert."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..hdl.fifo import FifoParameters
from ..hdl.fork import ForkParameters
from ..hdl.join import AddParameters
from ..hdl.lanes import words
from ..hdl.reorder import ReorderParameters
from ..hdl.width import WidthParameters
from ..hdl.window_parallel import ParallelWindowParameters
from ..sim.network import MAX_PORTS
from .dataflow import Dataflow, Stage
from .folding import Choice, Elements, divisors
from .ir import Dense, Graph, IntType, Rearrange, Requantise, Table, Threshold, Value
from .lower_split import parts_of, split_lanes, split_unit
from .stream import Edge, stream
from .units import Parameters

__all__ = ["Lowering"]


class Lowering:
    """The dataflow graph while it grows; ``interval`` is the cycles a frame that the layers' folding allows.

    ``pipeline`` is the degree of what is lowered next: a layer's own, or of the layers that a node reads from.
    """

    def __init__(self, graph: Graph, interval: int, lut: int, memory: str, multiplier: tuple[int, int] | None,
                 slices: Sequence[str] = ()):
        self.graph, self.interval = graph, interval
        self.lut, self.memory, self.multiplier, self._slices = lut, memory, multiplier, slices
        self.stages: list[Stage] = []
        self.pipeline = 0
        self._waiting: dict[str, list[Edge]] = {}
        self._parts: dict[str, Edge] = {}
        self._readers = Counter(name for node in graph.nodes for name in node.inputs)
        self._readers[graph.output] += 1
        self._names: Counter[str] = Counter()

    @property
    def loadable(self) -> bool:
        """Whether what the model was trained to can be written while the accelerator runs."""
        return self.memory == "loadable"

    def name(self, kind: str) -> str:
        """A name for the next unit of a kind: conv0, conv1, …"""
        self._names[kind] += 1
        return f"{kind}{self._names[kind] - 1}"

    def begin(self, first: Choice) -> None:
        """The input stream."""
        value = self.graph.input
        flat = value.pixels == 1 or self._flat(value.name)
        if isinstance(first, Elements) and flat:
            # What is slow to come would hold up an engine that is fast where activations are 0.
            edge = stream("i", replace(value, shape=(value.elements,)), first.simd)
        elif value.pixels > 1 and flat:
            vector = replace(value, shape=(value.elements,))
            edge = stream("i", vector, _input_lanes(value.elements, first.simd, self.interval))
        elif value.pixels > 1:
            edge = stream("i", value, self.fewest(value, divisors(value.channels)))
            if edge.words > self.interval:
                edge = self._several(value, edge)
        else:
            edge = stream("i", value, _input_lanes(value.channels, first.simd, self.interval))
        self._entry = edge
        self.give(value, edge)

    def _several(self, value: Value, edge: Edge) -> Edge:
        """Several pixels a word, where pixels come slower than layers work and the only reader can take them."""
        readers = [node for node in self.graph.nodes if value.name in node.inputs]
        layer = readers[0]
        if len(readers) > 1 or not isinstance(layer, Dense) or layer.window is None or layer.groups > 1:
            return edge
        height, width, channels = value.shape
        window = layer.window
        for count in divisors(width)[1:]:
            if (value.pixels // count > self.interval and count < width) or window.insert != (1, 1):
                continue
            try:
                ParallelWindowParameters(height, width, channels, window.kernel, window.stride, window.pads,
                                         window.dilation, pixels_per_word=count)
            except ValueError:  # positions of a row that do not come out even
                continue
            index = np.arange(value.elements, dtype=np.int32).reshape(-1, count * channels)
            return replace(edge, index=index, pixel=count * channels)
        return edge

    def _flat(self, name: str) -> bool:
        """Whether all that reads a value, directly or through element-wise nodes, takes it as a vector."""
        readers = [node for node in self.graph.nodes if name in node.inputs]
        return bool(readers) and all(
            (isinstance(node, Dense) and node.window is None)
            or (isinstance(node, Threshold | Requantise | Table) and self._flat(node.output.name)) for node in readers)

    def take(self, name: str, *, ordered: bool = True) -> Edge:
        """One reader's stream of a value; if it need not be ``ordered``, its elements may come in any order."""
        edge = self._waiting[name].pop(0)
        return self._in_order(edge) if ordered else edge

    def _in_order(self, edge: Edge) -> Edge:
        """The same elements in the order of the value: those of engines that give rows as they like are sorted."""
        flat = edge.flat.reshape(-1, edge.pixel)
        if np.array_equal(flat.reshape(-1), np.arange(flat.size)):
            return edge
        layer = next(stage.layer for stage in self.stages if edge.name in [each.name for each in stage.outputs])
        name = self.name("order")
        edge = self.regroup(edge, 1, layer, name)
        begins = np.arange(len(flat))[:, None] * edge.pixel
        within = flat - begins
        alike = bool((within == within[0]).all() and within.min() == 0 and within.max() < edge.pixel)
        order, count = (within[0], len(flat)) if alike else (flat.reshape(-1), 1)
        unit = ReorderParameters(np.argsort(order), len(order), 1, positions=count)
        index = np.arange(flat.size, dtype=np.int32)[:, None]
        return self.append(name, layer, unit, [edge], replace(edge, index=index))

    def give(self, value: Value, edge: Edge) -> None:
        """A value is there, on ``edge``: split or forked if it has several readers."""
        readers, parts = self._readers[value.name], parts_of(self.graph, value)
        if 1 < len(parts) <= MAX_PORTS:
            self._split(value, self._in_order(edge), [node for node, _ in parts], [channels for _, channels in parts])
        elif readers > 1:
            self._waiting[value.name] = self._forked(value, edge, readers)
        else:
            self._waiting[value.name] = [edge]

    def _forked(self, value: Value, edge: Edge, readers: int) -> list[Edge]:
        """A branch for each reader; where a fork has not as many, the last one goes on to another."""
        name, count = self.name("fork"), min(readers, MAX_PORTS)
        branches = [replace(edge, name=f"{name}_out{k}") for k in range(count)]
        self.stages.append(Stage(name, value.name, ForkParameters(count, edge.lanes, edge.words), (edge,),
                                 tuple(branches)))
        return branches if count == readers else branches[:-1] + self._forked(value, branches[-1], readers - count + 1)

    def _split(self, value: Value, edge: Edge, nodes: Sequence[Rearrange], parts: Sequence[np.ndarray]) -> None:
        name, layer = self.name("split"), nodes[0].name
        edge = self.see(edge, value.channels, layer, name)
        lanes = split_lanes(value, parts, edge.lanes, self.interval)
        edge = self.regroup(edge, lanes or value.channels, layer, name)
        branches = [stream(f"{name}_out{k}", node.output, lanes or node.output.channels)
                    for k, node in enumerate(nodes)]
        self.stages.append(Stage(name, layer, split_unit(value, parts, lanes), (edge,), tuple(branches)))
        self._parts |= {node.output.name: branch for node, branch in zip(nodes, branches, strict=True)}

    def part(self, name: str) -> Edge | None:
        """The stream of a value that a split has given already."""
        return self._parts.pop(name, None)

    def append(self, name: str, layer: str, parameters: Parameters, inputs: Sequence[Edge], output: Edge) -> Edge:
        """Add a unit with one output, and behind it a register slice if there is to be one."""
        output = replace(output, name=f"{name}_out")
        self.stages.append(Stage(name, layer, parameters, tuple(inputs), (output,)))
        if name in self._slices:
            return self.append(f"{name}_slice", layer, FifoParameters(2, output.bits), [output], output)
        return output

    def fewest(self, value: Value, options: Sequence[int], *, elements: int | None = None,
               also: Callable[[int], bool] = lambda lanes: True) -> int:
        """The first of the ``options`` (lanes) that carries ``elements`` (the value's) in the interval, else the last.
        """
        elements = value.elements if elements is None else elements
        return next((lanes for lanes in options if words(elements, lanes) <= self.interval and also(lanes)),
                    options[-1])

    def regroup(self, edge: Edge, lanes: int, layer: str, name: str) -> Edge:
        """The same stream, ``lanes`` a word."""
        if edge.lanes == lanes:
            return edge
        unit = WidthParameters(edge.pixel, edge.lanes, lanes, edge.pixels)
        return self.append(f"{name}_width", layer, unit, [edge], edge.regrouped("", lanes))

    def see(self, edge: Edge, pixel: int, layer: str = "", name: str = "") -> Edge:
        """The same stream seen in groups of ``pixel`` elements: an image as a vector, a group's rows as a pixel."""
        if edge.pixel == pixel:
            return edge
        if edge.pixel % edge.lanes or pixel % edge.lanes:
            common = divisors(math.gcd(edge.pixel, pixel))
            lanes = next((lanes for lanes in common if words(len(edge.flat), lanes) <= self.interval), common[-1])
            edge = self.regroup(edge, lanes, layer, f"{name}_flat" if name else self.name("group"))
        return edge.per(pixel)

    def cast(self, edge: Edge, kind: IntType, layer: str, name: str) -> Edge:
        """The same integers as another type, which holds them all."""
        if edge.type == kind:
            return edge
        unit = AddParameters((edge.type,), (1,), edge.lanes, kind, edge.words)
        return self.append(f"{name}_cast", layer, unit, [edge], replace(edge, type=kind))

    def fifo(self, edge: Edge, layer: str, name: str) -> Edge:
        """A FIFO of two words; ``dataflow.size`` finds the depth."""
        return self.append(f"{name}_fifo", layer, FifoParameters(2, edge.bits), [edge], edge)

    def finish(self) -> Dataflow:
        """The output stream gets its name."""
        edge = self.take(self.graph.output)
        stages = [replace(stage, outputs=tuple(replace(edge, name="o") if each.name == edge.name else each
                                               for each in stage.outputs)) for stage in self.stages]
        return Dataflow(tuple(stages), self._entry)


def _input_lanes(channels: int, simd: int, interval: int) -> int:
    """Lanes of a vector's input stream: enough to bring a frame in ``interval`` cycles, and cheap to regroup.

    The multiplexers of the width converter cost about its buffer times its levels, each lane at the input a
    comparator or a pin or two; up to a third more lanes than needed are looked at.
    """
    least = words(channels, interval)
    if least >= simd:
        candidates = [lanes for lanes in range(least, channels + 1) if lanes % simd == 0][:1]
        return min((*candidates, least), key=lambda lanes: (lanes > least + least // 3, lanes != simd))

    def cost(lanes: int) -> tuple[int, int]:
        converter = WidthParameters(channels, lanes, simd)
        late = converter.schedule.phases > interval
        return late, lanes * 2 + len(converter.levels) * (converter.buffer_lanes + simd) // 8

    return min(range(least, min(simd, channels, least + least // 3 + 1) + 1), key=cost)
