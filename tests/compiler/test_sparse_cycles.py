"""Designs with sparse units: every transfer predicted from the data, and what is said where there are none."""

import io
import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from rich.console import Console

import gatewright
from gatewright.compiler.dataflow import size
from gatewright.compiler.execute import run_golden
from gatewright.compiler.report import console, render, summarise
from gatewright.hdl.mvu import MatrixVectorParameters
from gatewright.hdl.sparse import SparseParameters
from gatewright.sim.dataflow import predict, simulate


def sparse(rng, shape, density):
    return np.where(rng.random(shape) < density, rng.choice([-7, -3, 2, 5], size=shape), 0)


def on_elements(design, elements):
    """The design with a sparse engine for each matrix-vector unit, row for row and word for word."""
    def swapped(stage):
        p = stage.parameters
        if not isinstance(p, MatrixVectorParameters):
            return stage
        assert p.thresholds is None
        return replace(stage, parameters=SparseParameters(
            p.weights, elements, lanes=p.simd, lanes_out=p.pe, depth=2, input=p.input, output=stage.output.type,
            accumulator=stage.output.type, positions=p.positions))

    dataflow = replace(design.dataflow, stages=tuple(map(swapped, design.dataflow.stages)))
    return replace(design, dataflow=size(dataflow))


@pytest.fixture(scope="module")
def dense(builder, tmp_path_factory):
    """A convolution and a fully connected layer, of 8-bit activations of which ReLU makes half zeros."""
    rng = np.random.default_rng(0)
    net = builder((1, 3, 5, 5)).conv(sparse(rng, (4, 3, 3, 3), 0.3), 1 / 8, bits=4, pads=[1, 1, 1, 1])
    net.node("Relu").quantise(0.25, 8, signed=False).node("Flatten").gemm(sparse(rng, (6, 100), 0.2), bits=4)
    model = gatewright.load(net.save(tmp_path_factory.mktemp("sparse") / "net.onnx"), input="uint4")
    return gatewright.compile(model, folding="2x3,2x4")


@pytest.fixture(scope="module")
def design(dense):
    return on_elements(dense, 2)


@pytest.fixture(scope="module")
def frames(design):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 16, (40, 3, 5, 5)) * (rng.random((40, 1, 1, 1)) > rng.random((40, 3, 5, 5)))
    codes[3] = 0
    return codes


def test_every_transfer_is_predicted_from_the_data(design, frames):
    verification = design.verify(frames, seed=2)
    said = verification.to_json()["cycles"]
    assert verification.mismatches == 0
    assert len(design.dataflow.sparse) == 2
    assert said["latency"]["predicted"] == said["latency"]["measured"] < design.prediction.latency
    assert said["fifo_peaks"]["predicted"] == said["fifo_peaks"]["measured"]
    assert verification.stalled_cycles["predicted"] == verification.stalled_cycles["measured"] > 0
    interval, sparse = said["interval"], said["sparse"]
    assert interval["predicted"] == interval["measured"] == sparse["cycles"] / sparse["period"] < sparse["bound"]
    assert sparse["frames"] == 32
    assert sparse["period"] % 32 == 0
    assert sparse["bound"] == design.prediction.interval


def test_the_interval_is_the_mean_of_many_frames(design, frames):
    golden = run_golden(design.graph, design.codes(frames[:8]))
    prediction = predict(design.dataflow.network_for(golden))
    again = {name: np.tile(values, (20, 1)) for name, values in golden.items()}
    times = simulate(design.dataflow.network_for(again), 160).times["o"]
    ends = times[design.dataflow.edges[-1].words - 1 :: design.dataflow.edges[-1].words]
    assert Fraction(int(ends[143] - ends[63]), 80) == prediction.interval
    assert prediction.interval.denominator > 1


def test_activations_that_are_padding_are_zero(design, frames):
    """The first position of a convolution sees a row and a column of zeros around the image."""
    golden = run_golden(design.graph, design.codes(np.ones_like(frames[:2])))
    network = design.dataflow.network_for(golden)
    conv = next(unit.timing for unit in network.units if unit.name == design.dataflow.sparse[0].name)
    assert conv.active.shape == (2 * 25, 27)
    seen = conv.active.reshape(2, 5, 5, 3, 3, 3)
    assert not seen[:, 0, :, 0].any()
    assert not seen[:, :, 4, :, 2].any()
    assert seen[:, 1:4, 1:4].all()


def test_what_is_said_without_data_is_the_most_that_a_frame_takes(design):
    values = {edge.value: np.ones((1, edge.elements)) for edge in design.dataflow.edges}
    prediction = predict(design.dataflow.network_for(values))
    # The padding around the image is zero even so.
    assert 0.8 * design.prediction.interval < prediction.interval < design.prediction.interval
    assert prediction.latency <= design.prediction.latency


def test_another_activation_is_another_cycle(design, frames):
    """Verification compares each cycle with what the values call for, not with a bound."""
    codes = design.codes(frames[:4])
    golden = run_golden(design.graph, codes)
    wrong = dict(golden)
    name = design.dataflow.sparse[1].input.value
    wrong[name] = np.where(golden[name] > 0, golden[name], 1)
    right, other = (simulate(design.dataflow.network_for(values), 4).times["o"] for values in (golden, wrong))
    assert not np.array_equal(right, other)


def test_a_report_says_that_cycles_are_a_bound(design, dense, frames):
    report = summarise(dense)
    assert not report["totals"]["data_dependent"]
    assert "at most" not in text(report)
    # The dense design's report, but for what sparse units change in it.
    report["totals"]["data_dependent"] = True
    report["verification"] = design.verify(frames[:5]).to_json()
    assert re.search(r"at least \S+ frames/s .*: one every \S+ cycles, fewer where activations are 0", text(report))
    assert re.search(r"latency +at most \S+ cycles", text(report))
    page = " ".join(render(report).split())
    bound = report["verification"]["cycles"]["sparse"]["bound"]
    assert f"the mean of 5 frames, of {bound:,} at most" in page
    assert ", more where activations are 0" in page


def text(report):
    printed = Console(width=200, record=True, file=io.StringIO())
    printed.print(console(report))
    return printed.export_text()
