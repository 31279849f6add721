"""What holds a design back, and which larger folding would relieve it: each answer is a run of the dataflow engine."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from ..hdl.lanes import words
from ..hdl.schedule import Schedule
from ..sim.dataflow import predict
from ..sim.sizing import bottleneck
from .dataflow import Dataflow
from .folding import Fold, Work, divisors
from .lower import lower

if TYPE_CHECKING:
    from .compiled import Compiled

__all__ = ["find", "number"]

# Steps taken in a row before giving up: a second one is needed only where a width converter is the slowest unit.
_STEPS = 8


def number(cycles: Fraction) -> int | float:
    """An interval as JSON has it: a whole number of cycles as an integer."""
    return int(cycles) if cycles.denominator == 1 else float(cycles)


def find(design: Compiled) -> dict:
    """The slowest unit and two ways to go faster, as plain data.

    ``units`` are the layers of most phases a frame (or, where no layer is among the slowest, the other units), ``unit``
    is the first of them. ``next`` widens each layer that needs as many cycles as the slowest by one step (the next PE
    or SIMD that saves a cycle, whichever adds fewer lanes); ``double`` widens with the fewest lanes to half the
    interval or less. Each is None where there is none: both at one frame a cycle.
    """
    network = design.dataflow.network
    _, phases = bottleneck(network)
    slowest = [unit.name for unit in network.units
               if isinstance(unit.timing, Schedule) and unit.timing.phases == phases]
    # Thresholds and converters are given lanes for the layers' interval: where a layer is as slow, they follow it.
    slowest = [stage.name for stage in design.dataflow.layers if stage.name in slowest] or slowest
    return {"unit": slowest[0], "units": slowest, "phases": phases,
            "next": _next(design), "double": _double(design)}


def _next(design: Compiled) -> dict | None:
    works, folds = design.works, list(design.folds)
    for _ in range(_STEPS):
        cycles = [work.cycles(fold) for fold, work in zip(folds, works, strict=True)]
        if max(cycles) == 1:
            return None
        wider = [widen(fold, work) if count == max(cycles) else fold
                 for fold, work, count in zip(folds, works, cycles, strict=True)]
        if wider == folds:
            return None
        folds = wider
        interval = _interval(design, folds)
        if interval is None:
            return None
        if interval < design.prediction.interval:
            return _option(design, folds, interval)
    return None


def widen(fold: Fold, work: Work) -> Fold:
    """The next larger PE or SIMD with which a layer needs fewer cycles, whichever has fewer lanes.

    Of equal lanes the one with fewer cycles, then the one with fewer PEs, as :func:`.folding.choose` has it; a layer
    without one stays.
    """
    if work.depthwise:
        return Fold(next((pe for pe in divisors(work.rows) if pe > fold.pe), fold.pe), 1)
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
    folds = [_reach(fold, work, target) for fold, work in zip(design.folds, design.works, strict=True)]
    reached = _interval(design, folds)
    return None if reached is None or reached > interval / 2 else _option(design, folds, reached)


def _reach(fold: Fold, work: Work, cycles: int) -> Fold:
    """The folding of least lanes, with no fewer PEs and no less SIMD than now, with at most ``cycles`` a frame."""
    each = cycles // (work.positions * work.groups)
    if work.depthwise:
        options = [Fold(pe, 1) for pe in divisors(work.rows) if pe >= fold.pe and work.cycles(Fold(pe, 1)) <= cycles]
    else:
        options = []
        for row_folds in range(1, min(words(work.rows, fold.pe), each) + 1):
            pe = max(fold.pe, words(work.rows, row_folds))
            options.append(Fold(pe, max(fold.simd, words(work.columns, each // words(work.rows, pe)))))
    whole = Fold(work.rows, 1 if work.depthwise else work.columns)
    return min(options, key=lambda option: (option.pe * option.simd, work.cycles(option), option.pe), default=whole)


def _interval(design: Compiled, folds: Sequence[Fold]) -> Fraction | None:
    """The interval with other folds, with FIFOs that decouple all units: what sized FIFOs keep (``sim.sizing``).

    None where the dataflow engine gives up before the network repeats.
    """
    dataflow: Dataflow = lower(design.graph, folds, lut=design.lut)
    ample = dataflow.with_depths([2 * stage.input.words + 4 for stage in dataflow.sized])
    try:
        return predict(ample.network).interval
    except ValueError:
        return None


def _option(design: Compiled, folds: Sequence[Fold], interval: Fraction) -> dict:
    return {
        "steps": [{"layer": stage.name, "from": str(before), "to": str(after),
                   "lanes": after.pe * after.simd - before.pe * before.simd}
                  for stage, before, after in zip(design.dataflow.layers, design.folds, folds, strict=True)
                  if before != after],
        "folding": ",".join(str(fold) for fold in folds),
        "lanes": sum(fold.pe * fold.simd for fold in folds),
        "interval": number(interval),
        "fps": design.clock * 1e6 / float(interval),
    }
