"""The zoo's TFC, trained by others: built, proven on MNIST, and its logits as they were published."""

import os
from pathlib import Path

import numpy as np
import pytest

import gatewright
from gatewright.compiler import data
from gatewright.compiler.execute import run_golden

FOLDING = "16x49,8x8,8x8,10x8"


def place(variable):
    if variable not in os.environ:
        pytest.skip(f"set {variable} to run this (README.md says to what)")
    return Path(os.environ[variable])


@pytest.fixture(scope="module")
def model():
    return gatewright.load(place("GATEWRIGHT_ZOO") / "TFC_1W1A.onnx", input="uint8", input_scale="1/255")


@pytest.fixture(scope="module")
def images():
    folder = place("GATEWRIGHT_DATA")
    folder = folder / "mnist" if (folder / "mnist").is_dir() else folder
    path = next(path for path in sorted(folder.glob("t10k-images-idx3-ubyte*")))
    labels = next(path for path in sorted(folder.glob("t10k-labels-idx1-ubyte*")))
    return data.read(path, labels)


def test_tfc_makes_64_cycles_a_frame_and_every_integer(model, images):
    design = gatewright.compile(model, folding=FOLDING)
    verification = design.verify(images.x[:1000], images.y[:1000])
    assert verification.mismatches == 0
    assert verification.cycles.interval == {"predicted": 64, "measured": 64}
    assert verification.cycles.latency["predicted"] == verification.cycles.latency["measured"]


def test_published_logits_come_out_to_the_bit(model, images):
    design = gatewright.compile(model, folding=FOLDING)
    with np.load(place("GATEWRIGHT_ZOO") / "TFC_1W1A.mnist-t10k-first1000.npz") as published:
        logits = published["logits"]
    values = run_golden(design.graph, design.codes(images.x[:1000]))
    assert np.array_equal(design.logits(values), logits)
    assert np.array_equal(design.classes(values), logits.argmax(axis=1))


@pytest.mark.full
@pytest.mark.parametrize(("folding", "interval", "frames"), [
    (FOLDING, 64, 10_000), ("7x33,7x33,7x33,7x33", 240, 10_000), ("64x784,64x64,64x64,10x64", 1, 10_000),
    ("1x1,1x1,1x1,1x1", 50_176, 1000), ("64x49,16x16,16x16,5x16", 16, 10_000), ("13x100,64x3,5x64,10x1", 64, 10_000)])
def test_tfc_in_every_shape(model, images, folding, interval, frames):
    design = gatewright.compile(model, folding=folding)
    verification = design.verify(images.x[:frames], images.y[:frames], seed=1)
    assert verification.mismatches == 0
    assert verification.cycles.interval == {"predicted": interval, "measured": interval}
    assert frames < 10_000 or verification.accuracy == 0.9296
    assert design.verify(images.x[:100], x_initial="unique", seed=2).mismatches == 0
