"""What limits a design, and foldings that relieve it: they give the interval that is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler import design, relief, report
from gatewright.compiler.folding import Fold, Work
from gatewright.compiler.timeline import number


@pytest.fixture
def bytes_model(tmp_path, network):
    """The same with thresholds on raw bytes in front."""
    path = network(np.random.default_rng(1), (16, 10, 9, 5)).save(tmp_path / "bytes.onnx")
    return design.load(path, input="uint8", input_scale="1/255")


@given(st.data())
def test_a_suggested_folding_gives_the_interval_that_is_claimed(tmp_path_factory, network, data):
    sizes = data.draw(st.lists(st.integers(2, 24), min_size=2, max_size=4))
    path = tmp_path_factory.mktemp("relief") / "net.onnx"
    model = design.load(network(np.random.default_rng(3), sizes).save(path))
    folds = [Fold(data.draw(st.integers(1, layer.weights.shape[0])), data.draw(st.integers(1, layer.weights.shape[1])))
             for layer in model.layers]
    compiled = design.compile(model, folding=folds)
    before, found = compiled.prediction.interval, relief.find(compiled)
    assert found["phases"] == max(stage.schedule.phases for stage in compiled.dataflow.stages
                                  if stage not in compiled.dataflow.fifos)
    assert (found["next"] is None) <= (before == 1 or found["phases"] < before or found["unit"].endswith("width"))
    for option, least in ((found["next"], before), (found["double"], before / 2)):
        if option is not None:
            after = design.compile(model, folding=option["folding"])
            assert number(after.prediction.interval) == option["interval"]
            assert after.fps == option["fps"]
            assert after.prediction.interval < before
            assert after.prediction.interval <= least
            assert option["lanes"] == sum(fold.pe * fold.simd for fold in after.folds)
            assert option["lanes"] - sum(fold.pe * fold.simd for fold in folds) == sum(
                step["lanes"] for step in option["steps"])


def test_relief_widens_every_layer_that_is_slowest(bytes_model):
    found = relief.find(design.compile(bytes_model, folding="5x4,3x4,1x9"))
    assert found["units"] == ["fc1"]
    assert found["next"]["steps"] == [{"layer": "fc1", "from": "3x4", "to": "3x5", "lanes": 3}]
    assert found["next"]["interval"] == 8
    found = relief.find(design.compile(bytes_model, folding="5x4,3x5,1x2"))
    assert (found["unit"], found["phases"]) == ("fc2", 25)
    found = relief.find(design.compile(bytes_model, folding="5x4,5x3,1x9"))
    assert (found["unit"], found["units"]) == ("fc0", ["fc0", "fc1"])
    assert [step["layer"] for step in found["next"]["steps"]] == ["fc0", "fc1"]


def test_widening_takes_the_cheaper_step():
    assert relief.widen(Fold(16, 49), Work(64, 784)) == Fold(16, 53)  # 16 x 53 lanes, not 22 x 49
    assert relief.widen(Fold(8, 8), Work(64, 64)) == Fold(8, 10)  # as many lanes as 10 x 8; fewer accumulators
    assert relief.widen(Fold(4, 6), Work(8, 6)) == Fold(8, 6)
    assert relief.widen(Fold(4, 1), Work(24, 9, 49, depthwise=True)) == Fold(6, 1)  # PE divides the channels
    assert relief.widen(Fold(24, 1), Work(24, 9, 49, depthwise=True)) == Fold(3, 9)  # all taps at once
    assert relief.widen(Fold(24, 1), Work(24, 9, 49, depthwise=True, unrolls="pixels")) == Fold(24, 9)
    assert relief.widen(Fold(24, 1), Work(24, 9, 49, depthwise=True, unrolls="none")) == Fold(24, 1)
    assert relief.widen(Fold(24, 9), Work(24, 9, 49, depthwise=True)) == Fold(24, 9)


def test_a_window_that_limits_is_named(builder, tmp_path):
    """One position a cycle is the most that a window gives, so more lanes do not help."""
    net = builder((1, 1, 7, 7)).conv(np.ones((2, 1, 2, 2)), bits=2, strides=[4, 4]).quantise(1.0, 2).node("Flatten")
    net.gemm(np.ones((3, 8)))
    model = design.load(net.save(tmp_path / "window.onnx"), input="uint2")
    content = report.summarise(design.compile(model, folding="2x4,3x8"))
    found = content["bottleneck"]
    assert (found["kind"], found["phases"], found["lanes"], found["pixel"]) == ("window", 49, 1, 1)
    assert content["totals"]["interval"] == 49
    assert found["next"] is found["double"] is None
    text = report.render(content)
    assert "is no layer but the window of" in text
    assert "No wider folding shortens the interval." in text


def test_a_pool_of_more_positions_than_pixels_is_as_fast_as_it_can_be(builder, tmp_path):
    """A position a cycle, of all channels: its window takes whole pixels."""
    net = builder((1, 1, 6, 6)).conv(np.ones((2, 1, 1, 1)), bits=2).quantise(1.0, 2)
    net.node("MaxPool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]).node("Flatten").gemm(np.ones((3, 98)))
    compiled = design.compile(design.load(net.save(tmp_path / "pool.onnx"), input="uint2"), folding="2x1,3x98")
    found = relief.find(compiled)
    assert (found["units"][:2], found["phases"]) == (["pool0_window", "pool0"], 49)
    assert (found["kind"], found["lanes"], found["pixel"]) == ("window", 2, 2)
    assert found["next"] is found["double"] is None
    assert "it moves a whole pixel of 2 elements in each cycle already" in report.render(report.summarise(compiled))


def test_a_wider_folding_takes_a_pool_along(builder, tmp_path):
    """A tap a cycle is what the layers' folding asks for, until it asks for more."""
    net = builder((1, 1, 6, 6)).conv(np.ones((2, 1, 3, 3)), bits=2, pads=[1, 1, 1, 1]).quantise(1.0, 2)
    net.node("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]).conv(np.ones((2, 2, 1, 1)), bits=2)
    model = design.load(net.save(tmp_path / "pool.onnx"), input="uint2")
    found = relief.find(design.compile(model, folding="1x2,2x2"))
    assert (found["units"], found["phases"]) == (["conv0"], 36 * 2 * 5)
    assert found["double"]["interval"] == 36 * 5
