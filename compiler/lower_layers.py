"""Layers with weights: windows where they slide, lanes regrouped to SIMD, a FIFO, and the unit that multiplies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import UserError
from ..hdl.depthwise import DepthwiseParameters
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.reorder import ReorderParameters
from ..hdl.shuffle import ShuffleParameters
from ..hdl.width import WidthParameters
from ..hdl.window import WindowParameters
from ..hdl.window_parallel import ParallelWindowParameters
from .engine import layer_cycles
from .folding import Blocks, Choice, Elements, Fold, Work, divisors, work_of
from .ir import Dense, IntType, Value, Window
from .lower_sparse import lower_blocks, lower_elements
from .lowering import Lowering
from .stream import NOTHING, Edge, grouped, stream

__all__ = ["all_taps", "lower_dense", "slide", "whole_window", "widened"]

POINTWISE = Window((1, 1))


def widened(kind: IntType, window: Window, height: int, width: int) -> IntType:
    """The type of what a window gives: padding is 0, which bipolar lanes cannot say."""
    padded = kind.bipolar and bool((window.sources(height, width) < 0).any())
    return IntType(2, signed=True) if padded else kind


def lower_dense(lowering: Lowering, node: Dense, choice: Choice, lane: str | None = None) -> None:
    source = lowering.graph.value(node.input)
    work = work_of(lowering.graph, node)
    if node.window is not None and (node.window.sources(*source.shape[:2]) < 0).all():
        raise UserError("sees nothing but padding at every position, so that its output is a constant", where=node.name,
                        remedy="use less padding or a smaller stride")
    # Blocks and indices are those of the natural order; else a vector may come in any, and columns follow it.
    ordered = node.window is not None or isinstance(choice, Blocks) or node.index is not None
    edge = lowering.take(node.input, ordered=ordered)
    weights = node.weights
    if node.window is None:
        name = lowering.name("fc")
        edge = lowering.see(edge, source.elements, node.name, name)
        weights = np.ascontiguousarray(weights[:, edge.flat])
    elif work.depthwise:
        assert isinstance(choice, Fold)
        _depthwise(lowering, node, choice, lane, source, edge)
        return
    else:
        name = lowering.name("conv")
        if edge.pixel > source.channels:
            edge = _several(lowering, node, node.window, source, edge, name)
        else:
            edge = lowering.see(edge, source.channels, node.name, name)
            if node.window != POINTWISE or node.groups > 1:
                edge = _window(lowering, node, choice, work, source, edge, name)
    edge = lowering.regroup(edge, choice.simd, node.name, name)
    if isinstance(choice, Elements):
        lower_elements(lowering, node, choice, work, weights, edge, name)
        return
    if not isinstance(choice, Blocks):
        edge = lowering.fifo(edge, node.name, name)
    unit = MatrixVectorParameters(
        weights, choice.pe, choice.simd, node.thresholds, lowering.lut, input=edge.type, output=node.output.type,
        base=node.base, groups=work.groups, positions=work.positions, lane=lane, memory=lowering.memory,
        multiplier=lowering.multiplier, weight=_to_come(lowering, node), pipeline=lowering.pipeline)
    if isinstance(choice, Blocks):
        lower_blocks(lowering, node, unit, edge, name)
        return
    assert unit.output is not None
    inputs = [edge]
    if lowering.memory == "streamed":
        inputs.append(_weights(lowering, node, unit, name))
    per_group = len(node.weights) // work.groups
    index = np.arange(node.output.elements, dtype=np.int32).reshape(-1, per_group)
    output = Edge("", node.output.name, unit.output, grouped(index, choice.pe), per_group, node.output.elements)
    lowering.give(node.output, lowering.append(name, node.name, unit, inputs, output))


def _to_come(lowering: Lowering, node: Dense) -> IntType | tuple[int, int] | None:
    """What loadable weights may be."""
    return (node.declared or node.weight_type) if lowering.loadable else None


def _weights(lowering: Lowering, node: Dense, unit: MatrixVectorParameters, name: str) -> Edge:
    """The stream of a layer's weights, from a unit of their own."""
    streamer = unit.streamer()
    words = len(streamer.words) * streamer.repeats
    edge = Edge("", "", IntType(streamer.bits), np.broadcast_to(np.int32(NOTHING), (words, streamer.lanes)),
                streamer.lanes, 0)
    edge = lowering.append(f"{name}_weights", node.name, streamer, [], edge)
    return lowering.fifo(edge, node.name, f"{name}_weights")


def _window(lowering: Lowering, node: Dense, fold: Choice, work: Work, source: Value, edge: Edge, name: str) -> Edge:
    """A window unit for a convolution: as few lanes as the folding lets it have, or all taps at once."""
    window, groups = node.window, work.groups
    assert window is not None
    per_group = source.channels // groups
    cycles = layer_cycles(node, work, fold) // work.positions
    for lanes in sorted(divisors(per_group), key=lambda lanes: (lanes != fold.simd, lanes)):
        words = window.taps * per_group // lanes
        if lanes != fold.simd:
            words = WidthParameters(work.columns, lanes, fold.simd).schedule.phases
        if words * groups <= cycles and source.elements // lanes <= lowering.interval:
            return slide(lowering, node.name, name, window, source, edge, lanes, groups)
    edge = _parallel(lowering, node, window, source, edge, name)
    if groups == 1:
        return edge
    size = window.taps * per_group
    order = np.arange(edge.lanes).reshape(window.taps, groups, per_group).swapaxes(0, 1).reshape(-1)
    shuffled = replace(edge, index=edge.index[:, order])
    unit = ShuffleParameters(order, edge.lanes, edge.words)
    edge = lowering.append(f"{name}_groups", node.name, unit, [edge], shuffled)
    lanes = size if size % fold.simd else fold.simd
    return lowering.regroup(edge, lanes, node.name, f"{name}_group").per(size)


def slide(lowering: Lowering, layer: str, name: str, window: Window, source: Value, edge: Edge, lanes: int,
          groups: int, fill: int = 0) -> Edge:
    """A window unit that gives one word of ``lanes`` channels of one tap a cycle, group by group."""
    height, width, channels = source.shape
    edge = lowering.regroup(edge, lanes, layer, f"{name}_pixel")
    kind = widened(edge.type, window, height, width) if fill == 0 else edge.type
    unit = WindowParameters(height, width, channels, lanes, window.kernel, window.stride, window.pads, window.dilation,
                            window.insert, groups, fill, edge.type, kind)
    per_group = channels // groups
    pixels = window.sources(height, width)[:, None, :, None]
    index = np.where(pixels < 0, -1, pixels * channels + np.arange(groups)[:, None, None] * per_group
                     + np.arange(per_group))
    size = window.taps * per_group
    output = Edge("", edge.value, kind, grouped(index.reshape(-1, size).astype(np.int32), lanes), size,
                  edge.elements, fill)
    return lowering.append(f"{name}_window", layer, unit, [edge], output)


def _parallel(lowering: Lowering, node: Dense, window: Window, source: Value, edge: Edge, name: str,
              pixels: int = 1) -> Edge:
    """A window unit that gives all taps in one word, from ``pixels`` neighbours a word."""
    height, width, channels = source.shape
    edge = lowering.regroup(edge, pixels * channels, node.name, f"{name}_pixel")
    kind = widened(edge.type, window, height, width)
    if window.insert != (1, 1):
        edge = _spread(lowering, node, window, source, lowering.cast(edge, kind, node.name, name), name)
        height, width = ((size - 1) * step + 1 for size, step in zip((height, width), window.insert, strict=True))
    unit = ParallelWindowParameters(height, width, channels, window.kernel, window.stride, window.pads,
                                    window.dilation, 0, edge.type, kind, pixels_per_word=pixels)
    places = window.sources(*source.shape[:2])[:, :, None]
    index = np.where(places < 0, -1, places * channels + np.arange(channels)).astype(np.int32)
    lanes = unit.lanes_out
    output = Edge("", edge.value, kind, index.reshape(-1, lanes), lanes, edge.elements)
    return lowering.append(f"{name}_window", node.name, unit, [edge], output)


def _spread(lowering: Lowering, node: Dense, window: Window, source: Value, edge: Edge, name: str) -> Edge:
    """The image with the zeros that a transposed convolution inserts, a pixel a word."""
    channels = source.channels
    pixels = Window((1, 1), insert=window.insert).sources(*source.shape[:2])[:, 0]
    unit = ReorderParameters(pixels, source.pixels, channels)
    index = np.where(pixels[:, None] < 0, -1, pixels[:, None] * channels + np.arange(channels))
    spread = replace(edge, index=index.astype(np.int32))
    return lowering.append(f"{name}_spread", node.name, unit, [edge], spread)


def _several(lowering: Lowering, node: Dense, window: Window, source: Value, edge: Edge, name: str) -> Edge:
    """All taps at once where several pixels come in a word; then a position a word."""
    size = window.taps * source.channels
    edge = _parallel(lowering, node, window, source, edge, name, edge.pixel // source.channels)
    return lowering.regroup(edge, size, node.name, f"{name}_position").per(size)


def whole_window(window: Window, source: Value, lanes: int, entering: IntType,
                 leaving: IntType, fill: int = 0) -> ParallelWindowParameters:
    """A window of all taps of ``lanes`` channels: to it, a row is one of words, not of pixels."""
    height, width, channels = source.shape
    folds = channels // lanes
    top, left, bottom, right = window.pads
    return ParallelWindowParameters(height, width * folds, lanes, window.kernel, window.stride,
                                    (top, left * folds, bottom, right * folds),
                                    (window.dilation[0], window.dilation[1] * folds), fill, entering, leaving)


def all_taps(lowering: Lowering, layer: str, name: str, window: Window, source: Value, edge: Edge, lanes: int,
             fill: int = 0) -> Edge:
    """A window unit that gives all taps of ``lanes`` channels in one word, for one word of channels after another.

    What is one pixel aside lies as many words aside as a pixel has.
    """
    height, width, channels = source.shape
    folds = channels // lanes
    edge = lowering.regroup(edge, lanes, layer, f"{name}_pixel")
    kind = widened(edge.type, window, height, width) if fill == 0 else edge.type
    unit = whole_window(window, source, lanes, edge.type, kind, fill)
    places = window.sources(height, width)[:, None, :, None]
    index = np.where(places < 0, -1, places * channels + np.arange(channels).reshape(folds, 1, lanes))
    size = window.taps * lanes
    output = Edge("", edge.value, kind, index.reshape(-1, size).astype(np.int32), size, edge.elements, fill)
    return lowering.append(f"{name}_window", layer, unit, [edge], output)


def _depthwise(lowering: Lowering, node: Dense, fold: Fold, lane: str | None, source: Value, edge: Edge) -> None:
    """One channel sees itself alone: a window that gives a word of channels tap by tap, or all taps of it at once, and
    a unit that adds up taps.
    """
    window, lanes = node.window, fold.pe
    assert window is not None
    name = lowering.name("dw")
    edge = lowering.see(edge, source.channels, node.name, name)
    if 1 < window.taps == fold.simd:
        edge = all_taps(lowering, node.name, name, window, source, edge, lanes)
    elif window != POINTWISE:
        edge = slide(lowering, node.name, name, window, source, edge, lanes, source.channels // lanes)
    else:
        edge = lowering.regroup(edge, lanes, node.name, name)
    edge = lowering.fifo(edge, node.name, name)
    unit = DepthwiseParameters(node.weights, lanes, edge.type, node.thresholds, node.output.type, node.base,
                               node.output.pixels, simd=fold.simd, lane=lane, lut=lowering.lut,
                               loadable=lowering.loadable, weight=_to_come(lowering, node), pipeline=lowering.pipeline)
    lowering.give(node.output, lowering.append(name, node.name, unit, [edge], stream("", node.output, lanes)))
