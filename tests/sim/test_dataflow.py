"""The dataflow engine on networks small enough to work out by hand, and against its own definition."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.schedule import Queue, Schedule
from gatewright.sim.dataflow import Deadlock, Pace, keeps_pace, predict, simulate
from gatewright.sim.network import Network, Unit


def chain(*timings):
    return Network(tuple(Unit(f"u{k}", timing, (f"e{k}",), (f"e{k + 1}",)) for k, timing in enumerate(timings)))


def actor(takes, gives, stages=1):
    return Schedule([[t] for t in takes], [[g] for g in gives], stages)


patterns = st.lists(st.integers(0, 1), min_size=1, max_size=9).map(lambda bits: np.array([*bits, 1], dtype=np.uint8))


@settings(max_examples=300)
@given(data=st.data(), offers=patterns, accepts=patterns)
def test_engine_follows_the_rules_of_schedules(dataflow, data, offers, accepts):
    follows_the_rules(dataflow, data.draw(dataflow.networks()), offers, accepts)


@settings(max_examples=20)
@given(data=st.data(), offers=patterns, accepts=patterns)
def test_engine_follows_the_rules_in_networks_of_many_units(dataflow, data, offers, accepts):
    network = data.draw(dataflow.networks())
    words = network.words(network.input)
    timings = [actor([1] * words, [1] * words) if k % 3 else Queue(2, 1 + k % 2) for k in range(70)]
    row = [Unit(f"row{k}", timing, (f"r{k}",), (f"r{k + 1}",)) for k, timing in enumerate(timings)]
    row[-1] = replace(row[-1], outputs=(network.input,))
    follows_the_rules(dataflow, Network((*row, *network.units)), offers, accepts)


def follows_the_rules(dataflow, network, offers, accepts):
    trace = simulate(network, 3, offers=offers, accepts=accepts, record=network.edges, max_cycles=400)
    upto = trace.cycles + 99 * bool(trace.deadlock)
    times, peaks, stuck, rules = dataflow.run_rules(network, 3, offers, accepts, upto)
    assert trace.finished or stuck == bool(trace.deadlock)
    # Units that give before they take run ahead of the frames asked for; the engine notes the words of those frames.
    for edge in network.edges:
        assert trace.times[edge].tolist() == times[edge][: 3 * network.words(edge)]
    assert trace.peaks == tuple(peaks[queue.name] for queue in network.queues)
    assert trace.buffer_peaks == tuple(peaks[buffer.name] for buffer in network.buffers)
    if not trace.deadlock:
        assert (trace.busy, trace.stalled) == (rules.busy, rules.stalled)


@settings(max_examples=150)
@given(data=st.data())
def test_what_is_between_the_frames_of_the_regime_repeats(dataflow, data):
    network = data.draw(dataflow.networks())
    try:
        prediction = predict(network)
    except Deadlock:
        return
    first, again = prediction.regime
    period = again - first
    trace = simulate(network, 4 * again + 60)
    words = network.words(network.output)
    ends = trace.times[network.output][words - 1 :: words]
    assert {int(step) for step in ends[first + period :] - ends[first:-period]} == {prediction.interval * period}
    assert (trace.peaks, trace.buffer_peaks) == (prediction.peaks, prediction.buffer_peaks)


def test_latency_and_interval_of_a_pipeline():
    network = chain(actor([1], [1], stages=3), actor([1, 0, 0], [0, 0, 1], stages=2))
    prediction = predict(network)
    # 3 stages, the third phase two cycles after the first, 2 stages.
    assert prediction.latency == 3 + 2 + 2
    assert prediction.interval == 3


def test_peaks_are_the_most_words_ever_held():
    network = chain(actor([1], [1]), Queue(5), actor([1, 0, 0, 0], [1, 0, 0, 0]))
    assert predict(network).peaks == (5,)
    assert simulate(network, 1).peaks == (1,)


def test_interval_under_stalls_is_the_stalls():
    network = chain(actor([1], [1]))
    trace = simulate(network, 8, accepts=np.array([0, 0, 1], dtype=np.uint8))
    assert np.diff(trace.times["e1"]).tolist() == [3] * 7


@pytest.mark.parametrize("interval", [Fraction(3), Fraction(7), Fraction(19, 2), Fraction(90)])
@pytest.mark.parametrize("network", [
    chain(actor([1, 1, 1], [1, 1, 1])),
    Network((Unit("source", Schedule([[]] * 3, [[1]] * 3, 1), (), ("w",)),
             Unit("join", Schedule([[1, 1]] * 3, [[1]] * 3, 2), ("w", "i"), ("o",)))),
])
def test_a_pace_is_kept_to_the_cycle(interval, network):
    """Words come in when the pace lets them, and a source gives its own when the pace lets it fire."""
    keeps, trace, pace = keeps_pace(network, Pace(interval, np.zeros((0, 0), dtype=np.int64)), 6, 2)
    assert keeps
    times = trace.times[network.input].tolist()
    # Word 0 of the source stands in its stage from cycle 1 on.
    wait = len(network.units) - 1
    assert times == [math.ceil(interval * k / 3) + wait for k in range(len(times))]
    assert len(pace.progress) > 1
    for n, progress in enumerate(pace.progress):
        assert progress[0] == sum(cycle < n * interval for cycle in times)


def test_a_run_that_cannot_finish_says_so():
    assert not simulate(chain(actor([1, 0], [0, 1])), 10, max_cycles=5).finished


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Schedule([[2]], [[1]], 1),
     r"takes must be a phases x ports table of 0 and 1, not an array of shape \(1, 1\)"),
    (lambda: Schedule([[1]], [[1], [0]], 1),
     "takes and gives must have the same, positive number of phases, not 1 and 2"),
    (lambda: Schedule([[1]], [[1]], 0), "stages must be a positive integer, not 0"),
    (lambda: Queue(0), "queue depth must be a positive integer, not 0"),
    (lambda: Queue(1, 3), "queue latency must be 1 or 2 cycles, not 3"),
    (lambda: simulate(chain(actor([1], [1])), 1, accepts=np.zeros(3, dtype=np.uint8)),
     "a stall pattern must leave at least one cycle free"),
])
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
