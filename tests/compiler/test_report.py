"""Reports: what they claim of a design holds, and the page is safe, self-contained and the same each time."""

from __future__ import annotations

import io
import json
import re
from fractions import Fraction

import numpy as np
import pytest
from rich.console import Console

from gatewright.compiler import design, report
from gatewright.compiler.timeline import number
from gatewright.errors import UserError
from gatewright.sim.dataflow import predict

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


@pytest.fixture(scope="module")
def residual(builder, tmp_path_factory):
    """Two 3x3 layers of many-bit codes, the second beside a skip path; pooled and classified, with a soft-max."""
    rng = np.random.default_rng(7)
    net = builder((1, 2, 6, 6)).conv(rng.integers(-7, 8, (4, 2, 3, 3)), 0.5, bits=4, pads=[1, 1, 1, 1])
    net.quantise(1.0, 4)
    skip = net.last
    net.conv(rng.integers(-1, 2, (4, 4, 3, 3)), 0.5, bits=2, pads=[1, 1, 1, 1]).quantise(0.75, 3)
    net.node("Add", ..., skip).quantise(2.0, 3).node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).node("Flatten")
    net.gemm(rng.normal(size=(3, 36)), 0.5).node("Softmax", axis=1)
    model = design.load(net.save(tmp_path_factory.mktemp("residual") / "residual.onnx"), input="uint2")
    return design.compile(model, folding="2x6,2x18,1x2")


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
                           "layers", "streams", "units", "timeline", "estimate", "resources", "verification"}
    assert json.loads(json.dumps(little, allow_nan=False)) == little
    assert little["estimate"] is None
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


def test_a_branching_network_adds_up(residual):
    content = report.summarise(residual)
    dataflow, totals = residual.dataflow, content["totals"]
    conv, second, dense = content["layers"]
    assert (conv["name"], conv["channels"], conv["outputs"], conv["image"]) == ("conv0", 2, 4, [6, 6])
    assert conv["window"]["kernel"] == [3, 3]
    assert (conv["work"], second["work"], dense["work"]) == (36 * 4 * 18, 36 * 4 * 36, 3 * 36)
    assert (conv["cycles"], second["cycles"], dense["cycles"]) == (36 * 2 * 3, 36 * 2 * 2, 3 * 18)
    assert (conv["weight_type"], conv["weights"]["bits"]) == ("int4", 72 * 4)
    for key in ("work", "lanes"):
        assert totals[key] == sum(layer[key] for layer in content["layers"])
    assert totals["weights"] == sum(layer["weights"]["count"] for layer in content["layers"]) == 72 + 144 + 108
    kept = {unit["name"]: unit["storage"] for unit in content["units"] if unit["storage"]}
    assert list(kept) == [stage.name for stage in dataflow.sized]
    words = {kind: sum(storage["depth"] for storage in kept.values() if (storage["kind"] == "buffer") == kind)
             for kind in (False, True)}
    assert (totals["fifo_words"], totals["buffer_words"]) == (words[False], words[True])
    peaks = [*residual.prediction.peaks, *residual.prediction.buffer_peaks]
    assert sorted(storage["peak"] for storage in kept.values()) == sorted(peaks)
    assert all(storage["peak"] <= storage["depth"] for storage in kept.values())
    assert [stream["integers"] for stream in content["streams"]] == [len(edge.flat) for edge in dataflow.edges]
    drawn = report.render(content)
    assert sorted(re.findall(r'data-unit="([^"]*)"', drawn)) == sorted(stage.name for stage in dataflow.stages)
    assert sorted(re.findall(r'data-stream="([^"]*)"', drawn)) == sorted(edge.name for edge in dataflow.edges)
    text = visible(drawn)
    assert "2 convolutions, 1 fully connected layer, 1 sum and 1 pool with 324 weights" in text
    assert "from which the host computes the model's output and its soft-max" in text
    assert "3×3, 2 → 4, 6×6" in text


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


def test_page_says_which_netlists_were_proven(little):
    proof = {"boundaries": ["i", "fc0_out", "o"], "cycles": {"predicted": 4321, "measured": 4321}, "yosys": "0.70"}
    text = visible(report.render(little | {"verification": verification(little, netlists={"ecp5": proof})}))
    assert "RTL = netlist for ecp5, synthesised by Yosys 0.70" in text
    assert "on 3 streams that synthesis has left; cycles in total: predicted 4,321, measured 4,321 0 differ" in text


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


@pytest.mark.parametrize(("status", "cycles", "said"), [
    ("optimal", 500, "The folding is the cheapest with at most 500 cycles a frame: optimal, at the prices of the cost"),
    ("within 2.0% of optimal", None, "The folding is the fastest that fits: within 2.0% of optimal, at the prices of"),
    (None, None, "Check it again"),
])
def test_page_and_table_show_what_a_design_is_estimated_to_cost(little, status, cycles, said):
    estimate = {"family": "ecp5", "device": "ecp5-25f", "cycles": cycles, "status": status, "luts": 2847,
                "block_rams": 1.5, "dsps": 0, "budget": {"luts": 24288, "block_rams": 56, "dsps": None},
                "accuracy": "model, held-out error 5 % median, 9 % at 90 %", "units": {}}
    line = ("stimated LUTs 2,847 of 24,288, block RAMs 1.5 of 56, DSPs 0 on ecp5-25f "
            "(model, held-out error 5 % median, 9 % at 90 %)")
    text = visible(report.render(little | {"estimate": estimate}))
    assert f"Resources E{line}. {said}" in text
    table = " ".join(printed(little | {"estimate": estimate}).split())
    assert f"cost e{line}" in table
    assert (f"folding {status}, by the cost model" in table) == (status is not None)


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
