"""What foldings cost: the boards' cost model asked about a graph's layers, and about a whole dataflow graph.

A layer is priced with all that its folding decides: the unit that multiplies, the thresholds behind it on as many lanes
as it has PEs, the window, FIFO and width converters in front of it. Where its weights ask for multipliers, it may take
bit planes in lookup tables instead, which are exact for any integers. Its neighbours are not known then; converters
between layers are priced, half to each, as if the neighbour had the fewest lanes that divide its channels and keep up.
What a design really holds is estimated from its dataflow graph.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from ..boards import cost
from ..boards.cost import Cost, CostModel
from ..boards.features import describe
from ..boards.features_moves import window
from ..boards.features_points import compared, regrouped, searched
from ..boards.features_rows import Layer, matrix_vector
from ..boards.memory import Memory
from ..boards.numbers import Unit, address_bits
from ..hdl.codes import PARALLEL_LEVELS
from ..hdl.depthwise import DepthwiseParameters
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.window import WindowParameters
from ..hdl.window_parallel import ParallelWindowParameters
from .dataflow import Dataflow
from .folding import divisors, work_of
from .goal import Goal
from .ir import Dense, Graph, Threshold, Value
from .lower_layers import POINTWISE, whole_window, widened

__all__ = ["Estimate", "LayerCosts", "estimate", "estimated", "of", "total"]

# Kinds of lanes whose products go into DSP blocks where a family has them.
_MULTIPLYING = ("multiply", "levels")


def estimate(dataflow: Dataflow, family: str) -> dict[str, Cost]:
    """Estimated cost of each stage of a dataflow graph, by name."""
    model = cost.load(family)
    return {stage.name: model.cost(stage.parameters, stage.inputs[0].type.bits if stage.inputs else 1)
            for stage in dataflow.stages}


def total(dataflow: Dataflow, family: str) -> Cost:
    """Estimated cost of a whole dataflow graph."""
    return sum(estimate(dataflow, family).values(), Cost(0))


@dataclass(frozen=True)
class Estimate:
    """What a design will cost, by unit and in all, beside what there is, and how far estimates are off."""

    goal: Goal
    units: dict[str, Cost]
    accuracy: str

    @classmethod
    def of(cls, dataflow: Dataflow, goal: Goal) -> Estimate:
        return cls(goal, estimate(dataflow, goal.family), cost.load(goal.family).accuracy)

    @property
    def cost(self) -> Cost:
        """Of the whole design."""
        return sum(self.units.values(), Cost(0))

    def to_json(self) -> dict:
        """As ``report.json`` has it."""
        return {**self.goal.to_json(), **asdict(self.cost), "accuracy": self.accuracy,
                "units": {name: asdict(each) for name, each in self.units.items()}}

    def __str__(self) -> str:
        return estimated(self.to_json())


def estimated(said: dict) -> str:
    """One line on an estimate as ``report.json`` has it: ``estimated LUTs 12,300 of 24,288, … (model, … error …)``."""
    parts = []
    for name, title in (("luts", "LUTs"), ("block_rams", "block RAMs"), ("dsps", "DSPs")):
        limit = said["budget"][name]
        parts.append(f"{title} {said[name]:,g}" if isinstance(said[name], float) else f"{title} {said[name]:,}")
        parts[-1] += "" if limit is None else f" of {limit:,}"
    return f"estimated {', '.join(parts)} on {said['device'] or said['family']} ({said['accuracy']})"


def of(graph: Graph, family: str, *, lut: int = 4, memory: str = "rom",
       multiplier: tuple[int, int] | None = None) -> LayerCosts:
    """The costs of a graph's layers on a family, for ``solve``; ``lut``, ``memory``, ``multiplier`` as of ``lower``."""
    return LayerCosts(graph, cost.load(family), lut, memory, multiplier)


class LayerCosts:
    """Costs of every layer with many folds at once. Made by :func:`of`; what :class:`.solve.Costs` asks for."""

    def __init__(self, graph: Graph, model: CostModel, lut: int, memory: str, multiplier: tuple[int, int] | None):
        self._model = model
        self._layers = [_Priced(graph, node, model, lut, memory, multiplier) for node in graph.nodes
                        if isinstance(node, Dense)]

    @property
    def prices(self) -> tuple[int, int, int]:
        """What a lookup table, half a memory block and a multiplier weigh."""
        return self._model.prices

    @property
    def accuracy(self) -> str:
        """How far estimates are off, as measured."""
        return self._model.accuracy

    def name(self, layer: int) -> str:
        """What messages call a layer."""
        return self._layers[layer].node.name

    def lanes(self, layer: int) -> tuple[str | None, ...]:
        """What a layer's weights ask for, None; where that takes the family's multipliers, "planes" as well."""
        return self._layers[layer].lanes

    def needs(self, layer: int, folds: np.ndarray, lane: str | None) -> np.ndarray:
        """Lookup tables, half memory blocks, multipliers, int64 ``[folds, 3]``, of ``folds``, rows (PE, SIMD)."""
        return self._layers[layer].needs(folds, lane)


class _Priced:
    """A layer with all that its folding decides."""

    def __init__(self, graph: Graph, node: Dense, model: CostModel, lut: int, memory: str,
                 multiplier: tuple[int, int] | None):
        self.node, self._model, self._memory, self._lut, self._multiplier = node, model, memory, lut, multiplier
        self._made: dict[str | None, Layer] = {}
        self._work = work_of(graph, node)
        self._source = graph.value(node.input)
        readers = [reader for reader in graph.nodes if node.output.name in reader.inputs]
        self._thresholds = [reader for reader in readers if isinstance(reader, Threshold)]
        kind = self._source.type
        self._kind = kind if node.window is None else widened(kind, node.window, *self._source.shape[:2])
        self._slides = node.window is not None and (node.window != POINTWISE or node.groups > 1)

    @property
    def lanes(self) -> tuple[str | None, ...]:
        choice = self._model.family.multiplier is not None and self._layer(None).lane.kind in _MULTIPLYING
        return (None, "planes") if choice else (None,)

    def _layer(self, lane: str | None) -> Layer:
        if lane not in self._made:
            self._made[lane] = self._make(lane)
        return self._made[lane]

    def _make(self, lane: str | None) -> Layer:
        node, loadable = self.node, self._memory == "loadable"
        to_come = (node.declared or node.weight_type) if loadable else None
        if self._work.depthwise:
            channelwise = DepthwiseParameters(node.weights, 1, self._kind, node.thresholds, node.output.type, node.base,
                                              lane=lane, loadable=loadable, weight=to_come)
            return Layer.of(channelwise.rows_of, 1, node.output.type.bits, "loadable" if loadable else "rom",
                            depthwise=True)
        unit = MatrixVectorParameters(
            node.weights, 1, 1, node.thresholds, self._lut, input=self._kind, output=node.output.type, base=node.base,
            groups=self._work.groups, lane=lane, memory=self._memory, weight=to_come)
        assert unit.output is not None
        return Layer.of(unit.rows_of, self._work.groups, unit.output.bits, self._memory, multiplier=self._multiplier)

    def needs(self, folds: np.ndarray, lane: str | None) -> np.ndarray:
        pe, simd = folds[:, 0], folds[:, 1]
        cycles = self._work.cycles_of(folds)
        total = self._of(matrix_vector(self._layer(lane), pe, simd))
        total = total + self._of(_fifo(simd if not self._work.depthwise else pe * simd, self._kind.bits))
        if self._memory == "streamed" and not self._work.depthwise:
            total = total + self._streamed(pe, simd, self._layer(lane).lane.bits)
        for node in self._thresholds:
            total = total + self._of(self._compared(node, pe))
        lanes = simd
        if self._work.depthwise:
            lanes = pe
            if self._slides:
                total = total + np.where(simd[:, None] > 1, self._whole(pe, simd),
                                         self._sliding(pe, self._source.channels // pe))
        elif self._slides:
            lanes, more = self._window(cycles, simd)
            total = total + more
        pixel = self._source.elements if self.node.window is None else self._source.channels
        before, after = (_neighbour(value, cycles) for value in (self._source, self.node.output))
        between = (self._of(regrouped(pixel, before, lanes, self._source.type.bits))
                   + self._of(regrouped(self.node.output.channels, pe, after, self.node.output.type.bits)))
        return total + between // 2

    def _of(self, unit: Unit) -> np.ndarray:
        return self._model.needs(unit)

    def _streamed(self, pe: np.ndarray, simd: np.ndarray, bits: int) -> np.ndarray:
        """The unit that gives the weights, and the FIFO behind it."""
        work = self._work
        words = -(-work.rows // pe) * -(-work.columns // simd) * work.groups
        source = Unit("weights", {"weights": 1, "count": address_bits(words)}, (Memory(words, pe * simd * bits),))
        return self._of(source) + self._of(_fifo(pe * simd, bits))

    def _compared(self, node: Threshold, pe: np.ndarray) -> Unit:
        """A threshold unit behind the layer."""
        levels, bits = node.thresholds.shape[1], self.node.output.type.bits
        words = -(-self.node.output.channels // pe)
        flipped, written = bool(node.falling.any()), self._memory == "loadable"
        if levels <= PARALLEL_LEVELS:
            return compared(pe, levels, bits, words=words, width=pe * levels * bits, fixed=words == 1, flipped=flipped,
                            written=written)
        widths = [np.where(words == 1, 0, pe * bits), *[bits] * (levels.bit_length() - 1)]
        return searched(pe, bits, node.output.type.bits, words=words, widths=widths, flipped=flipped,
                        written=written)

    @cached_property
    def _span(self) -> WindowParameters:
        """The window with a pixel to the word, for its depth in pixels."""
        window, (height, width, channels) = self.node.window, self._source.shape
        assert window is not None
        return WindowParameters(height, width, channels, channels, window.kernel, window.stride, window.pads,
                                window.dilation, window.insert, 1, 0, self._source.type, self._kind)

    def _sliding(self, lanes: np.ndarray, groups: np.ndarray | int) -> np.ndarray:
        """A window unit of one tap a word."""
        span = self._span
        assert span.depth is not None
        pixel_words = self._source.channels // lanes
        return self._of(window(*span.axes, pixel_words=pixel_words, groups=groups, lanes=lanes,
                               depth=span.depth * pixel_words, bits=self._source.type.bits,
                               output_bits=self._kind.bits))

    def _window(self, cycles: np.ndarray, simd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lanes of the window that ``lower_layers`` would choose, and what it and the converter behind it need."""
        work, source = self._work, self._source
        each = cycles // work.positions
        options = np.array(divisors(source.channels // work.groups))
        words_out = work.groups * np.maximum(work.columns // options[:, None], -(-work.columns // simd))
        able = (words_out <= each) & (source.elements // options[:, None] <= cycles)
        # SIMD itself first, then the fewest.
        rank = np.where(options[:, None] == simd, 0, options[:, None])
        chosen = np.where(able, rank, np.iinfo(np.int64).max).argmin(axis=0)
        lanes = options[chosen]
        found = self._sliding(lanes, work.groups)
        if not able.any(axis=0).all():
            whole = work.groups == 1 and self.node.window is not None and self.node.window.insert == (1, 1)
            given = work.columns if whole else options[-1]
            needs = self._of(describe(self._parallel, source.type.bits)) if whole else self._sliding(
                np.full(1, options[-1]), work.groups)
            lanes = np.where(able.any(axis=0), lanes, given)
            found = np.where(able.any(axis=0)[:, None], found, needs)
        turned = self._of(regrouped(work.columns, lanes, simd, self._kind.bits))
        return np.minimum(lanes, source.channels), found + turned

    def _whole(self, pe: np.ndarray, simd: np.ndarray) -> np.ndarray:
        """Windows of all taps of PE channels, where SIMD asks for that."""
        window, found = self.node.window, np.zeros((len(pe), 3), dtype=np.int64)
        assert window is not None
        for place in np.flatnonzero(simd > 1):
            unit = whole_window(window, self._source, int(pe[place]), self._source.type, self._kind)
            found[place] = self._of(describe(unit, self._source.type.bits))
        return found

    @property
    def _parallel(self) -> ParallelWindowParameters:
        span = self._span
        return ParallelWindowParameters(span.height, span.width, span.channels, span.kernel, span.stride, span.pads,
                                        span.dilation, 0, span.input, span.output)


def _fifo(lanes: np.ndarray, bits: int) -> Unit:
    """A FIFO of two words."""
    return Unit("fifo", {"fifo": 1, "slots": lanes * bits})


def _neighbour(value: Value, cycles: np.ndarray) -> np.ndarray:
    """The fewest lanes that divide a value's channels and carry it in so many cycles."""
    options = np.array(divisors(value.channels))
    place = np.searchsorted(options, value.elements / cycles)
    return options[np.minimum(place, len(options) - 1)]
