"""Sparse engines in the dataflow engine: by hand, against their definition run slowly, and what zeros do to them."""

import hashlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.schedule import Engine, Queue, Schedule
from gatewright.sim import _engine_kernel
from gatewright.sim._dataflow_kernel import ENGINE_KERNEL
from gatewright.sim.dataflow import Deadlock, predict, simulate
from gatewright.sim.network import Network, Unit
from gatewright.sim.sizing import bottleneck, limits, size_queues

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=9).map(lambda bits: np.array([*bits, 1], dtype=np.uint8))


def alone(engine):
    return Network((Unit("engine", engine, ("i",), ("o",)),))


def chain(*timings):
    return Network(tuple(Unit(f"u{k}", timing, (f"e{k}",), (f"e{k + 1}",)) for k, timing in enumerate(timings)))


def test_an_entry_a_cycle_from_the_first_word_to_the_last():
    # The word comes in in cycle 0, its columns are given in 1 and 2 and wait in the pointer stage in 2 and 3, where
    # they are taken; the element sees the first in its queue in 3 and works on it in 4 and 5, on the second in 6, 7, 8.
    engine = Engine([[2], [3]], lanes=2, depth=1, words=2, latency=3, stages=2)
    trace = simulate(alone(engine), 1)
    assert trace.times["i"].tolist() == [0]
    # Closed in 8, words leave from 11 on.
    assert trace.times["o"].tolist() == [13, 14]


def test_columns_without_entries_take_a_broadcast_and_no_element():
    engine = Engine([[1, 4], [0, 0], [0, 1]], lanes=3, depth=2, words=1, latency=1, stages=1)
    # Two columns with entries take the second element five cycles, from 4 to 8.
    assert simulate(alone(engine), 1).times["o"].tolist() == [8 + 1 + 1]
    # A marked column without entries takes everybody one cycle, after the four of the first column.
    assert simulate(alone(replace(engine, counts=[[1, 4], [0, 1], [0, 0]])), 1).times["o"].tolist() == [9 + 1 + 1]


def test_a_vector_of_zeros_is_one_marked_column_a_vector_and_one_a_word():
    engine = Engine(np.full((6, 2), 9), lanes=2, depth=1, words=1, latency=1, stages=1, active=np.zeros((1, 6)))
    trace = simulate(alone(engine), 3)
    assert trace.times["i"].tolist() == list(range(9))
    # The last word's column comes in in cycle 2, is given in 3, taken in 4, seen in 5, worked on in 6.
    assert trace.times["o"].tolist() == [8, 11, 14]


def test_the_pattern_of_vectors_begins_again():
    engine = Engine([[1], [1], [1]], lanes=3, depth=4, words=1, latency=1, stages=1, active=[[1, 1, 1], [1, 0, 0]])
    assert np.diff(simulate(alone(engine), 6).times["o"]).tolist() == [1, 3, 1, 3, 1]
    assert predict(alone(engine)).interval == 2


def test_banks_are_two():
    # The drain of 20 words bounds the interval, and one vector is worked on meanwhile, not two.
    engine = Engine([[5]], lanes=1, depth=8, words=20, latency=1, stages=1)
    assert predict(alone(engine)).interval == 20
    assert simulate(alone(engine), 5, accepts=np.array([0] * 99 + [1], dtype=np.uint8),
                    max_cycles=99).times["i"].tolist() == list(range(5))


def test_stepping_that_changed_is_compiled_again():
    """numba's cache only sees the file of the function that Python calls."""
    digest = hashlib.sha256(Path(_engine_kernel.__file__).read_bytes()).hexdigest()[:16]
    assert digest == ENGINE_KERNEL, f'sim/_dataflow_kernel.py must say ENGINE_KERNEL = "{digest}"'


@settings(max_examples=250)
@given(data=st.data(), offers=stalls, accepts=stalls)
def test_it_follows_its_definition_under_stalls(dataflow, data, offers, accepts):
    network = alone(data.draw(dataflow.engines()))
    trace = simulate(network, 5, offers=offers, accepts=accepts)
    times, _, stuck, _ = dataflow.run_rules(network, 5, offers, accepts, trace.cycles)
    assert trace.finished
    assert not stuck
    assert {edge: cycles.tolist() for edge, cycles in trace.times.items()} == times


@settings(max_examples=15)
@given(seed=st.integers(0, 999), depth=st.integers(1, 9), lanes=st.integers(1, 20), offers=stalls, accepts=stalls)
def test_it_follows_its_definition_when_large(dataflow, seed, depth, lanes, offers, accepts):
    rng = np.random.default_rng(seed)
    columns, elements = rng.integers(1, 60), rng.integers(1, 70)
    counts = rng.poisson(rng.choice([0.1, 1, 3]), (columns, elements))
    engine = Engine(counts, lanes, depth, int(rng.integers(1, 12)), int(rng.integers(1, 9)), int(rng.integers(1, 5)),
                    active=rng.random((3, columns)) < rng.choice([0, 0.1, 0.5, 1]))
    trace = simulate(alone(engine), 4, offers=offers, accepts=accepts)
    times, *_ = dataflow.run_rules(alone(engine), 4, offers, accepts, trace.cycles)
    assert {edge: cycles.tolist() for edge, cycles in trace.times.items()} == times


@settings(max_examples=200)
@given(data=st.data(), offers=stalls, accepts=stalls)
def test_more_zeros_make_nothing_later(dataflow, data, offers, accepts):
    """So what is sized for vectors without zeros keeps its interval whatever comes."""
    engine = data.draw(dataflow.engines(active=False))
    vectors = data.draw(st.integers(1, 4))
    some, more = (data.draw(st.lists(st.booleans(), min_size=vectors * len(engine.counts),
                                     max_size=vectors * len(engine.counts))) for _ in range(2))
    some = np.reshape(some, (vectors, -1))
    fewer = some & np.reshape(more, (vectors, -1))
    before = Queue(data.draw(st.integers(1, 3)))
    after = Schedule([[1], [0]], [[1], [0]], 2, engine.words_out[0])
    runs = [simulate(chain(before, replace(engine, active=active), after, Queue(2, 2)), 4, offers=offers,
                     accepts=accepts, record=("e0", "e1", "e2", "e4")).times
            for active in (fewer, some, np.ones((1, len(engine.counts))))]
    for fast, slow in pairwise(runs):
        for edge in fast:
            # The run ends with the last word out; with fewer zeros others may not yet have come in by then.
            common = min(len(fast[edge]), len(slow[edge]))
            assert (fast[edge][:common] <= slow[edge][:common]).all()


@settings(max_examples=100)
@given(data=st.data())
def test_its_phases_are_a_bound_of_the_interval(dataflow, data):
    engine = data.draw(dataflow.engines())
    prediction = predict(alone(engine))
    assert bottleneck(alone(engine)) == ("engine", engine.phases)
    assert prediction.interval >= engine.phases


@settings(max_examples=20)
@given(data=st.data())
def test_queues_around_it_are_as_small_as_its_interval_allows(dataflow, data):
    engine = data.draw(dataflow.engines(active=False))
    words = engine.words_in[0]
    burst = Schedule([[1]] * words + [[0]] * words, [[1]] * words + [[0]] * words, 1)
    network = chain(burst, Queue(1), engine, Queue(1),
                    Schedule([[1], [0], [0]], [[1], [0], [0]], 1, engine.words_out[0]))
    depths = size_queues(network, lambda name, depth: Queue(depth), smallest=1)
    sized = network.with_depths(depths)
    best = limits(network).best
    assert predict(sized).interval == best
    for at, depth in enumerate(depths):
        if depth > 1:
            less = [have - (k == at) for k, have in enumerate(depths)]
            assert predict(network.with_depths(less)).interval > best


def test_a_deadlock_around_it_names_who_waits():
    """A fork whose one branch holds a word, and an engine that takes three before it gives any."""
    engine = Engine(np.ones((3, 2)), lanes=1, depth=2, words=3, latency=1, stages=1)
    network = Network((Unit("fork", Schedule([[1]], [[1, 1]], 1, 3), ("i",), ("a", "b")),
                       Unit("short", Queue(1), ("b",), ("c",)),
                       Unit("engine", engine, ("a",), ("d",)),
                       Unit("join", Schedule([[1, 1]], [[1]], 1, 3), ("c", "d"), ("o",))))
    message = (r"^deadlock from cycle \d+ on: 'short' holds 1 of 1 words, 'join' waits for a word on edge 'd', "
               r"'engine' waits for a word on edge 'a', 'fork' waits for room on edge 'b'$")
    with pytest.raises(Deadlock, match=message):
        predict(network)
    assert predict(network.with_depths([3])).interval == 9
    assert predict(network.with_depths([20])).interval == 3
