"""Sizing: the interval is kept, no depth can be made smaller, and what slows or stops a network is named."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.hdl.schedule import Buffer, Queue, Schedule
from gatewright.sim.dataflow import predict
from gatewright.sim.deadlock import Deadlock
from gatewright.sim.network import Network, Unit
from gatewright.sim.sizing import bottleneck, limits, size_queues


def chain(*timings):
    return Network(tuple(Unit(f"u{k}", timing, (f"e{k}",), (f"e{k + 1}",)) for k, timing in enumerate(timings)))


def actor(takes, gives, stages=1):
    return Schedule([[t] for t in takes], [[g] for g in gives], stages)


def deepened(network):
    """A sizing's view of a network's own units at other depths."""
    units = {unit.name: unit.timing for unit in network.sized}
    return lambda name, depth: replace(units[name], depth=depth)


def sized(network):
    return network.with_depths(size_queues(network, deepened(network)))


def interval(network):
    """None where nothing moves any more."""
    try:
        return predict(network).interval
    except Deadlock:
        return None


def least(unit):
    return Buffer.least(unit.timing.need, unit.timing.free) if isinstance(unit.timing, Buffer) else 2


def one_word_less(network):
    """The networks with one depth reduced by a word, where it is not the smallest."""
    for at, unit in enumerate(network.sized):
        if unit.timing.depth > least(unit):
            yield network.with_depths([u.timing.depth - (k == at) for k, u in enumerate(network.sized)])


@settings(max_examples=150)
@given(data=st.data())
def test_no_depth_can_be_made_smaller(dataflow, data):
    network = data.draw(dataflow.networks())
    assume(network.sized)
    ample = network.with_depths([60 * network.words(unit.inputs[0]) + 60 for unit in network.sized])
    best = interval(ample)
    if best is None:
        with pytest.raises(Deadlock):
            size_queues(network, deepened(network))
        return
    result = sized(network)
    assert interval(result) == best
    for smaller in one_word_less(result):
        assert interval(smaller) != best


@settings(max_examples=150)
@given(data=st.data())
def test_limits_name_the_depths_that_cost(dataflow, data):
    network = data.draw(dataflow.networks())
    ample = network.with_depths([60 * network.words(unit.inputs[0]) + 60 for unit in network.sized])
    best = interval(ample)
    assume(best is not None)
    found = limits(network)
    assert (found.interval, found.best) == (interval(network), best)
    assert bool(found.short) == (found.interval != found.best)
    enough = network.with_timings({name: deepened(network)(name, depth) for name, depth in found.short.items()})
    assert interval(enough) == best
    for name, depth in found.short.items():
        assert depth > {unit.name: unit.timing.depth for unit in network.sized}[name]
        assert interval(enough.with_timings({name: deepened(network)(name, depth - 1)})) != best


def test_bottleneck_is_the_unit_with_most_phases():
    assert bottleneck(chain(actor([1], [1]), actor([1, 0, 0], [0, 0, 1]), actor([1, 0], [0, 1]))) == ("u1", 3)


def test_a_burst_needs_room_to_be_collected_in():
    """A unit that takes 4 words at once and rests 4 cycles keeps its rate only with a queue that gathers them."""
    slow, burst = actor([1, 1, 1, 1] + [0] * 4, [1, 0] * 4), actor([1, 1, 1, 1] + [0] * 4, [1, 1, 1, 1] + [0] * 4)
    steady = actor([1, 0] * 4, [1, 0] * 4)
    result = sized(chain(steady, Queue(2), burst, Queue(2), slow))
    assert predict(result).interval == 8
    assert [queue.timing.depth for queue in result.queues] == [3, 2]


def test_queues_of_a_deep_network_are_sized():
    """One word too few at the end makes all layers before it fill up, a cycle a frame: the state repeats very late."""
    layer = actor([1] + [0] * 15, [0] * 15 + [1], stages=3)
    last = actor([1] * 1 + [0] * 15, [0] * 15 + [1], stages=4)
    burst = actor(([1] + [0] * 3) * 4, [0] * 15 + [1], stages=2)
    spread = actor([1] + [0] * 15, [0, 0, 1, 1] * 2 + [0] * 8, stages=1)
    network = chain(*[t for _ in range(24) for t in (layer, Queue(2))], spread, Queue(2), burst, Queue(2), last)
    assert predict(sized(network)).interval == 16
    slow = chain(*[t for _ in range(24) for t in (layer, Queue(2))], actor([1] + [0] * 16, [0] * 16 + [1]))
    assert predict(slow).interval == 17
