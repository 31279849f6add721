"""Nodes that move integers without weights: pooling and rearrangements, each by the cheapest unit that does it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..hdl.pool import PoolParameters
from ..hdl.reorder import ReorderParameters
from ..hdl.shuffle import ShuffleParameters
from ..hdl.upsample import UpsampleParameters
from .folding import divisors
from .ir import Pool, Rearrange, Value
from .lower_layers import all_taps, slide
from .lower_split import channels_taken
from .lowering import Lowering
from .stream import stream

__all__ = ["lower_pool", "lower_rearrange"]


def lower_pool(lowering: Lowering, node: Pool) -> None:
    source, window, name = lowering.graph.value(node.input), node.window, lowering.name("pool")
    height, width, channels = source.shape
    edge = lowering.see(lowering.take(node.input), channels, node.name, name)
    if window.kernel == (height, width) and not any(window.pads) and window.insert == (1, 1):
        unit = PoolParameters(node.kind, window.taps, edge.words // source.pixels, edge.lanes, edge.type,
                              node.output.type, 1, "outer")
        output = lowering.append(name, node.name, unit, [edge], stream("", node.output, edge.lanes))
        # All that a frame gives comes during its last pixel, faster than readers may take it.
        lowering.give(node.output, lowering.fifo(output, node.name, name))
        return
    fill = source.type.lo if node.kind == "max" else 0
    lanes, simd = _lanes_and_taps(lowering, node, source)
    if simd > 1:
        edge = all_taps(lowering, node.name, name, window, source, edge, lanes, fill)
    else:
        edge = slide(lowering, node.name, name, window, source, edge, lanes, channels // lanes, fill)
    unit = PoolParameters(node.kind, window.taps, channels // lanes, lanes, edge.type, node.output.type,
                          node.output.pixels, simd=simd)
    lowering.give(node.output, lowering.append(name, node.name, unit, [edge], stream("", node.output, lanes)))


def _lanes_and_taps(lowering: Lowering, node: Pool, source: Value) -> tuple[int, int]:
    """The fewest channels a word that keep the interval, one tap a cycle; all taps at once where that takes too long.
    """
    window, options = node.window, divisors(source.channels)
    moved = node.output.elements * window.taps
    lanes = lowering.fewest(source, options, elements=max(source.elements, moved))
    # A tap a cycle is no slower than the pixels come, or it is fast enough.
    if moved <= max(source.elements, lowering.interval * lanes) or window.insert != (1, 1):
        return lanes, 1
    # Only from one pixel to the next does a window of all taps step evenly over words of some of the channels.
    options = options if window.stride[1] == 1 else options[-1:]
    return lowering.fewest(source, options, elements=max(source.elements, node.output.elements)), window.taps


def lower_rearrange(lowering: Lowering, node: Rearrange) -> None:
    source, target, index = lowering.graph.value(node.input), node.output, node.index
    edge = lowering.part(target.name)
    if edge is not None:
        lowering.give(target, edge)
        return
    edge = lowering.take(node.input)
    name = lowering.name(node.kind.replace(" ", "_"))
    if np.array_equal(index, np.arange(source.elements)):
        edge = lowering.see(edge, target.channels, node.name, name)
        lowering.give(target, replace(edge, value=target.name, elements=target.elements))
        return
    # Zeros beside bipolar integers need another bit.
    edge = lowering.cast(lowering.see(edge, source.channels, node.name, name), target.type, node.name, name)
    within = channels_taken(source, target, index)
    if within is not None:
        edge = lowering.regroup(edge, source.channels, node.name, name)
        unit = ShuffleParameters(within, source.channels, source.pixels)
        lowering.give(target, lowering.append(name, node.name, unit, [edge], stream("", target, target.channels)))
        return
    factors = _upsampling(source, target, index)
    if factors is not None:
        height, width, channels = source.shape
        lanes = lowering.fewest(target, _aligned(source, target, index))
        edge = lowering.regroup(edge, lanes, node.name, name)
        unit = UpsampleParameters(height, width, channels // lanes, lanes, factors)
        lowering.give(target, lowering.append(name, node.name, unit, [edge], stream("", target, lanes)))
        return
    options = _aligned(source, target, index)
    lanes = lowering.fewest(target if target.elements > source.elements else source, options)
    edge = lowering.regroup(edge, lanes, node.name, name)
    words = index.reshape(-1, lanes)[:, 0]
    unit = ReorderParameters(np.where(words < 0, -1, words // lanes), source.elements // lanes, lanes)
    lowering.give(target, lowering.append(name, node.name, unit, [edge], stream("", target, lanes)))


def _upsampling(source: Value, target: Value, index: np.ndarray) -> tuple[int, int] | None:
    """The factors, if the target repeats whole rows and columns."""
    if len(source.shape) != 3 or len(target.shape) != 3 or source.channels != target.channels:
        return None
    rows, columns = target.shape[0] // source.shape[0], target.shape[1] // source.shape[1]
    if not rows or not columns or (source.shape[0] * rows, source.shape[1] * columns) != target.shape[:2]:
        return None
    grid = np.arange(source.elements).reshape(source.shape)
    repeated = grid.repeat(rows, axis=0).repeat(columns, axis=1)
    return (rows, columns) if np.array_equal(index, repeated.reshape(-1)) else None


def _aligned(source: Value, target: Value, index: np.ndarray) -> list[int]:
    """Lanes, ascending, with which the rearrangement moves whole words."""
    fine = []
    for lanes in divisors(int(np.gcd(source.channels, target.channels))):
        groups = index.reshape(-1, lanes)
        first = groups[:, :1]
        whole = np.where(first < 0, -1, first + np.arange(lanes))
        if np.array_equal(groups, whole) and not (first[first >= 0] % lanes).any():
            fine.append(lanes)
    return fine
