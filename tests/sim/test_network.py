"""Networks: what fits together, words a frame, and what is refused."""

import numpy as np
import pytest

from gatewright.hdl.schedule import Buffer, Queue, Schedule
from gatewright.sim.dataflow import predict, simulate
from gatewright.sim.network import Network, Unit


def schedule(phases, inputs, outputs, stages=1):
    """A unit that takes and gives a word at every port in each phase."""
    return Schedule(np.ones((phases, inputs)), np.ones((phases, outputs)), stages)


def branches():
    """A fork with a queue on one branch, a buffer that repeats each frame on the other; weights join in."""
    return Network((
        Unit("fork", schedule(4, 1, 2), ("i",), ("near", "far")),
        Unit("weights", schedule(8, 0, 1), (), ("w",)),
        Unit("twice", Buffer([1, 2, 3, 4] * 2, [0] * 4 + [1, 2, 3, 4], 4, 8), ("far",), ("main",)),
        Unit("each", Schedule([[1], [0]], [[1], [1]], 1, repeats=4), ("near",), ("skip",)),
        Unit("queue", Queue(4), ("skip",), ("short",)),
        Unit("join", schedule(8, 3, 1), ("short", "main", "w"), ("o",)),
    ))


def test_a_network_has_one_input_one_output_and_the_words_of_each_edge():
    network = branches()
    assert (network.input, network.output) == ("i", "o")
    assert network.edges == ("i", "near", "far", "w", "main", "skip", "short", "o")
    assert [network.words(edge) for edge in network.edges] == [4, 4, 4, 8, 8, 8, 8, 8]


def test_queues_pass_the_words_a_frame_on_in_both_directions():
    network = Network((Unit("a", Queue(2), ("i",), ("x",)), Unit("b", Queue(2), ("x",), ("y",)),
                       Unit("c", schedule(3, 1, 1), ("y",), ("z",)), Unit("d", Queue(2), ("z",), ("o",))))
    assert {network.words(edge) for edge in network.edges} == {3}


def test_depths_are_given_to_queues_and_buffers_in_the_order_of_the_units():
    network = branches()
    assert [unit.name for unit in network.sized] == ["twice", "queue"]
    assert [unit.name for unit in network.buffers] == ["twice"]
    assert [unit.name for unit in network.queues] == ["queue"]
    changed = network.with_depths([7, 5])
    assert [unit.timing.depth for unit in changed.sized] == [7, 5]
    assert changed.with_timings({"queue": Queue(9, 2)}).queues[0].timing == Queue(9, 2)


def test_branches_sources_and_buffers_run_at_the_rate_of_the_slowest():
    network = branches()
    prediction = predict(network)
    assert prediction.interval == 8
    assert (len(prediction.peaks), len(prediction.buffer_peaks)) == (1, 1)
    times = simulate(network, 2, record=network.edges).times
    assert [len(times[edge]) for edge in ("i", "main", "short", "w", "o")] == [8, 16, 16, 16, 16]
    # A join takes from all its inputs in one cycle.
    assert times["main"].tolist() == times["short"].tolist() == times["w"].tolist()


def test_a_fork_gives_to_each_reader_in_its_own_cycle():
    fork = Network((Unit("fork", schedule(1, 1, 2), ("i",), ("a", "b")),
                    Unit("late", schedule(1, 1, 1, stages=5), ("a",), ("c",)),
                    Unit("join", schedule(1, 2, 1), ("b", "c"), ("o",))))
    times = simulate(fork, 1, record=fork.edges).times
    assert {edge: cycles.tolist() for edge, cycles in times.items()} == {
        "i": [0], "a": [1], "c": [6], "b": [6], "o": [7]}


def test_what_had_not_crossed_when_the_last_word_left_is_not_in_the_trace():
    """A unit that drops the end of each frame is done before that end has come in."""
    crop = Network((Unit("crop", Schedule([[1]] * 4, [[1], [1], [0], [0]], 1), ("i",), ("o",)),))
    times = simulate(crop, 2).times
    assert [len(times["i"]), len(times["o"])] == [7, 4]


def unit(name, inputs, outputs, timing=None):
    return Unit(name, timing or schedule(1, len(inputs), len(outputs)), tuple(inputs), tuple(outputs))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: unit("a", "x", "y", Queue(1)) and Unit("a", Queue(1), ("x", "y"), ("z",)),
     "unit 'a' has 1 input ports, but 2 edges"),
    (lambda: Unit("a", Queue(1), ("x",), ("y", "z")), "unit 'a' has 1 output ports, but 2 edges"),
    (lambda: unit("a", [f"i{k}" for k in range(13)], "o"), "unit 'a' must have at most 12 inputs, not 13"),
    (lambda: unit("a", "i", [f"o{k}" for k in range(13)]), "unit 'a' must have at most 12 outputs, not 13"),
    (lambda: unit("a", "i", ""), "unit 'a' must have an output"),
    (lambda: unit("a", "i", "o", schedule(1, 1, 1, stages=63)), "unit 'a' must have at most 62 stages, not 63"),
    (lambda: unit("a", "i", "o", Schedule([[0]], [[1]], 1)),
     "unit 'a' must take and give at least a word a frame at each port"),
    (lambda: Network((unit("a", "x", "y"), unit("b", "x", "z"))), "edge 'x' has two consumers"),
    (lambda: Network((unit("a", "x", "y"), unit("b", "y", "x"))),
     "edge 'x' has two producers, or is read before it is given"),
    (lambda: Network((unit("a", "x", "y"), unit("b", "y", "z"), unit("c", "w", "v"))),
     r"a network needs one input and one output, not \['x', 'w'\] and \['z', 'v'\]"),
    (lambda: Network((unit("a", "x", "y"), unit("a", "y", "z"))),
     "units must have different names, not 1 among 2 units"),
    (lambda: Network((unit("a", "x", "y"), unit("b", "y", "z", schedule(2, 1, 1)))),
     "edge 'y' carries 1 words a frame for unit 'a', but 2 for unit 'b'"),
    (lambda: Network((unit("a", "x", "y", Queue(1)),)).words("x"), "no unit fixes the words a frame of edge 'x'"),
])
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


def test_edges_are_named_in_tuples():
    with pytest.raises(TypeError, match=r"^outputs of unit 'a' must be a tuple of names of edges, not 'y'$"):
        Unit("a", Queue(1), ("x",), "y")
