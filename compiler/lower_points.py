"""Nodes that look at one integer at a time: thresholds, requantisation, tables. They keep the stream's lanes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..hdl.requantise import RequantiseParameters
from ..hdl.table import TableParameters
from ..hdl.threshold import ThresholdParameters
from .ir import Requantise, Table, Threshold
from .lowering import Lowering
from .stream import Edge

__all__ = ["lower_requantise", "lower_table", "lower_threshold"]


def _source(lowering: Lowering, node: Threshold | Requantise | Table) -> tuple[Edge, int]:
    """The stream, and how often the channels' constants repeat in a group of it."""
    edge = lowering.take(node.input)
    channels = lowering.graph.value(node.input).channels
    if edge.pixel % channels:  # a group's rows alone
        edge = lowering.see(edge, channels, node.name)
    return edge, edge.pixel // channels


def _append(lowering: Lowering, node: Threshold | Requantise | Table, name: str, parameters, edge: Edge) -> None:
    output = replace(edge, value=node.output.name, type=node.output.type)
    lowering.give(node.output, lowering.append(name, node.name, parameters, [edge], output))


def lower_threshold(lowering: Lowering, node: Threshold) -> None:
    edge, repeats = _source(lowering, node)
    unit = ThresholdParameters(np.tile(node.thresholds, (repeats, 1)), np.tile(node.falling, repeats), edge.lanes,
                               edge.type, node.output.type, node.base, edge.pixels, lowering.loadable)
    first = node.input == lowering.graph.input.name and not any(stage.name == "quantise" for stage in lowering.stages)
    name = "quantise" if first else lowering.name("threshold")
    _append(lowering, node, name, unit, edge)


def lower_requantise(lowering: Lowering, node: Requantise) -> None:
    edge, repeats = _source(lowering, node)
    unit = RequantiseParameters(np.tile(node.multiplier, repeats), np.tile(node.offset, repeats), node.shift, node.lo,
                                node.hi, edge.lanes, edge.type, node.output.type, edge.pixels, node.even)
    _append(lowering, node, lowering.name("requantise"), unit, edge)


def lower_table(lowering: Lowering, node: Table) -> None:
    edge, repeats = _source(lowering, node)
    table = node.table if len(node.table) == 1 else np.tile(node.table, (repeats, 1))
    unit = TableParameters(table, node.first, edge.pixel, edge.lanes, edge.type, node.output.type, edge.pixels,
                           lowering.loadable)
    _append(lowering, node, lowering.name("table"), unit, edge)
