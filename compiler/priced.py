"""What a layer costs with all that its folding decides, for many folds at once; and what other engines cost it.

Priced with it are the thresholds behind it on as many lanes as it has PEs, the window, FIFO and width converters in
front of it. Its neighbours are not known then; converters between layers are priced, half to each, as if the neighbour
had the fewest lanes that divide its channels and keep up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..boards.cost import CostModel
from ..boards.features import describe
from ..boards.features_moves import reorder, window
from ..boards.features_points import compared, regrouped, searched
from ..boards.features_rows import Layer, matrix_vector
from ..boards.features_sparse import sparse_engine
from ..boards.memory import Memory
from ..boards.numbers import Unit, address_bits
from ..hdl.codes import PARALLEL_LEVELS
from ..hdl.depthwise import DepthwiseParameters
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.sparse_matrix import SparseParameters
from ..hdl.window import WindowParameters
from ..hdl.window_parallel import ParallelWindowParameters
from .engine import Others, block_choices, element_choices, entries, layer_cycles
from .folding import Blocks, Choice, Elements, divisors, work_of
from .ir import Dense, Graph, IntType, Threshold, Value
from .lower_layers import POINTWISE, whole_window, widened

__all__ = ["PricedLayer"]

# Kinds of lanes whose products go into DSP blocks where a family has them.
_MULTIPLYING = ("multiply", "levels")


class PricedLayer:
    """A layer with all that its folding decides."""

    def __init__(self, graph: Graph, node: Dense, model: CostModel, lut: int, memory: str,
                 multiplier: tuple[int, int] | None):
        self.node, self._model, self._memory, self._lut, self._multiplier = node, model, memory, lut, multiplier
        self._made: dict[str | None, Layer] = {}
        self._others: dict[str, Others] = {}
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
        total = self._of(matrix_vector(self._layer(lane), pe, simd))
        if self._memory == "streamed" and not self._work.depthwise:
            total = total + self._streamed(pe, simd, self._layer(lane).lane.bits)
        return total + self._around(pe, simd, self._work.cycles_of(folds))

    def others(self, engine: str) -> Others:
        """The choices of an engine other than dense lanes."""
        if engine not in self._others:
            choices, cycles = {"static": block_choices, "eie": element_choices}[engine](self.node, self._work)
            needs = self._blocks(choices, cycles) if engine == "static" else self._elements(choices, cycles)
            self._others[engine] = Others(tuple(choices), cycles, needs)
        return self._others[engine]

    def needs_of(self, choice: Choice, lane: str | None) -> np.ndarray:
        """Likewise of one choice, whatever its engine: int64 ``[3]``."""
        cycles = np.array([layer_cycles(self.node, self._work, choice)])
        match choice:
            case Elements():
                return self._elements([choice], cycles)[0]
            case Blocks():
                return self._blocks([choice], cycles)[0]
        return self.needs(np.array([(choice.pe, choice.simd)]), lane)[0]

    def _blocks(self, choices: Sequence[Blocks], cycles: np.ndarray) -> np.ndarray:
        pe, simd = np.array([(choice.pe, choice.simd) for choice in choices]).T
        blocks, folds = cycles // self._work.positions, -(-self._work.columns // simd)
        # Words of the vector are held until the last row fold has seen them.
        replayed = reorder(folds, folds, blocks, lanes=simd, bits=self._kind.bits, freed=address_bits(folds))
        needs = self._of(matrix_vector(self._layer(None), pe, simd, blocks)) + self._of(replayed)
        return needs + self._around(pe, simd, cycles)

    def _elements(self, choices: Sequence[Elements], cycles: np.ndarray) -> np.ndarray:
        node, values = self.node, np.unique(self.node.weights)
        weight = IntType.spanning(int(values[0]), int(values[-1]))
        needs = []
        for choice in choices:
            needs.append(self._of(sparse_engine(
                entries(node, choice), rows=self._work.rows, lanes=choice.simd, lanes_out=choice.lanes_out,
                run_bits=choice.run_bits, depth=choice.depth, read_width=SparseParameters.read_width, input=self._kind,
                accumulator=node.accumulator, weight=weight, values=len(values), index=node.index)))
        lanes, lanes_out = np.array([(choice.simd, choice.lanes_out) for choice in choices]).T
        total = np.array(needs) + self._around(lanes_out, lanes, cycles)
        if node.thresholds is not None:  # a unit of their own compares the engine's sums
            total = total + self._of(self._compared(lanes_out, node.thresholds, node.accumulator.bits, node.output,
                                                    False))
        return total

    def _around(self, pe: np.ndarray, simd: np.ndarray, cycles: np.ndarray) -> np.ndarray:
        """What is in front of the unit that multiplies, and behind it."""
        total = self._of(_fifo(simd if not self._work.depthwise else pe * simd, self._kind.bits))
        for node in self._thresholds:
            total = total + self._of(self._compared(pe, node.thresholds, self.node.output.type.bits, node.output,
                                                    bool(node.falling.any())))
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

    def _compared(self, lanes: np.ndarray, thresholds: np.ndarray, bits: int, output: Value, flipped: bool) -> Unit:
        """A threshold unit behind the layer, on sums of ``bits`` bits."""
        channels, levels = thresholds.shape
        words, written = -(-channels // lanes), self._memory == "loadable"
        if levels <= PARALLEL_LEVELS:
            return compared(lanes, levels, bits, words=words, width=lanes * levels * bits, fixed=words == 1,
                            flipped=flipped, written=written)
        widths = [np.where(words == 1, 0, lanes * bits), *[bits] * (levels.bit_length() - 1)]
        return searched(lanes, bits, output.type.bits, words=words, widths=widths, flipped=flipped, written=written)

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
