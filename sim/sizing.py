"""Sizing: the smallest depths of queues and buffers that keep the bottleneck's interval, found by running the engine.

More room never slows a self-timed dataflow network down, so a depth that suffices can be found by bisection, and one
that cannot be reduced by itself cannot be reduced after others were (Geilen, Basten, Stuijk: "Minimising buffer
requirements of synchronous dataflow graphs with model checking", DAC 2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..hdl.schedule import Buffer, Queue
from .dataflow import Pace, Trace, keeps_pace, predict, simulate
from .deadlock import Deadlock
from .network import Network

__all__ = ["Limits", "bottleneck", "limits", "size_queues"]

Timing = Callable[[str, int], Queue | Buffer]


@dataclass(frozen=True)
class Limits:
    """What the depths of a network cost it.

    ``interval`` is its own, in cycles a frame, None if it deadlocks; ``best`` that of the same network with room for
    everything. ``short`` names the queues and buffers that stand between the two, each with a depth that ends it: with
    all of those depths the network has its best interval, with one of them a word less it has not.
    """

    interval: Fraction | None
    best: Fraction
    short: dict[str, int]


def bottleneck(network: Network) -> tuple[str, int]:
    """The unit with the most phases a frame and their number: no network runs at a shorter interval, in cycles."""
    actors = [unit for unit in network.units if not isinstance(unit.timing, Queue)]
    slowest = max(actors, key=lambda unit: unit.timing.phases)
    return slowest.name, slowest.timing.phases


def size_queues(network: Network, timing: Timing, *, smallest: int = 2) -> tuple[int, ...]:
    """Depths, in the order of ``network.sized``, at which the network keeps its best interval.

    No single one of them can be made smaller without losing that interval.

    Parameters
    ----------
    timing
        The queue or buffer of a given name at a given depth: its latency may depend on the storage chosen for it.
    smallest
        Depth in words that no queue goes below; 2 keep the full rate of a queue in registers and cut the ready path. No
        buffer goes below ``Buffer.least``.

    Raises
    ------
    Deadlock
        If the network deadlocks with any depths.
    """
    least = [Buffer.least(unit.timing.need, unit.timing.free) if isinstance(unit.timing, Buffer) else smallest
             for unit in network.sized]
    return tuple(_Search(network, timing, least).depths())


def limits(network: Network) -> Limits:
    """Whether the depths of a network slow it down or stop it, and which of them.

    Raises
    ------
    Deadlock
        If the network deadlocks with any depths.
    """
    units = {unit.name: unit.timing for unit in network.units if isinstance(unit.timing, Queue | Buffer)}
    search = _Search(network, lambda name, depth: replace(units[name], depth=depth),
                     [timing.depth for timing in units.values()])
    try:
        interval = predict(network).interval
    except Deadlock:
        interval = None
    if interval == search.target:
        return Limits(interval, search.target, {})
    depths = zip(search.depths(), units.items(), strict=True)
    return Limits(interval, search.target, {name: depth for depth, (name, old) in depths if depth > old.depth})


class _Search:
    """Depths from ``least`` on with which a network keeps its best interval, ``target``."""

    def __init__(self, network: Network, timing: Timing, least: Sequence[int]):
        self.network, self.timing, self.least = network, timing, list(least)
        self.names = [unit.name for unit in network.sized]
        words = [network.words(unit.inputs[0]) for unit in network.sized]
        self.target = Fraction(max(bottleneck(network)[1], *map(network.words, network.edges)))
        # Frames that the network works on at a time: after some times that many, what is to happen has happened.
        alone = simulate(self.at([low + 2 * count for low, count in zip(least, words, strict=True)]), 1)
        self.in_flight = math.ceil(alone.cycles / self.target)
        # No unit needs a later frame for an earlier one. So with room for as many as that, nothing waits for room.
        room = [low + (self.in_flight + 2) * count for low, count in zip(least, words, strict=True)]
        self.pace = Pace(self.target, np.zeros((0, 0), dtype=np.int64))
        # Intervals in a row in which a network loses ground before it is given up.
        self.patience = 2
        keeps, trace, pace = self._keeps(self.at(room))
        if not keeps:
            # Parts without room between them do not reach what each of them could, or the network deadlocks.
            self.target = predict(self.at(room)).interval
            self.pace = Pace(self.target, self.pace.progress)
            keeps, trace, pace = self._keeps(self.at(room))
        self.pace = pace
        # With a word more than was ever held the same run is possible, so the interval is kept.
        self.enough = [max(low, peak + 1) for low, peak in zip(least, _peaks(network, trace), strict=True)]
        if not keeps or not self._keeps(self.at(self.enough))[0]:
            self.enough = room

    def at(self, depths: Sequence[int]) -> Network:
        return self.network.with_timings({name: self.timing(name, depth)
                                          for name, depth in zip(self.names, depths, strict=True)})

    def depths(self) -> list[int]:
        """Depths none of which can be made smaller."""
        interval = self.target
        for effort in (1, 8, 64):
            self.found = list(self.enough)
            self.patience = 2 * effort
            self._shrink()
            # What was given up soon is tried again with patience.
            self.patience = (self.in_flight + 2) * effort
            for at in range(len(self.found)):
                self._bisect(at, self.least[at])
            # Longer runs may still tell that what seemed to keep the interval does not.
            interval = predict(self.at(self.found)).interval
            if interval == self.target:
                return self.found
        raise ValueError(f"depths {self.found} give an interval of {interval} cycles, not {self.target}")

    def _keeps(self, network: Network) -> tuple[bool, Trace, Pace]:
        return keeps_pace(network, self.pace, 4 * self.in_flight + 8 * self.patience, self.patience)

    def _try(self, change: dict[int, int]) -> bool:
        """Whether the interval is kept with these depths changed; then no depth found is more than was used of it."""
        trial = [change.get(at, depth) for at, depth in enumerate(self.found)]
        keeps, trace, _ = self._keeps(self.at(trial))
        if keeps:
            self.found = [min(depth, max(low, peak + 1)) for depth, low, peak in zip(
                trial, self.least, _peaks(self.network, trace), strict=True)]
        return keeps

    def _shrink(self) -> None:
        """Make each depth as small as the interval allows: all together if possible, else in groups of fitting size."""
        left = [at for at in reversed(range(len(self.found))) if self.found[at] > self.least[at]]
        if self._try({at: self.least[at] for at in left}):
            return
        size = 1
        while left:
            if self._try({at: self.least[at] for at in left[:size]}):
                left = left[size:]
                size *= 2
            elif size > 1:
                size //= 2
            else:
                self._bisect(left[0], self.least[left[0]] + 1)
                left = left[1:]

    def _bisect(self, at: int, low: int) -> None:
        """Make a depth as small as the interval allows, but not less than ``low``."""
        # Most often all that was used is needed.
        middle = self.found[at] - 1
        while low < self.found[at]:
            if not self._try({at: middle}):
                low = middle + 1
            middle = (low + self.found[at]) // 2


def _peaks(network: Network, trace: Trace) -> list[int]:
    queues, buffers = iter(trace.peaks), iter(trace.buffer_peaks)
    return [next(queues if isinstance(unit.timing, Queue) else buffers) for unit in network.sized]
