"""Queue sizing: the smallest depths that keep the bottleneck's interval, found by running the dataflow engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from ..hdl.schedule import Queue, Schedule
from .dataflow import interval_within, predict
from .network import Network

__all__ = ["bottleneck", "size_queues"]


def bottleneck(network: Network) -> tuple[str, int]:
    """The unit with the most phases a frame and their number: no network runs at a shorter interval, in cycles."""
    actors = [unit for unit in network.units if isinstance(unit.timing, Schedule)]
    slowest = max(actors, key=lambda unit: unit.timing.phases)
    return slowest.name, slowest.timing.phases


def size_queues(network: Network, timing: Callable[[str, int], Queue], *, smallest: int = 2) -> tuple[int, ...]:
    """Depths, in the order of ``network.queues``, at which the network keeps its best interval.

    From depths that decouple all units (two frames each) every queue is in turn made as small as the interval allows,
    the last queue first, by bisection: more room never slows a self-timed dataflow graph (Geilen, Basten, Stuijk:
    "Minimising buffer requirements of synchronous dataflow graphs with model checking", DAC 2005). No single queue
    of the result can be made smaller.

    Parameters
    ----------
    timing
        The queue of a given name at a given depth: its latency may depend on the storage chosen for that depth.
    smallest
        Depth in words that no queue goes below; 2 keep the full rate of a queue in registers and cut the ready path.
    """
    names = [queue.name for queue in network.queues]
    ample = [2 * network.words(queue.output) + 4 for queue in network.queues]

    def at(depths: list[int]) -> Network:
        queues = [timing(name, depth) for name, depth in zip(names, depths, strict=True)]
        return network.with_depths([queue.depth for queue in queues], [queue.latency for queue in queues])

    best = predict(at(ample))
    target = best.interval
    # Long enough for every frame that is in flight at once to be replaced several times.
    frames = 4 * math.ceil(best.latency / target) + 12

    def interval(depths: list[int]) -> Fraction:
        return interval_within(at(depths), frames)

    # What was never used at ample depths is not needed; often this alone is the answer after the bottleneck.
    depths = [max(smallest, min(depth, peak)) for depth, peak in zip(ample, best.peaks, strict=True)]
    if interval(depths) != target:
        depths = ample
    for index in reversed(range(len(depths))):
        low, high = smallest, depths[index]
        while low < high:
            middle = (low + high) // 2
            if interval([*depths[:index], middle, *depths[index + 1 :]]) == target:
                high = middle
            else:
                low = middle + 1
        depths[index] = high
    if predict(at(depths)).interval != target:
        raise ValueError(f"queue depths {depths} do not keep the interval of {target} cycles")
    return tuple(depths)
