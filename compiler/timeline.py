"""When a frame is where: the first and last transfers of frames on every stream, from runs of the dataflow engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..sim.dataflow import simulate

if TYPE_CHECKING:
    from .compiled import Compiled

__all__ = ["WORK", "number", "timeline", "work"]

WORK = 150_000_000
"""Steps (units times cycles) that a part of a report may ask of the engine: a few seconds."""

# A period of more frames than this is recorded only so far: the plot needs a few.
_PERIOD = 16
# Transfers whose cycles are kept at once, 8 bytes each.
_KEPT = 40_000_000


def number(cycles: Fraction) -> int | float:
    """Cycles as JSON has them: a whole number of them as an integer."""
    return int(cycles) if cycles.denominator == 1 else float(cycles)


def work(design: Compiled, frames: float) -> float:
    """Steps of the engine for so many frames."""
    return frames * float(design.prediction.interval) * len(design.dataflow.stages)


def timeline(design: Compiled) -> dict:
    """When each frame's first and last word cross each stream: ``{stream: [first, last]}``, in cycles.

    ``alone`` is one frame through an empty pipeline. ``steady`` are the frames of one period, ``period`` cycles, of an
    uninterrupted sequence, early frames left out until it repeats; it is empty where the engine would have to run for
    too long. Cycle 0 is the first input transfer of the frame alone, or of the period's first frame.
    """
    network, prediction = design.dataflow.network, design.prediction
    words = {edge.name: edge.words for edge in design.dataflow.edges}
    first, again = prediction.regime
    period = again - first
    alone = _ends(design, 1, 0, words)
    begin = int(alone[network.input][0, 0])
    steady = []
    # Frames that are inside at once: those at work, and those that wait in FIFOs.
    inside = math.ceil(prediction.latency / prediction.interval)
    inside += math.ceil(sum(stage.schedule.depth / stage.input.words for stage in design.dataflow.sized))
    frames = again + inside + period + 4
    if work(design, 2 * frames) <= WORK:
        ends = _ends(design, frames, 0, {name: words[name] for name in (network.input, network.output)})
        # From the last transfer of frame `first` on everything repeats; take frames that enter after it.
        start = int((ends[network.input][:, 0] > ends[network.output][first, 1]).argmax())
        shown = min(period, _PERIOD)
        if (start + shown) * sum(words.values()) <= _KEPT:
            spans = _ends(design, start + shown, start, words)
            zero = int(spans[network.input][0, 0])
            steady = [{name: [int(t) - zero for t in span[k]] for name, span in spans.items()} for k in range(shown)]
    return {"alone": {name: [int(t) - begin for t in span[0]] for name, span in alone.items()},
            "period": number(prediction.interval * period), "steady": steady}


def _ends(design: Compiled, frames: int, start: int, words: Mapping[str, int]) -> dict[str, np.ndarray]:
    """First and last transfer of each frame from ``start`` on, by stream: int64 ``[frames - start, 2]``.

    Several runs of the engine, if one would have to keep too many transfers.
    """
    found: dict[str, np.ndarray] = {}
    batch: list[str] = []
    for name in words:
        if batch and frames * (sum(words[other] for other in batch) + words[name]) > _KEPT:
            found |= _run(design, frames, start, words, batch)
            batch = []
        batch.append(name)
    return found | _run(design, frames, start, words, batch)


def _run(design: Compiled, frames: int, start: int, words: Mapping[str, int], batch: list[str]) -> dict:
    # One frame more: the engine ends with the last word out, which may not need the last words of its frame. A frame
    # behind does not hold up those before it.
    times = simulate(design.dataflow.network, frames + 1, record=tuple(batch)).times
    return {name: times[name][: frames * words[name]].reshape(frames, words[name])[start:, [0, -1]] for name in batch}
