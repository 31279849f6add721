"""The timeline of a report is the dataflow engine's, and repeats."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.compiler import design, report
from gatewright.sim.dataflow import simulate


@pytest.fixture
def bytes_model(tmp_path, network):
    """The same with thresholds on raw bytes in front."""
    path = network(np.random.default_rng(1), (16, 10, 9, 5)).save(tmp_path / "bytes.onnx")
    return design.load(path, input="uint8", input_scale="1/255")


@pytest.mark.parametrize("folding", ["3x4,2x5,3x4", "1x1,1x1,1x1", "10x16,9x10,5x9", "1x16,9x1,5x9"])
def test_steady_timeline_repeats_and_follows_from_the_regime(bytes_model, folding):
    compiled = design.compile(bytes_model, folding=folding)
    timeline = report.summarise(compiled)["timeline"]
    network, prediction = compiled.dataflow.network, compiled.prediction
    assert timeline["alone"][network.output][1] == prediction.latency
    assert timeline["alone"][network.input][0] == 0
    period = prediction.regime[1] - prediction.regime[0]
    assert timeline["period"] == prediction.interval * period
    # A much later frame crosses every stream in the same cycles, counted from its own first input transfer.
    words = {edge.name: edge.words for edge in compiled.dataflow.edges}
    times = {name: t.reshape(-1, words[name]) for name, t in simulate(network, 200, record=network.edges).times.items()}
    later = 150 - (150 - prediction.regime[1]) % period
    found = [{name: [int(t[frame, 0] - times[network.input][frame, 0]),
                     int(t[frame, -1] - times[network.input][frame, 0])] for name, t in times.items()}
             for frame in range(later, later + period)]
    zero = [frame[network.input][0] for frame in timeline["steady"]]
    steady = [{name: [t - begin for t in span] for name, span in frame.items()}
              for begin, frame in zip(zero, timeline["steady"], strict=True)]
    assert sorted(map(str, steady)) == sorted(map(str, found))
