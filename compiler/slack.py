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
_FRAMES = 1024


def least(stage: Stage) -> int:
    """The fewest words that a FIFO or buffer may have: what sizing never goes below."""
    timing = stage.schedule
    return Buffer.least(timing.need, timing.free) if isinstance(timing, Buffer) else _SMALLEST


def one_less(design: Compiled) -> list[int | float | str | None]:
    """For each of :attr:`.Dataflow.sized`: the interval, in cycles, if it had one word less and all else stayed.

    "deadlock" where no frame would pass any more, and None where it is as small as it may be, or where the engine would
    have to run for too long: each answer is a run of its own.
    """
    depths = design.dataflow.depths
    above = [place for place, stage in enumerate(design.dataflow.sized) if stage.schedule.depth > least(stage)]
    answers: list[int | float | str | None] = [None] * len(depths)
    if work(design, 24 * len(above)) > WORK:
        return answers
    for place in above:
        smaller = [depth - (k == place) for k, depth in enumerate(depths)]
        try:
            answers[place] = number(predict(design.dataflow.with_depths(smaller).network, _FRAMES).interval)
        except Deadlock:
            answers[place] = "deadlock"
        except ValueError:  # not periodic soon enough to say
            pass
    return answers
