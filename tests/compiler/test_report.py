"""Reports: what they claim of a design holds, and the page is safe, self-contained and the same each time."""

from __future__ import annotations

import io
import json
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gatewright.compiler import design, relief, report
from gatewright.compiler.folding import Fold, Work
from gatewright.compiler.timeline import number
from gatewright.errors import UserError
from gatewright.sim.dataflow import predict, simulate

FOLDING = "3x4,2x5,3x4"


@pytest.fixture
def model(tmp_path, network):
    path = network(np.random.default_rng(1), (16, 10, 9, 5)).save(tmp_path / "Little.onnx")
    return design.load(path)


@pytest.fixture
def bytes_model(tmp_path, network):
    """The same with thresholds on raw bytes in front."""
    path = network(np.random.default_rng(1), (16, 10, 9, 5)).save(tmp_path / "bytes.onnx")
    return design.load(path, input="uint8", input_scale="1/255")


@pytest.fixture
def little(model):
    return report.summarise(design.compile(model, folding=FOLDING, clock=10))


def verification(content: dict, **changes) -> dict:
    """What ``Verification.to_json()`` of a run without a difference would be."""
    totals, peaks = content["totals"], [unit["storage"]["peak"] for unit in content["units"] if unit["kind"] == "fifo"]
    return {"frames": 20, "mismatches": 0, "boundaries": [stream["name"] for stream in content["streams"]],
            "accuracy": 0.85, "cycles": {
                "interval": {"predicted": totals["interval"], "measured": totals["interval"]},
                "latency": {"predicted": totals["latency"], "measured": totals["latency"]},
                "fifo_peaks": {"predicted": peaks, "measured": peaks}},
            "seed": 7, "stalled_cycles": {"predicted": 4321, "measured": 4321}, "ties": {"a": 2, "b": 1},
            "plain": {"frames": 20, "frames_parted_by_ties": 1}, "simulator": "5.48.0 (rev x)", "failure": None,
            } | changes


def visible(page: str) -> str:
    """The text of a page, as one line."""
    body = re.sub(r"<style.*?</style>|<title>.*?</title>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_json_has_the_content_that_is_promised(little):
    assert set(little) == {"name", "gatewright", "model", "folding", "clock_mhz", "lut", "totals", "bottleneck",
                           "layers", "streams", "units", "timeline", "resources", "verification"}
    assert json.loads(json.dumps(little, allow_nan=False)) == little
    assert little["resources"] is None
    assert little["verification"] is None
    assert little["name"] == "little"
    assert little["model"]["input"] == {"type": "bipolar", "scale": "1", "shape": [16], "first_quantiser": True}
    assert little["folding"] == FOLDING


def test_layers_are_counted_by_hand(little):
    first, second, third = little["layers"]
    assert (first["name"], first["rows"], first["columns"], first["pe"], first["simd"]) == ("fc0", 10, 16, 3, 4)
    # ceil(10 / 3) x ceil(16 / 4), ceil(9 / 2) x ceil(10 / 5), ceil(5 / 3) x ceil(9 / 4)
    assert [layer["cycles"] for layer in little["layers"]] == [16, 10, 6]
    assert [layer["lanes"] for layer in little["layers"]] == [12, 10, 12]
    assert [layer["work"] for layer in little["layers"]] == [160, 90, 45]
    assert [layer["utilisation"] for layer in little["layers"]] == [1, 10 / 16, 6 / 16]
    assert [layer["lane_efficiency"] for layer in little["layers"]] == [160 / 192, 90 / 100, 45 / 72]
    assert first["weights"] == {"count": 160, "bits": 160, "words": 16, "width": 12, "memory": "rom"}
    assert first["lane"] == "xnor"
    assert (first["channels"], first["outputs"], first["window"], first["image"]) == (16, 10, None, None)
    assert first["thresholds"]["levels"] == second["thresholds"]["levels"] == 1
    assert third["thresholds"] is None
    assert third["accumulator"] == third["output"]


def test_totals_are_sums_and_the_engines(model, little):
    compiled = design.compile(model, folding=FOLDING, clock=10)
    totals = little["totals"]
    assert totals["interval"] == compiled.prediction.interval == 16
    assert totals["latency"] == compiled.prediction.latency
    assert totals["latency_us"] == totals["latency"] / 10
    assert totals["fps"] == 10e6 / 16
    assert (totals["lanes"], totals["work"], totals["weight_bits"]) == (34, 295, 295)
    assert totals["lane_efficiency"] == 295 / (34 * 16)
    depths = [stage.schedule.depth for stage in compiled.dataflow.fifos]
    kept = [unit["storage"] for unit in little["units"] if unit["kind"] == "fifo"]
    assert totals["fifo_words"] == sum(depths)
    assert [storage["depth"] for storage in kept] == depths
    assert [storage["peak"] for storage in kept] == list(compiled.prediction.peaks)
    assert [unit["name"] for unit in little["units"]] == [stage.name for stage in compiled.dataflow.stages]
    assert [stream["name"] for stream in little["streams"]] == [edge.name for edge in compiled.dataflow.edges]


@pytest.mark.parametrize("folding", [FOLDING, "1x1,1x1,1x1", "10x16,9x10,5x9", "1x16,9x1,5x9"])
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


def test_nothing_is_suggested_at_a_frame_a_cycle(bytes_model):
    content = report.summarise(design.compile(bytes_model, folding="10x16,9x10,5x9"))
    assert content["totals"]["interval"] == 1
    assert content["bottleneck"]["next"] is content["bottleneck"]["double"] is None
    assert {layer["weights"]["memory"] for layer in content["layers"]} == {"constants"}  # one word is no memory
    assert "At one frame a cycle there is nothing left to gain" in visible(report.render(content))


def test_page_is_one_small_file_that_loads_nothing(little):
    page = report.render(little | {"verification": verification(little)})
    assert len(page.encode()) < 1_000_000
    assert page.startswith("<!doctype html>")
    namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"(https?:)?//\w", namespaces)
    assert not re.search(r"<(script|link|iframe|img|object|embed|base)\b|@import|url\((?!#)", page, re.IGNORECASE)
    assert all(target.startswith("#") for target in re.findall(r'(?:href|src)="([^"]*)"', page))


def test_page_depends_on_the_content_alone(little, model, monkeypatch):
    import matplotlib

    page = report.render(little)
    again = report.summarise(design.compile(model, folding=FOLDING, clock=10))
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30)
    assert report.render(json.loads(json.dumps(again))) == page
    assert matplotlib.rcParams["font.size"] == 30
    assert not re.search(r"matplotlib v|<dc:date>|20\d\d-\d\d-\d\d", page, re.IGNORECASE)


def test_hostile_names_are_only_text(tmp_path, builder):
    net = builder((1, 6))
    net.sign()
    net.gemm(np.random.default_rng(0).normal(size=(3, 6)))
    net.nodes[-1].name = "<script>alert('$x^2$')</script>&\"><img src=x>"
    compiled = design.compile(design.load(net.save(tmp_path / "net.onnx")), folding="1x2")
    content = report.summarise(compiled)
    assert content["layers"][0]["node"] == net.nodes[-1].name
    failed = verification(content, mismatches=1, failure="layer <script>boom()</script>, [bold]frame 0[/bold]")
    for unit in [*content["units"], *content["layers"]]:
        unit["name"] = unit["name"].replace("fc0", "<i>$fc$")
    page = report.render(content | {"verification": failed, "name": "<b>n</b>"})
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>n" not in page
    assert "<i>$" not in page
    assert "&lt;script&gt;boom()&lt;/script&gt;" in page
    assert "[bold]frame 0[/bold]" in printed(content | {"verification": failed})


def printed(content: dict) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(report.console(content))
    return console.file.getvalue()


def test_page_and_table_say_what_is_not_verified(little):
    text = visible(report.render(little))
    assert "Not verified yet run gatewright verify DIR --data FILE" in text
    assert "What was proven Nothing yet" in text
    assert "✓" not in text
    assert "not yet: run gatewright verify DIR --data FILE" in printed(little)


def test_page_says_what_was_proven(little):
    content = little | {"verification": verification(little)}
    text = visible(report.render(content))
    integers = 20 * sum(stream["integers"] for stream in little["streams"])
    assert f"✓ Verified 20 frames, {integers:,} integers in hardware, 0 differ" in text
    assert f"{integers:,} integers on {len(little['streams'])} streams, random gaps and stalls (seed 7)" in text
    assert "cycles in total 4,321 4,321" in text
    assert f"without stalls {little['totals']['interval']} {little['totals']['interval']} ✓ Latency" in text
    assert "Accuracy 85.00 %" in text
    assert "1 frame came out differently, each explained by a tie" in text
    assert "3 activations of all frames lie within float32 rounding" in text
    assert "Verilator 5.48.0 " in text
    assert "✗" not in text
    assert "20 frames, 0 integers differ" in printed(content)


def test_page_puts_a_failure_first(little):
    cycles = {"interval": {"predicted": 16, "measured": None}, "latency": {"predicted": 60, "measured": 61},
              "fifo_peaks": {"predicted": [2, 2, 2], "measured": []}}
    failed = verification(little, mismatches=3, failure="layer Gemm_2, frame 4, index 1: expected 1, got -1",
                          accuracy=None, cycles=cycles, stalled_cycles={"predicted": 0, "measured": 0})
    text = visible(report.render(little | {"verification": failed}))
    assert text.index("Verification failed.") < text.index("layer Gemm_2, frame 4") < text.index("Throughput")
    assert "not reached" in text
    assert "✗ Latency cycles, one frame through an empty pipeline 60 61" in text
    assert "✓" not in text
    assert "were measured to be exactly that" not in text
    assert "FAILED: layer Gemm_2" in printed(little | {"verification": failed})


def test_page_and_table_show_resources_and_their_tool(little):
    counted = {"luts": 1234, "carries": 56, "luts_total": 1290, "registers": 789, "block_rams": 4, "dsps": 0,
               "cells": 2345, "yosys": "0.60"}
    content = little | {"resources": {"ice40": counted, "ecp5": counted}}
    text = visible(report.render(content))
    assert "iCE40 1,234 56 1,290 789 4 0 2,345 0.60" in text
    assert "an estimate" in text
    assert "Resources" not in visible(report.render(little))
    assert "ice40 1,290 LUTs, 789 registers, 4 block RAMs (Yosys 0.60)" in " ".join(printed(content).split())


def test_table_shows_every_layer(little):
    text = printed(little)
    assert re.search(r"fc0 +16 → 10 +xnor +3 x 4 +16 +100% +160 +bipolar x bipolar", text)
    assert re.search(r"fc2 +9 → 5 +xnor +3 x 4 +6 +37\.5% +45", text)
    assert re.search(r"all +34 lanes +16 +54\.2% +295", text)
    assert "625,000 frames/s at 10 MHz: one every 16 cycles" in text


@pytest.mark.parametrize("spoil", [lambda c: c.pop("totals"), lambda c: c.update(layers=[{}]),
                                   lambda c: c.update(units=3), lambda c: c.update(verification={"frames": 3})])
def test_garbled_content_is_refused_in_one_line(little, spoil):
    spoil(little)
    message = r"^report\.json: lacks or garbles .*; build it again with gatewright build$"
    with pytest.raises(UserError, match=message):
        report.render(little)
    if little["units"] != 3:  # which the terminal does not show
        with pytest.raises(UserError, match=message):
            report.console(little)


def test_a_frame_and_a_half_a_period_is_shown_as_it_is(little):
    little["totals"]["interval"] = number(Fraction(33, 2))
    assert "one every 16.5 cycles" in visible(report.render(little))


def test_classes_and_deep_networks_are_drawn(tmp_path, network):
    net = network(np.random.default_rng(1), (12, *[7] * 12, 4))
    net.nodes.pop()  # the last batch normalisation, so that the largest integer is the largest logit
    net.last = net.nodes[-1].output[0]
    path = net.save(tmp_path / "deep.onnx")
    compiled = design.compile(design.load(path), folding=",".join(["2x3"] * 13), top1=True)
    content = report.summarise(compiled)
    assert [unit["kind"] for unit in content["units"]][-1] == "arg_max"
    assert predict(compiled.dataflow.network).interval == content["totals"]["interval"]
    page = report.render(content)
    assert len(page) < 500_000
    assert "gives the class, a uint2" in visible(page)
    assert sorted(re.findall(r'data-unit="([^"]*)"', page)) == sorted(unit["name"] for unit in content["units"])
    assert sorted(re.findall(r'data-stream="([^"]*)"', page)) == sorted(each["name"] for each in content["streams"])
