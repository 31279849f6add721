"""Networks with a skip path: its FIFO is as deep as it must be, and one word less slows or stops the frame."""

from contextlib import suppress

import numpy as np
import pytest

import gatewright
from gatewright.compiler.dataflow import Dataflow
from gatewright.compiler.execute import run_golden
from gatewright.compiler.hardware import Hardware
from gatewright.errors import UserError
from gatewright.hdl.schedule import Buffer
from gatewright.sim.dataflow import Deadlock, predict, simulate


@pytest.fixture(scope="module")
def residual(builder, tmp_path_factory):
    """quantise, then a 3x3 layer beside a skip path, added and quantised, and a classifier."""
    rng = np.random.default_rng(7)
    net = builder((1, 2, 6, 6)).conv(rng.integers(-1, 2, (2, 2, 3, 3)), 0.5, bits=2, narrow=True, pads=[1, 1, 1, 1])
    net.quantise(1.0, 3)
    skip = net.last
    net.conv(rng.integers(-1, 2, (2, 2, 3, 3)), 0.5, bits=2, narrow=True, pads=[1, 1, 1, 1]).quantise(1.0, 3)
    net.node("Add", ..., skip).quantise(2.0, 3).node("Flatten").gemm(rng.normal(size=(3, 72)), 0.5)
    path = net.save(tmp_path_factory.mktemp("residual") / "residual.onnx")
    model = gatewright.load(path, input="uint2")
    return gatewright.compile(model, folding="2x6,2x18,1x2")


def skip_fifo(dataflow: Dataflow) -> int:
    """The place, among the sized units, of the deeper FIFO in front of the addition."""
    places = [k for k, stage in enumerate(dataflow.sized) if stage.name.startswith("add0") and "fifo" in stage.name]
    return max(places, key=lambda place: dataflow.depths[place])


def codes(design, frames):
    return design.codes(np.random.default_rng(0).integers(0, 4, size=(frames, *design.graph.spec.shape)))


def test_a_residual_network_is_proven(residual):
    verification = residual.verify(np.random.default_rng(1).integers(0, 4, size=(40, 2, 6, 6)))
    assert verification.mismatches == 0
    assert verification.cycles.interval["predicted"] == max(
        stage.schedule.phases for stage in residual.dataflow.stages if not isinstance(stage.schedule, Buffer)
        and stage not in residual.dataflow.fifos)


def test_no_fifo_or_buffer_can_do_with_a_word_less(residual):
    best = residual.prediction.interval
    for place, (stage, depth) in enumerate(zip(residual.dataflow.sized, residual.dataflow.depths, strict=True)):
        least = Buffer.least(stage.schedule.need, stage.schedule.free) if isinstance(stage.schedule, Buffer) else 2
        if depth == least:
            continue
        depths = [d - (k == place) for k, d in enumerate(residual.dataflow.depths)]
        with suppress(Deadlock):
            assert predict(residual.dataflow.with_depths(depths).network).interval > best, stage.name


def test_a_skip_path_one_word_too_short_is_slower_in_engine_and_rtl_alike(residual):
    place = skip_fifo(residual.dataflow)
    depths = [d - (k == place) for k, d in enumerate(residual.dataflow.depths)]
    short = residual.dataflow.with_depths(depths)
    shallow = predict(short.network)
    assert shallow.interval > residual.prediction.interval
    files = gatewright.compiler.emit.emit(short, residual.name)
    hardware = Hardware(short, residual.name, {name: text.encode() for name, text in files.items()})
    first, again = shallow.regime
    measured = hardware.run(run_golden(residual.graph, codes(residual, again + 8)))  # compares every transfer
    ends = measured.times["o"][short.edges[-1].words - 1 :: short.edges[-1].words]
    assert ends[again] - ends[first] == shallow.interval * (again - first)


def test_a_skip_path_far_too_short_deadlocks_in_engine_and_rtl_alike(residual):
    """The deepest skip FIFO at which nothing comes out: a word more, and frames pass."""
    place = skip_fifo(residual.dataflow)

    def at(depth: int) -> Dataflow:
        depths = list(residual.dataflow.depths)
        depths[place] = depth
        return residual.dataflow.with_depths(depths)

    passing = next(d for d in range(2, 200) if simulate(at(d).network, 2).finished)
    assert passing > 2, "the network needs no room on its skip path"
    stuck = at(passing - 1)
    with pytest.raises(Deadlock, match="add0"):
        predict(stuck.network)
    files = {name: text.encode() for name, text in gatewright.compiler.emit.emit(stuck, residual.name).items()}
    measured = Hardware(stuck, residual.name, files).run(run_golden(residual.graph, codes(residual, 2)), deadlock=True)
    assert len(measured.times["o"]) < 2 * stuck.edges[-1].words


def test_a_value_may_have_any_number_of_readers(builder, tmp_path):
    """A fork has twelve outputs; the last one goes on to another fork."""
    rng = np.random.default_rng(0)
    net = builder((1, 2)).gemm(rng.integers(-2, 3, (2, 2)), 0.5, bits=3).quantise(0.5, 3)
    last = start = net.last
    for _ in range(13):
        net.at(last).gemm(rng.integers(-1, 2, (2, 2)), 0.5, bits=2).quantise(0.5, 3)
        last = net.node("Add", ..., start).quantise(0.5, 3).last
    model = gatewright.load(net.gemm(rng.integers(-2, 3, (2, 2)), 0.5, bits=3).save(tmp_path / "n.onnx"), input="int3")
    design = gatewright.compile(model)
    forks = [stage for stage in design.dataflow.stages if stage.name.startswith("fork")]
    assert max(len(stage.outputs) for stage in forks) == 12
    x = design.codes(rng.integers(-4, 4, size=(1, 2)))
    assert simulate(design.dataflow.network, 1).finished
    assert run_golden(design.graph, x)[design.graph.output].shape == (1, 2)


@pytest.mark.parametrize(("kind", "does"), [("Sum", "adds"), ("Concat", "joins")])
def test_more_branches_than_a_unit_has_inputs_are_refused(builder, tmp_path, kind, does):
    net = builder((1, 2)).gemm(np.ones((2, 2)), 0.5, bits=3).quantise(0.5, 3)
    start, branches = net.last, []
    for _ in range(13):
        branches.append(net.at(start).gemm(np.ones((2, 2)), 0.5, bits=3).quantise(0.5, 3).last)
    net.node(kind, *branches, **({"axis": 1} if kind == "Concat" else {})).quantise(1.0, 4, name="after")
    net.gemm(np.ones((2, 26 if kind == "Concat" else 2)), 0.5, bits=3)
    model = gatewright.load(net.save(tmp_path / "n.onnx"), input="int3")
    with pytest.raises(UserError, match=f"^{kind}_[0-9]+: {does} 13 branches at once; a unit has 12 inputs; join "
                                        "at most 12 at a time$"):
        gatewright.compile(model)
