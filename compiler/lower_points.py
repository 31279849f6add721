"""Nodes that look at one integer at a time: thresholds, requantisation, tables. They keep the stream's lanes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..hdl.requantise import RequantiseParameters
from ..hdl.table import TableParameters
from ..hdl.threshold import ThresholdParameters
from .ir import IntType, Requantise, Table, Threshold
from .lowering import Lowering
from .passes.intervals import count_all
from .stream import Edge

__all__ = ["lower_requantise", "lower_table", "lower_threshold"]

# Bits up to which every integer of a type is looked at, to see whether its code is the same bits.
_RELABELLED = 8


def _source(lowering: Lowering, node: Threshold | Requantise | Table) -> tuple[Edge, np.ndarray]:
    """The stream, and the channel of each element in a group of it: int64 ``[pixel]``."""
    edge = lowering.take(node.input, ordered=False)
    channels = lowering.graph.value(node.input).channels
    if edge.pixel % channels:  # a group's rows alone
        edge = lowering.see(edge, channels, node.name)
    return edge, edge.flat[: edge.pixel].astype(np.int64) % channels


def _append(lowering: Lowering, node: Threshold | Requantise | Table, name: str, parameters, edge: Edge) -> None:
    output = replace(edge, value=node.output.name, type=node.output.type)
    lowering.give(node.output, lowering.append(name, node.name, parameters, [edge], output))


def _relabelled(lowering: Lowering, node: Threshold | Table) -> bool:
    """Give the codes without a unit, if they have the very bits of the integers that they are of: signs as 0 and 1."""
    source, target = lowering.graph.value(node.input).type, node.output.type
    if lowering.loadable or source.bits != target.bits or source.bits > _RELABELLED:
        return False
    integers = np.array([-1, 1]) if source.bipolar else np.arange(source.lo, source.hi + 1)
    value = lowering.graph.value(node.input)
    integers = integers[(integers >= value.lo) & (integers <= value.hi)]
    if isinstance(node, Table):
        codes = node.table[:, integers - node.first]
    else:
        met = count_all(integers, node.thresholds, node.falling)
        codes = 2 * met - 1 if target.bipolar else node.base + met
    if not (_bits(codes, target) == _bits(integers, source)).all():
        return False
    edge = lowering.take(node.input, ordered=False)
    lowering.give(node.output, replace(edge, value=node.output.name, type=target))
    return True


def _bits(integers: np.ndarray, kind: IntType) -> np.ndarray:
    return integers > 0 if kind.bipolar else integers & (1 << kind.bits) - 1


def lower_threshold(lowering: Lowering, node: Threshold) -> None:
    if _relabelled(lowering, node):
        return
    edge, channels = _source(lowering, node)
    unit = ThresholdParameters(node.thresholds[channels], node.falling[channels], edge.lanes, edge.type,
                               node.output.type, node.base, edge.pixels, lowering.loadable,
                               lowering.pipeline)
    first = node.input == lowering.graph.input.name and not any(stage.name == "quantise" for stage in lowering.stages)
    name = "quantise" if first else lowering.name("threshold")
    _append(lowering, node, name, unit, edge)


def lower_requantise(lowering: Lowering, node: Requantise) -> None:
    edge, channels = _source(lowering, node)
    unit = RequantiseParameters(node.multiplier[channels], node.offset[channels], node.shift, node.lo, node.hi,
                                edge.lanes, edge.type, node.output.type, edge.pixels, node.even,
                               lowering.pipeline)
    _append(lowering, node, lowering.name("requantise"), unit, edge)


def lower_table(lowering: Lowering, node: Table) -> None:
    if _relabelled(lowering, node):
        return
    edge, channels = _source(lowering, node)
    table = node.table if len(node.table) == 1 else node.table[channels]
    unit = TableParameters(table, node.first, edge.pixel, edge.lanes, edge.type, node.output.type, edge.pixels,
                           lowering.loadable, lowering.pipeline)
    _append(lowering, node, lowering.name("table"), unit, edge)
