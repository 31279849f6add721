"""Where branches meet: sums and concatenations, each input with a FIFO that waits for the slower branch."""

from __future__ import annotations

import math

from ..errors import UserError
from ..hdl.concat import ConcatParameters
from ..hdl.join import AddParameters
from ..sim.network import MAX_PORTS
from .folding import divisors
from .ir import Add, Concat
from .lowering import Lowering
from .stream import stream

__all__ = ["lower_add", "lower_concat"]


def _check_inputs(node: Add | Concat, does: str) -> None:
    if len(node.inputs) > MAX_PORTS:
        raise UserError(f"{does} {len(node.inputs)} branches at once; a unit has {MAX_PORTS} inputs", where=node.name,
                        remedy=f"join at most {MAX_PORTS} at a time")


def lower_add(lowering: Lowering, node: Add) -> None:
    _check_inputs(node, "adds")
    name = lowering.name("add")
    edges = [lowering.see(lowering.take(value), node.output.channels, node.name) for value in node.inputs]
    # One of the branches keeps its lanes, if they keep up.
    options = [lanes for lanes in (edge.lanes for edge in edges)
               if node.output.pixels * -(-node.output.channels // lanes) <= lowering.interval]
    lanes = min(options) if options else lowering.fewest(node.output, divisors(node.output.channels))
    edges = [lowering.fifo(lowering.regroup(edge, lanes, node.name, f"{name}_{k}"), node.name, f"{name}_{k}")
             for k, edge in enumerate(edges)]
    unit = AddParameters(tuple(edge.type for edge in edges), node.multipliers, lanes, node.output.type,
                         edges[0].words)
    lowering.give(node.output, lowering.append(name, node.name, unit, edges, stream("", node.output, lanes)))


def lower_concat(lowering: Lowering, node: Concat) -> None:
    _check_inputs(node, "joins")
    name = lowering.name("concat")
    values = [lowering.graph.value(value) for value in node.inputs]
    channels = tuple(value.channels for value in values)
    common = divisors(math.gcd(*channels))
    lanes = next((lanes for lanes in common if node.output.elements // lanes <= lowering.interval), None)
    edges = []
    for k, value in enumerate(values):
        edge = lowering.see(lowering.take(value.name), value.channels, node.name)
        edge = lowering.regroup(edge, lanes or value.channels, node.name, f"{name}_{k}")
        edge = lowering.cast(edge, node.output.type, node.name, f"{name}_{k}")
        edges.append(lowering.fifo(edge, node.name, f"{name}_{k}"))
    unit = ConcatParameters(channels, lanes, node.output.pixels)
    output = stream("", node.output, lanes or node.output.channels)
    lowering.give(node.output, lowering.append(name, node.name, unit, edges, output))
