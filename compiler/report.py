"""The report of a build: ``report.json`` is its content as plain data, ``report.html`` a rendering of that alone.

Everything in it is computed from the design, by the dataflow engine where cycles are concerned; ``verification`` and
``resources`` are empty until a run of the tool that measures them has filled them.
"""

from __future__ import annotations

import importlib.metadata
import math
from typing import TYPE_CHECKING

from ..hdl.fifo import FifoParameters
from ..hdl.schedule import Buffer
from ..sim.dataflow import simulate
from . import relief
from .dataflow import Stage
from .folding import Fold, Work
from .ir import Dense
from .relief import number
from .stream import Edge
from .units import KINDS

if TYPE_CHECKING:
    from .compiled import Compiled

__all__ = ["console", "render", "summarise"]

# A period of more frames than this is recorded only so far: the plot needs a few.
_PERIOD = 16

def summarise(design: Compiled) -> dict:
    """What ``report.json`` holds for a design that nobody has verified yet.

    Cycles are the dataflow engine's (``sim.dataflow``), for a run without stalls; rates and times are at
    ``clock_mhz``. ``verification`` (as ``Verification.to_json()``) and ``resources`` (a dictionary by device family)
    are None here, and filled in by those who measure them.
    """
    dataflow, graph, prediction = design.dataflow, design.graph, design.prediction
    interval = number(prediction.interval)
    dense = [node for node in graph.nodes if isinstance(node, Dense)]
    layers = [_layer(stage, node, work, fold, interval) for stage, node, work, fold in
              zip(dataflow.layers, dense, design.works, design.folds, strict=True)]
    lanes, work = sum(layer["lanes"] for layer in layers), sum(layer["work"] for layer in layers)
    output = graph.value(graph.output)
    return {
        "name": design.name,
        "gatewright": importlib.metadata.version("gatewright"),
        "model": {"sizes": [layers[0]["columns"], *(layer["rows"] for layer in layers)],
                  "input": {"type": str(graph.spec.type), "scale": str(graph.spec.scale),
                            "shape": list(graph.spec.shape), "first_quantiser": graph.spec.encoder is not None},
                  "output": {"type": str(output.type), "shape": list(output.shape), "top1": design.top1}},
        "folding": ",".join(str(fold) for fold in design.folds),
        "clock_mhz": design.clock,
        "lut": design.lut,
        "totals": {
            "interval": interval, "fps": design.fps,
            "latency": prediction.latency, "latency_us": prediction.latency / design.clock,
            "lanes": lanes, "work": work, "lane_efficiency": work / (lanes * interval),
            "weight_bits": sum(layer["weights"]["bits"] for layer in layers),
            "fifo_words": sum(stage.parameters.depth for stage in dataflow.fifos),
            "fifo_bits": sum(stage.parameters.depth * stage.parameters.bits for stage in dataflow.fifos),
            "buffer_words": sum(stage.schedule.depth for stage in dataflow.buffers),
            "buffer_bits": sum(stage.schedule.depth * stage.input.bits for stage in dataflow.buffers),
        },
        "bottleneck": relief.find(design),
        "layers": layers,
        "streams": [_stream(edge) for edge in dataflow.edges],
        "units": _units(design, interval),
        "timeline": _timeline(design),
        "resources": None,
        "verification": None,
    }


def _layer(stage: Stage, node: Dense, work: Work, fold: Fold, interval: int | float) -> dict:
    """``work`` are products a frame; ``cycles`` those that the unit is busy with a frame."""
    p, lanes = stage.parameters, fold.pe * fold.simd
    cycles, weights = stage.schedule.phases, node.weights.size
    levels = None if p.thresholds is None else p.thresholds.reshape(len(p.thresholds), -1).shape[1]
    return {
        "name": stage.name, "node": stage.layer, "kind": KINDS[type(p)], "rows": work.rows, "columns": work.columns,
        "positions": work.positions, "groups": work.groups, "work": work.products,
        "pe": fold.pe, "simd": fold.simd, "lanes": lanes, "lane": p.lane, "cycles": cycles,
        "utilisation": cycles / interval, "lane_efficiency": work.products / (lanes * cycles),
        "input": str(stage.input.type), "weight_type": str(node.weight_type), "accumulator": str(node.accumulator),
        "output": str(node.output.type),
        "weights": {"bits": weights * node.weight_type.bits, "words": cycles // work.positions, "width":
                    lanes * node.weight_type.bits},
        "thresholds": None if levels is None else {"levels": levels, "bits": len(p.thresholds) * levels
                                                   * node.accumulator.bits},
    }


def _stream(edge: Edge) -> dict:
    return {"name": edge.name, "value": edge.value, "type": str(edge.type), "pixel": edge.pixel,
            "lanes": edge.lanes, "words": edge.words, "bits": edge.bits}


def _units(design: Compiled, interval: int | float) -> list[dict]:
    peaks = iter(design.prediction.peaks)
    units = []
    for stage in design.dataflow.stages:
        p, timing = stage.parameters, stage.schedule
        unit = {"name": stage.name, "layer": stage.layer, "kind": KINDS[type(p)],
                "inputs": [edge.name for edge in stage.inputs], "outputs": [edge.name for edge in stage.outputs],
                "storage": None}
        if isinstance(p, FifoParameters):
            unit |= {"phases": None, "stages": None, "busy": None,
                     "storage": {"depth": p.depth, "bits": p.bits, "kind": p.kind, "peak": next(peaks)}}
        else:
            unit |= {"phases": timing.phases, "stages": timing.stages, "busy": timing.phases / interval}
            if isinstance(timing, Buffer):
                unit["storage"] = {"depth": timing.depth, "bits": stage.input.bits, "kind": "buffer", "peak": None}
        units.append(unit)
    return units


def _timeline(design: Compiled) -> dict:
    """When each frame's first and last word cross each stream: ``{stream: [first, last]}``, in cycles.

    ``alone`` is one frame through an empty pipeline. ``steady`` are the frames of one period, ``period`` cycles, of an
    uninterrupted sequence, early frames left out until it repeats. Cycle 0 is the first input transfer of the
    frame alone, or of the period's first frame.
    """
    network, prediction = design.dataflow.network, design.prediction
    words = {edge.name: edge.words for edge in design.dataflow.edges}
    first, again = prediction.regime
    period = again - first
    # Frames that are inside at once: those at work, and those that wait in FIFOs.
    inside = math.ceil(prediction.latency / prediction.interval)
    inside += sum(-(-stage.schedule.depth // stage.input.words) for stage in design.dataflow.sized)
    frames = again + inside + period + 4
    many = simulate(network, frames, record=network.edges).times
    spans = {name: times.reshape(-1, words[name])[:, [0, -1]] for name, times in many.items()}
    # From the last transfer of frame `first` on everything repeats; take frames that enter after it.
    start = int((spans[network.input][:, 0] > spans[network.output][first, 1]).argmax())
    shown = min(period, _PERIOD)
    zero = int(spans[network.input][start, 0])
    alone = simulate(network, 1, record=network.edges).times
    begin = int(alone[network.input][0])
    return {
        "alone": {name: [int(times[0]) - begin, int(times[-1]) - begin] for name, times in alone.items()},
        "period": number(prediction.interval * period),
        "steady": [{name: [int(t) - zero for t in span[start + k]] for name, span in spans.items()}
                   for k in range(shown)],
    }


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
