"""Deadlock: found in the cycle after which nothing moves, the same under any stalls, and told as who waits for whom."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.hdl.schedule import Buffer, Queue, Schedule
from gatewright.sim.dataflow import predict, simulate
from gatewright.sim.deadlock import Deadlock
from gatewright.sim.network import Network, Unit
from gatewright.sim.sizing import limits

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=9).map(lambda bits: np.array([*bits, 1], dtype=np.uint8))


def residual(skip):
    """A block whose main branch needs 6 words, of frames of 8, before it gives one; ``skip`` words wait for it."""
    need, free = [6, 7, 8, 8, 8, 8, 8, 8], [0, 0, 0, 1, 2, 3, 4, 8]
    return Network((
        Unit("fork", Schedule([[1]], [[1, 1]], 1, 8), ("i",), ("near", "far")),
        Unit("window", Buffer(need, free, 8, 12), ("far",), ("wide",)),
        Unit("conv", Schedule([[1]], [[1]], 3, 8), ("wide",), ("main",)),
        Unit("skip", Queue(skip), ("near",), ("short",)),
        Unit("add", Schedule([[1, 1]], [[1]], 2, 8), ("short", "main"), ("o",)),
    ))


def deadlock(network):
    """The deadlock that a prediction runs into, or None."""
    try:
        predict(network)
    except Deadlock as found:
        return found
    return None


def test_a_skip_path_one_word_too_small_is_told():
    with pytest.raises(Deadlock, match=r"^deadlock from cycle 6 on: ") as found:
        predict(residual(4))
    assert str(found.value) == (
        "deadlock from cycle 6 on: 'skip' holds 4 of 4 words, 'add' waits for a word on edge 'main', 'conv' waits for "
        "a word on edge 'wide', 'window' waits for a word on edge 'far', 'fork' waits for room on edge 'near'")
    assert found.value.units == ("skip", "add", "conv", "window", "fork")
    assert found.value.full == ("skip",)
    # The sixth word stands in the fork's own stage: with 5 in the queue nothing stops, but the rate is lost.
    assert predict(residual(5)).interval > 8


def test_limits_say_what_a_skip_path_lacks():
    stopped, slowed = limits(residual(4)), limits(residual(5))
    assert (stopped.interval, stopped.best) == (None, 8)
    assert (slowed.interval, slowed.best) == (predict(residual(5)).interval, 8)
    assert stopped.short == slowed.short == {"skip": 11}
    assert limits(residual(11)).short == {}
    assert predict(residual(11)).interval == 8
    assert predict(residual(10)).interval > 8


def test_a_join_that_reads_its_branches_in_another_order_than_they_come_deadlocks_without_storage():
    network = Network((
        Unit("split", Schedule([[1], [1]], [[1, 0], [0, 1]], 1), ("i",), ("a", "b")),
        Unit("join", Schedule([[0, 1], [1, 0]], [[1], [1]], 1), ("a", "b"), ("o",)),
    ))
    found = deadlock(network)
    assert str(found) == (
        "deadlock from cycle 1 on: 'split' waits for room on edge 'a', 'join' waits for a word on edge 'b'")
    assert found.full == ()


def test_a_word_that_waits_for_its_reader_is_not_blamed_for_what_an_input_holds_up():
    """``pair`` has given its first word, which waits for the second; that one waits for an input, not for the first."""
    network = Network((
        Unit("deal", Schedule([[1], [1], [1]], [[1, 0], [1, 0], [0, 1]], 1), ("i",), ("p", "q")),
        Unit("pair", Schedule([[1, 0], [1, 1]], [[1, 0], [0, 1]], 3), ("p", "q"), ("a", "b")),
        Unit("join", Schedule([[1, 1]], [[1]], 1), ("a", "b"), ("o",)),
    ))
    assert str(deadlock(network)) == (
        "deadlock from cycle 4 on: 'deal' waits for room on edge 'p', 'pair' waits for a word on edge 'q'")


@settings(max_examples=150)
@given(data=st.data(), offers=patterns, accepts=patterns)
def test_stalls_neither_cause_nor_prevent_a_deadlock(dataflow, data, offers, accepts):
    network = data.draw(dataflow.networks())
    free = simulate(network, 4)
    stalled = simulate(network, 4, offers=offers, accepts=accepts)
    assert bool(free.deadlock) == bool(stalled.deadlock) == (not stalled.finished)
    if free.deadlock:
        # It is the same one, whichever way it was reached, after the same words.
        assert (stalled.deadlock.units, stalled.deadlock.full) == (free.deadlock.units, free.deadlock.full)
    else:
        assert deadlock(network) is None


@settings(max_examples=60)
@given(data=st.data())
def test_room_elsewhere_does_not_help(dataflow, data):
    """Who is named does wait for each other: only more room in what is named full can end the deadlock."""
    network = data.draw(dataflow.networks())
    found = deadlock(network)
    assume(found is not None)
    assert set(found.full) <= set(found.units) <= {unit.name for unit in network.units}
    more = network.with_depths([unit.timing.depth + (0 if unit.name in found.full else 99) for unit in network.sized])
    assert deadlock(more) is not None
