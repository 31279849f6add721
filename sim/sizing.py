"""Queue sizing: the smallest depths that keep the bottleneck's interval, found by running the dataflow engine."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..hdl.schedule import Buffer, Queue
from .dataflow import keeps_pace, predict
from .network import Network

__all__ = ["bottleneck", "size_queues"]


def bottleneck(network: Network) -> tuple[str, int]:
    """The unit with the most phases a frame and their number: no network runs at a shorter interval, in cycles."""
    actors = [unit for unit in network.units if not isinstance(unit.timing, Queue)]
    slowest = max(actors, key=lambda unit: unit.timing.phases)
    return slowest.name, slowest.timing.phases


def size_queues(network: Network, timing: Callable[[str, int], Queue | Buffer], *,
                smallest: int = 2) -> tuple[int, ...]:
    """Depths, in the order of ``network.sized``, at which the network keeps its best interval.

    From depths that decouple all units every queue is in turn made as small as the interval allows, the last queue
    first, by bisection: more room never slows a self-timed dataflow graph (Geilen, Basten, Stuijk: "Minimising buffer
    requirements of synchronous dataflow graphs with model checking", DAC 2005). No single queue of the result can be
    made smaller.

    Parameters
    ----------
    timing
        The queue or buffer of a given name at a given depth: its latency may depend on the storage chosen for it.
    smallest
        Depth in words that no queue goes below; 2 keep the full rate of a queue in registers and cut the ready path.
    """
    names = [unit.name for unit in network.sized]
    least = [Buffer.least(unit.timing.need, unit.timing.free) if isinstance(unit.timing, Buffer) else smallest
             for unit in network.sized]
    ample = [2 * network.words(unit.inputs[0]) + 4 + low for unit, low in zip(network.sized, least, strict=True)]

    def at(depths: list[int]) -> Network:
        return network.with_timings({name: timing(name, depth) for name, depth in zip(names, depths, strict=True)})

    best = predict(at(ample))
    target = best.interval
    # Long enough for every frame that is in flight at once to be replaced several times.
    frames = 4 * math.ceil(best.latency / target) + 12

    def keeps(depths: list[int]) -> bool:
        return keeps_pace(at(depths), target, frames)[0]

    depths = ample
    for index in reversed(range(len(depths))):
        low, high = least[index], depths[index]
        while low < high:
            middle = (low + high) // 2
            if keeps([*depths[:index], middle, *depths[index + 1 :]]):
                high = middle
            else:
                low = middle + 1
        depths[index] = high
    if predict(at(depths)).interval != target:
        raise ValueError(f"queue depths {depths} do not keep the interval of {target} cycles")
    return tuple(depths)
