"""What the depth of each FIFO and buffer is for: how much slower the design would be with one word less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..hdl.schedule import Buffer
from ..sim.dataflow import Deadlock, predict
from .dataflow import Stage
from .timeline import WORK, number, work

if TYPE_CHECKING:
    from .compiled import Compiled

__all__ = ["least", "one_less"]

# A FIFO of fewer words keeps no full rate (``sim.sizing``).
_SMALLEST = 2
# A run that has not become periodic after so many frames is given up.
_FRAMES = 64


def least(stage: Stage) -> int:
    """The fewest words that a FIFO or buffer may have: what sizing never goes below."""
    timing = stage.schedule
    return Buffer.least(timing.need, timing.free) if isinstance(timing, Buffer) else _SMALLEST


def one_less(design: Compiled) -> list[int | float | str | None]:
    """For each of :attr:`.Dataflow.sized`: the interval, in cycles, if it had one word less and all else stayed.

    "deadlock" where no frame would pass any more. None where it is as small as it may be, or where the engine has run
    for long enough: each answer is a run of its own, those of most bits first.
    """
    depths = design.dataflow.depths
    answers: list[int | float | str | None] = [None] * len(depths)
    above = [(-depths[place] * stage.input.bits, place) for place, stage in enumerate(design.dataflow.sized)
             if depths[place] > least(stage)]
    left = WORK / 3
    for _, place in sorted(above):
        if left < work(design, _FRAMES / 4):
            break
        smaller = [depth - (k == place) for k, depth in enumerate(depths)]
        try:
            found = predict(design.dataflow.with_depths(smaller).network, _FRAMES)
        except Deadlock:
            answers[place] = "deadlock"
        except ValueError:  # not periodic soon enough to say
            left -= work(design, _FRAMES)
        else:
            answers[place] = number(found.interval)
            left -= work(design, found.regime[1] + 2)
    return answers
