"""What a report says of each FIFO and buffer: how much slower with one word less."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.compiler import design
from gatewright.compiler.slack import least, one_less
from gatewright.compiler.timeline import number
from gatewright.sim.dataflow import Deadlock, predict


@pytest.fixture(scope="module")
def residual(builder, tmp_path_factory):
    """A 3x3 layer beside a skip path, which needs room for what the layer's window holds back."""
    rng = np.random.default_rng(7)
    net = builder((1, 4, 6, 6)).quantise(1.0, 4)
    net.conv(rng.integers(-1, 2, (4, 4, 3, 3)), 0.5, bits=2, pads=[1, 1, 1, 1]).quantise(1.0, 4)
    skip = net.last
    net.conv(rng.integers(-1, 2, (4, 4, 3, 3)), 0.5, bits=2, pads=[1, 1, 1, 1]).quantise(0.75, 3)
    net.node("Add", ..., skip).quantise(2.0, 3).node("Flatten").gemm(rng.normal(size=(3, 144)), 0.5)
    model = design.load(net.save(tmp_path_factory.mktemp("residual") / "residual.onnx"))
    return design.compile(model, folding="2x12,2x18,1x6")


def test_a_word_less_is_slower_or_stops(residual):
    """What the table of FIFOs says of each that is deeper than it must be to work at all."""
    answers = one_less(residual)
    for place, (stage, answer) in enumerate(zip(residual.dataflow.sized, answers, strict=True)):
        if stage.schedule.depth == least(stage):
            assert answer is None
            continue
        depths = [depth - (k == place) for k, depth in enumerate(residual.dataflow.depths)]
        try:
            expected = number(predict(residual.dataflow.with_depths(depths).network).interval)
            assert expected > residual.prediction.interval
        except Deadlock:
            expected = "deadlock"
        assert answer == expected
    assert any(answers)


def test_what_takes_too_long_is_not_said(residual, monkeypatch):
    monkeypatch.setattr("gatewright.compiler.slack.WORK", 1)
    assert not any(one_less(residual))
