"""What holds a design back, and which larger folding would relieve it.

No network is faster than its slowest unit, and with sized FIFOs (``sim.sizing``) few are slower. So another folding's
interval is the work of its slowest unit, unless the dataflow engine can say exactly what it is within seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import UserError
from ..hdl.lanes import words
from ..hdl.schedule import Queue
from ..hdl.window_parallel import ParallelWindowParameters
from ..sim.dataflow import predict
from .dataflow import Dataflow, Stage
from .engine import block_choices, element_choices, layer_cycles
from .folding import Choice, Elements, Fold, Work, depthwise_folds
from .ir import Dense
from .lower import lower
from .timeline import WORK, number
from .units import KINDS

if TYPE_CHECKING:
    from .compiled import Compiled

__all__ = ["find", "pace", "widen"]

# Steps taken in a row before giving up: a second one is needed only where a unit without weights is the slowest.
_STEPS = 8
# Frames that the engine may take to show another folding's interval.
_FRAMES = 256


def pace(stage: Stage) -> int:
    """Cycles a frame that a unit needs at least: its phases, or the words at one of its ports. 0 for a FIFO."""
    timing = stage.schedule
    return 0 if isinstance(timing, Queue) else max(timing.phases, *timing.words_in, *timing.words_out)


def find(design: Compiled) -> dict:
    """The slowest unit and two ways to go faster, as plain data.

    ``units`` are the layers that need most cycles (``phases``) a frame or, where no layer is among the slowest, the
    other units; ``unit`` is the first of them, ``kind`` its kind and ``layer`` the node that it belongs to. ``lanes``
    and ``pixel`` are, where it is not a layer, those of its stream of most words, or of what comes into a window of all
    taps: with as many lanes as a pixel has elements no folding makes it faster.

    ``next`` widens each layer that needs as many cycles as the slowest by one step (the next PE or SIMD that saves a
    cycle, whichever adds fewer lanes); ``double`` widens with the fewest lanes to half the interval or less. Each is
    None where there is none. ``by`` of an option says where its interval comes from: "engine", or the "phases" of
    its slowest unit, the least that it can be, where the engine would take too long.
    """
    dataflow = design.dataflow
    paces = {stage.name: pace(stage) for stage in dataflow.stages}
    phases = max(paces.values())
    slowest = [stage for stage in dataflow.stages if paces[stage.name] == phases]
    # Thresholds and converters are given lanes for the layers' interval: where a layer is as slow, they follow it.
    slowest = [stage for stage in slowest if stage in dataflow.layers] or slowest
    first = slowest[0]
    # All taps of a position are no pixel: how many channels a window works on, its input tells.
    streams = first.inputs if isinstance(first.parameters, ParallelWindowParameters) else first.inputs + first.outputs
    busiest = max(streams, key=lambda edge: edge.words)
    layer = first in dataflow.layers
    return {"unit": first.name, "units": [stage.name for stage in slowest], "phases": phases,
            "kind": KINDS[type(first.parameters)], "layer": first.layer,
            "lanes": None if layer else busiest.lanes, "pixel": None if layer else busiest.pixel,
            "next": _next(design), "double": _double(design)}


def _next(design: Compiled) -> dict | None:
    works, folds = design.works, list(design.folds)
    layers = [node for node in design.graph.nodes if isinstance(node, Dense)]
    for _ in range(_STEPS):
        cycles = list(map(layer_cycles, layers, works, folds))
        if max(cycles) == 1:
            return None
        wider = [_wider(layer, work, fold, count) if count == max(cycles) else fold
                 for layer, work, fold, count in zip(layers, works, folds, cycles, strict=True)]
        if wider == folds:
            return None
        folds = wider
        option = _option(design, folds)
        if option is not None and option["interval"] < design.prediction.interval:
            return option
    return None


def _wider(layer: Dense, work: Work, choice: Choice, cycles: int) -> Choice:
    """The next larger choice of the same engine with which a layer needs fewer cycles."""
    return widen(choice, work) if type(choice) is Fold else _of_engine(layer, work, choice, cycles - 1)


def _of_engine(layer: Dense, work: Work, choice: Choice, cycles: int) -> Choice:
    """Of an engine other than dense lanes, the one of fewest lanes with at most so many cycles; as it is without one.
    """
    if isinstance(choice, Elements):
        larger = [choice.elements << step for step in range(1, (work.rows // choice.elements).bit_length())]
        found, taken = element_choices(layer, work, elements=larger, depth=choice.depth)
    else:
        found, taken = block_choices(layer, work)
    able = [(each.lanes, count, place) for place, (each, count) in enumerate(zip(found, taken.tolist(), strict=True))
            if count <= cycles and each.lanes > choice.lanes]
    return found[min(able)[2]] if able else choice


def widen(fold: Fold, work: Work) -> Fold:
    """The next larger PE or SIMD with which a layer needs fewer cycles, whichever has fewer lanes.

    Of equal lanes the one with fewer cycles, then the one with fewer PEs, as :func:`.folding.choose` has it; a layer
    without one stays.
    """
    if work.depthwise:
        options = [each for each in depthwise_folds(work) if work.cycles(each) < work.cycles(fold)]
        return min(options, key=lambda option: (option.pe * option.simd, work.cycles(option), option.simd),
                   default=fold)
    options = []
    if fold.pe < work.rows:
        options.append(Fold(words(work.rows, words(work.rows, fold.pe) - 1), fold.simd))
    if fold.simd < work.columns:
        options.append(Fold(fold.pe, words(work.columns, words(work.columns, fold.simd) - 1)))
    return min(options, key=lambda option: (option.pe * option.simd, work.cycles(option), option.pe), default=fold)


def _double(design: Compiled) -> dict | None:
    interval = design.prediction.interval
    target = int(interval / 2)
    if target < 1:
        return None
    layers = [node for node in design.graph.nodes if isinstance(node, Dense)]
    folds = [_reach(fold, work, target) if type(fold) is Fold else
             fold if layer_cycles(layer, work, fold) <= target else _of_engine(layer, work, fold, target)
             for layer, fold, work in zip(layers, design.folds, design.works, strict=True)]
    option = _option(design, folds)
    return None if option is None or option["interval"] > interval / 2 else option


def _reach(fold: Fold, work: Work, cycles: int) -> Fold:
    """The folding of least lanes, with no fewer PEs and no less SIMD than now, with at most ``cycles`` a frame."""
    each = cycles // (work.positions * work.groups)
    if work.depthwise:
        options = [each for each in depthwise_folds(work) if work.cycles(each) <= cycles]
    else:
        options = []
        for row_folds in range(1, min(words(work.rows, fold.pe), each) + 1):
            pe = max(fold.pe, words(work.rows, row_folds))
            options.append(Fold(pe, max(fold.simd, words(work.columns, each // words(work.rows, pe)))))
    whole = depthwise_folds(work)[-1] if work.depthwise else Fold(work.rows, work.columns)
    return min(options, key=lambda option: (option.pe * option.simd, work.cycles(option), option.pe), default=whole)


def _interval(design: Compiled, folds: Sequence[Choice]) -> tuple[Fraction, str]:
    """The interval with other folds and FIFOs that decouple all units, which is what sized FIFOs keep; its source."""
    dataflow: Dataflow = lower(design.graph, folds, lut=design.lut, memory=design.memory,
                               multiplier=design.multiplier, lanes=design.lanes, pipelines=design.pipelines,
                               slices=design.slices)
    slowest = Fraction(max(map(pace, dataflow.stages)))
    if 4 * _FRAMES * slowest * len(dataflow.stages) <= WORK:
        ample = dataflow.with_depths([2 * stage.input.words + 4 + depth
                                      for stage, depth in zip(dataflow.sized, dataflow.depths, strict=True)])
        with suppress(ValueError):  # periodic only after more frames than this
            return predict(ample.network, _FRAMES).interval, "engine"
    return slowest, "phases"


def _option(design: Compiled, folds: Sequence[Choice]) -> dict | None:
    try:
        interval, source = _interval(design, folds)
    except UserError:  # lanes that some unit does not take
        return None
    return {
        "steps": [{"layer": stage.name, "from": str(before), "to": str(after),
                   "lanes": after.lanes - before.lanes}
                  for stage, before, after in zip(design.dataflow.layers, design.folds, folds, strict=True)
                  if before != after],
        "folding": ",".join(str(fold) for fold in folds),
        "lanes": sum(fold.lanes for fold in folds),
        "interval": number(interval), "by": source,
        "fps": design.clock * 1e6 / float(interval),
    }
