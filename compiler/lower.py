"""Lowering: from the integer graph to the dataflow graph, node by node, each with the units that carry it out.

A value read by several nodes is forked. Words are regrouped where two units want other lanes; what joins or works for
several cycles on a word gets a FIFO in front. Units that hold no weights are given the fewest lanes that keep the
interval that the folding of the layers sets.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..coding.lfsr import Lfsr
from ..coding.xxhash32 import Hash
from ..errors import UserError
from ..hdl.argmax import ArgMaxParameters
from . import passes
from .dataflow import Dataflow
from .engine import layer_cycles
from .folding import Choice, Elements, Fold, Work, depthwise_folds, divisors, work_of
from .ir import Add, ArgMax, Concat, Dense, Graph, Pool, Rearrange, Requantise, Table, Threshold
from .lower_joins import lower_add, lower_concat
from .lower_layers import lower_dense
from .lower_moves import lower_pool, lower_rearrange
from .lower_points import lower_requantise, lower_table, lower_threshold
from .lowering import Lowering
from .stream import stream

__all__ = ["lower", "prepared"]

MOST_ITEMS = 1 << 16
"""Of an element's queue: more would be a slip of the pen, and take gigabytes to simulate."""


def prepared(graph: Graph, folds: Sequence[Choice]) -> Graph:
    """The graph as it is lowered: thresholds on what a sparse engine gives are nodes of their own."""
    layers = [node for node in graph.nodes if isinstance(node, Dense)]
    names = [layer.name for layer, fold in zip(layers, folds, strict=False)
             if isinstance(fold, Elements) and layer.thresholds is not None]
    return passes.run(graph, [passes.UnfuseThresholds(names), passes.InferTypes()]) if names else graph


def lower(graph: Graph, folds: Sequence[Choice], *, lut: int = 4, memory: str = "rom",
          multiplier: tuple[int, int] | None = None, lanes: Sequence[str | None] | None = None,
          pipelines: Sequence[int] | None = None, slices: Sequence[str] = ()) -> Dataflow:
    """Lower a graph, one fold for each Dense node in order. FIFOs get depth 2, buffers the least that works.

    Parameters
    ----------
    lut
        Inputs of the target's lookup table.
    memory
        Where weights live: "rom", "streamed" or "loadable" (``hdl.mvu``).
    multiplier
        Signed bits of the ports of the target's multiplier, which two products may share, or None (``hdl.mvu``).
    lanes
        For each Dense node its kind of lane, of ``hdl.dot.LANES``; None is the one that its weights ask for, for all if
        there is nothing else.
    pipelines
        For each Dense node how far its unit is pipelined, a degree of ``hdl.pipeline``; 0 for all, if there is nothing.
        Thresholds, tables and requantisations are pipelined like the layers that they read from.
    slices
        Units behind which a FIFO cuts the paths to and from the next unit.

    Raises
    ------
    UserError
        If the folding does not fit the layers, or a node has no hardware.
    ValueError
        If there is not one lane for each layer, or a layer cannot take its lane.
    """
    graph = prepared(graph, folds)
    layers = [node for node in graph.nodes if isinstance(node, Dense)]
    if not layers:
        raise UserError("no layer with weights is in the model", where=graph.name,
                        remedy="build a model with at least one")
    works = [work_of(graph, layer) for layer in layers]
    _check_folds(layers, works, folds, memory)
    interval = max(map(layer_cycles, layers, works, folds))
    lowering = Lowering(graph, interval, lut, memory, multiplier, slices)
    lowering.begin(folds[0])
    remaining = iter(zip(folds, lanes or [None] * len(folds), pipelines or [0] * len(folds), strict=True))
    degrees: dict[str, int] = {}
    for node in graph.nodes:
        lowering.pipeline = max((degrees.get(name, 0) for name in node.inputs), default=0)
        match node:
            case Dense():
                fold, lane, lowering.pipeline = next(remaining)
                lower_dense(lowering, node, fold, lane)
            case Threshold():
                lower_threshold(lowering, node)
            case Requantise():
                lower_requantise(lowering, node)
            case Table():
                lower_table(lowering, node)
            case Pool():
                lower_pool(lowering, node)
            case Rearrange():
                lower_rearrange(lowering, node)
            case Add():
                lower_add(lowering, node)
            case Concat():
                lower_concat(lowering, node)
            case ArgMax():
                edge = lowering.see(lowering.take(node.input), graph.value(node.input).elements)
                unit = ArgMaxParameters(edge.pixel, edge.lanes, input=edge.type)
                lowering.give(node.output, lowering.append("top1", node.name, unit, [edge],
                                                           stream("top1_out", node.output, 1)))
            case _:
                raise UserError(f"a {type(node).__name__} is left over after all passes", where=node.name)
        degrees[node.output.name] = lowering.pipeline
    return lowering.finish()


def _check_folds(layers: Sequence[Dense], works: Sequence[Work], folds: Sequence[Choice], memory: str) -> None:
    shapes = ", ".join(f"{work.rows}x{work.columns}" for work in works)
    if len(folds) != len(layers):
        raise UserError(f"{len(folds)} foldings for {len(layers)} layers ({shapes})", where="--folding",
                        remedy="give PE x SIMD once for each layer, in order")
    for layer, work, fold in zip(layers, works, folds, strict=True):
        if fold.engine != "dense":
            _check_engine(layer, work, fold, memory)
        if isinstance(fold, Elements):
            continue
        if fold.pe > work.rows or fold.simd > work.columns:
            raise UserError(f"{fold} is more than layer {layer.name!r} has: {work.rows} rows and {work.columns} "
                            "columns", where="--folding",
                            remedy=f"take PE from 1 to {work.rows} and SIMD from 1 to {work.columns}")
        if work.depthwise:
            _check_depthwise(layer, work, fold)


def _check_engine(layer: Dense, work: Work, choice: Choice, memory: str) -> None:
    if work.groups > 1 or work.depthwise:
        raise UserError(f"layer {layer.name!r} works on groups of channels, which engine {choice.engine!r} does not",
                        where="--engine", remedy="leave it on dense lanes")
    if memory != "rom" and ((choice.engine, memory) != ("eie", "loadable") or isinstance(layer.index, Hash)):
        raise UserError(f"layer {layer.name!r} is on engine {choice.engine!r}, whose weights are built in, not "
                        f"{memory}", where="--engine", remedy="build with --weights rom, or with --engine dense")
    if isinstance(choice, Elements) and isinstance(layer.index, Lfsr) and choice.elements != layer.index.elements:
        raise UserError(f"layer {layer.name!r} was trained for {layer.index.elements} elements, not {choice.elements}",
                        where="--folding", remedy=f"take {layer.index.elements} elements")
    if isinstance(choice, Elements) and isinstance(layer.index, Hash) and choice.elements % layer.index.banks:
        raise UserError(f"layer {layer.name!r} has its weights in {layer.index.banks} banks, which do not divide "
                        f"{choice.elements} elements", where="--folding", remedy="take a multiple of the banks")
    if isinstance(choice, Elements) and choice.depth > MOST_ITEMS:
        raise UserError(f"{choice} has queues of more than {MOST_ITEMS:,} items", where="--folding",
                        remedy="take fewer: beyond 16, most layers gain nothing")
    if isinstance(choice, Elements) and (choice.elements % choice.lanes_out or choice.elements > work.rows
                                         or choice.simd > work.columns):
        raise UserError(f"{choice} does not fit layer {layer.name!r}, of {work.rows} rows and {work.columns} columns",
                        where="--folding", remedy="take no more elements than rows, no more lanes than columns, and as "
                        "lanes out a divisor of the elements")


def _check_depthwise(layer: Dense, work: Work, fold: Fold) -> None:
    if work.rows % fold.pe:
        raise UserError(f"PE {fold.pe} does not divide the {work.rows} channels of the depthwise layer {layer.name!r}",
                        where="--folding", remedy=f"take one of {', '.join(map(str, divisors(work.rows)))}")
    if fold.simd not in (1, work.columns):
        raise UserError(f"SIMD {fold.simd} is neither one nor all {work.columns} taps of the depthwise layer "
                        f"{layer.name!r}", where="--folding", remedy=f"take SIMD 1 or {work.columns}")
    if fold not in depthwise_folds(work):
        able = f", or {work.rows}x{work.columns}" if work.unrolls == "pixels" else ""
        why = "is spread" if not able else "moves by more than a pixel"
        raise UserError(f"{fold} works on all taps of {'some channels of ' * bool(able)}the depthwise layer "
                        f"{layer.name!r}, whose window {why}", where="--folding", remedy=f"take SIMD 1{able}")
