"""The report of a build: ``report.json`` is its content as plain data, ``report.html`` a rendering of that alone.

Everything in it is computed from the design, by the dataflow engine where cycles are concerned; ``verification`` and
``resources`` are empty until a run of the tool that measures them has filled them.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..hdl.block_sparse import BlockSparseParameters
from ..hdl.fifo import FifoParameters
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.schedule import Queue
from ..hdl.sparse_parameters import EngineParameters
from ..hdl.sparse_stored import StoredWeights
from . import relief, report_engines
from .choosing import stored_bits
from .dataflow import WEIGHTED, Stage
from .folding import Choice, Work
from .ir import Dense, Value
from .relief import pace
from .slack import least, one_less
from .stream import Edge
from .timeline import number, timeline
from .units import KINDS

if TYPE_CHECKING:
    from .compiled import Compiled

__all__ = ["console", "render", "summarise"]


def summarise(design: Compiled) -> dict:
    """What ``report.json`` holds for a design that nobody has verified yet.

    Cycles are the dataflow engine's (``sim.dataflow``), for a run without stalls; rates and times are at ``clock_mhz``.
    Where ``data_dependent``, they are the most that any frame takes: one without a zero. ``verification`` (as
    ``Verification.to_json()``) and ``resources`` (a dictionary by device family) are None here, and filled in by those
    who measure them.
    """
    dataflow, graph, prediction = design.dataflow, design.graph, design.prediction
    interval = number(prediction.interval)
    dense = [node for node in graph.nodes if isinstance(node, Dense)]
    layers = [_layer(stage, node, graph.value(node.input), work, fold, interval) for stage, node, work, fold in
              zip(dataflow.layers, dense, design.works, design.folds, strict=True)]
    for layer, engine in zip(layers, report_engines.summarise(design), strict=True):
        layer["engine"] = engine
    lanes, work = sum(layer["lanes"] for layer in layers), sum(layer["work"] for layer in layers)
    output = graph.value(graph.output)
    return {
        "name": design.name,
        "gatewright": importlib.metadata.version("gatewright"),
        "model": {"input": {"type": str(graph.spec.type), "scale": str(graph.spec.scale),
                            "shape": list(graph.spec.shape), "first_quantiser": graph.spec.encoder is not None},
                  "output": {"type": str(output.type), "shape": list(output.shape), "top1": design.top1,
                             "host": list(graph.host)}},
        "folding": ",".join(str(fold) for fold in design.folds),
        "clock_mhz": design.clock,
        "lut": design.lut,
        "totals": {
            "interval": interval, "fps": design.fps, "regime": list(prediction.regime),
            "latency": prediction.latency, "latency_us": prediction.latency / design.clock,
            "data_dependent": bool(dataflow.sparse),
            "lanes": lanes, "work": work, "lane_efficiency": work / (lanes * interval),
            "weights": sum(layer["weights"]["count"] for layer in layers),
            "weight_bits": sum(layer["weights"]["bits"] for layer in layers),
            "fifo_words": sum(stage.schedule.depth for stage in dataflow.fifos),
            "fifo_bits": sum(stage.schedule.depth * stage.input.bits for stage in dataflow.fifos),
            "buffer_words": sum(stage.schedule.depth for stage in dataflow.buffers),
            "buffer_bits": sum(stage.schedule.depth * stage.input.bits for stage in dataflow.buffers),
        },
        "bottleneck": relief.find(design),
        "layers": layers,
        "streams": [_stream(edge) for edge in dataflow.edges],
        "units": _units(design, interval),
        "timeline": timeline(design),
        "estimate": None if design.estimate is None else {**design.estimate.to_json(), "status": design.status},
        "resources": None,
        "verification": None,
    }


def _layer(stage: Stage, node: Dense, source: Value, work: Work, fold: Choice, interval: int | float) -> dict:
    """``work`` are products a frame, of weights that are not 0 where an engine skips others; ``cycles`` those that the
    unit is busy with a frame. ``channels`` are what one output sees, of which a window sees ``kernel`` taps; ``image``
    is the output's height and width.
    """
    p, lanes, cycles = stage.parameters, fold.lanes, pace(stage)
    assert isinstance(p, WEIGHTED)
    done = work.products if fold.engine == "dense" else int((node.weights != 0).sum()) * work.positions
    levels = None if node.thresholds is None else node.thresholds.shape[1]
    return {
        "name": stage.name, "node": stage.layer, "kind": KINDS[type(p)], "rows": work.rows, "columns": work.columns,
        "positions": work.positions, "groups": work.groups, "work": done,
        "channels": work.columns if node.window is None else source.channels, "outputs": len(node.weights),
        "image": None if node.window is None else list(node.output.shape[:2]),
        "window": None if node.window is None else {key: list(pair) for key, pair in asdict(node.window).items()},
        "pe": getattr(fold, "elements", 0) or fold.pe, "simd": fold.simd, "lanes": lanes, "lane": _lane(p),
        "cycles": cycles, "utilisation": cycles / interval, "lane_efficiency": done / (lanes * cycles),
        "input": str(stage.input.type), "weight_type": str(node.weight_type), "accumulator": str(node.accumulator),
        "output": str(stage.output.type),
        "weights": {"count": node.weights.size, **_stored(p, node, lanes)},
        "thresholds": None if levels is None else {"levels": levels, "bits": len(node.weights) * levels
                                                   * node.accumulator.bits},
    }


def _lane(p) -> str:
    """What multiplies."""
    return "element" if isinstance(p, EngineParameters) else p.arithmetic.kind


def _stored(p, node: Dense, lanes: int) -> dict:
    """The weights' memory, in ``words`` of ``width`` bits: "constants", "rom", "streamed" or "loadable"."""
    if isinstance(p, EngineParameters):
        bits = stored_bits(p)
        width = p.read_width * p.entry_bits if isinstance(p, StoredWeights) else p.weight.bits
        return {"bits": bits, "words": -(-bits // width), "width": width, "memory": "rom"}
    bits = p.arithmetic.bits
    words = p.phases // p.arithmetic.bit_phases
    memory = p.memory if isinstance(p, MatrixVectorParameters) else "rom"
    stored = words * (lanes * bits + 1) if isinstance(p, BlockSparseParameters) else node.weights.size * bits
    return {"bits": stored, "words": words, "width": lanes * bits,
            "memory": "constants" if memory == "rom" and words == 1 else memory}


def _stream(edge: Edge) -> dict:
    """``integers`` are those that mean something, a frame: all that verification compares."""
    return {"name": edge.name, "value": edge.value, "type": str(edge.type), "pixel": edge.pixel, "lanes": edge.lanes,
            "words": edge.words, "bits": edge.bits, "integers": len(edge.flat)}


def _units(design: Compiled, interval: int | float) -> list[dict]:
    prediction, dataflow = design.prediction, design.dataflow
    peaks = dict(zip((stage.name for stage in dataflow.fifos), prediction.peaks, strict=True))
    peaks |= zip((stage.name for stage in dataflow.buffers), prediction.buffer_peaks, strict=True)
    slower = dict(zip((stage.name for stage in dataflow.sized), one_less(design), strict=True))
    units = []
    for stage in dataflow.stages:
        p, timing = stage.parameters, stage.schedule
        unit = {"name": stage.name, "layer": stage.layer, "kind": KINDS[type(p)],
                "inputs": [edge.name for edge in stage.inputs], "outputs": [edge.name for edge in stage.outputs],
                "phases": None, "stages": None, "busy": None, "storage": None}
        if not isinstance(timing, Queue):
            unit |= {"phases": pace(stage), "stages": timing.stages, "busy": pace(stage) / interval}
        if stage.name in peaks:
            unit["storage"] = {
                "depth": timing.depth, "bits": stage.input.bits, "peak": peaks[stage.name], "least": least(stage),
                "one_less": slower[stage.name], "kind": p.kind if isinstance(p, FifoParameters) else "buffer"}
        units.append(unit)
    return units


def render(report: dict) -> str:
    """``report.html`` from what ``report.json`` holds: one self-contained page (:mod:`.report_html`).

    Raises
    ------
    UserError
        If the content is not that of a report.
    """
    from .report_html import render as page

    return page(report)


def console(report: dict):
    """The report as a table for the terminal, something that ``rich`` prints (:mod:`.report_console`).

    Raises
    ------
    UserError
        If the content is not that of a report.
    """
    from .report_console import console as table

    return table(report)
