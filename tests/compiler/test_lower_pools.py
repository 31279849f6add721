"""Pools whose window is the bottleneck unless it gives all taps at once: they are as fast as the layers beside them."""

from __future__ import annotations

import numpy as np
import pytest

import gatewright
from gatewright.hdl.pool import PoolParameters


@pytest.fixture
def pooled(builder, tmp_path):
    """A layer of a position for each of 8 x 8 pixels, a pool, and a layer behind it; ``kind`` codes are pooled."""

    def load(pool, kind, channels=2, **window):
        rng = np.random.default_rng(0)
        net = builder((1, 1, 8, 8)).conv(rng.integers(-2, 2, (channels, 1, 3, 3)), bits=2, pads=[1, 1, 1, 1])
        net = net.sign() if kind == "bipolar" else net.quantise(2.0, 3, signed=kind == "signed")
        net.node(pool, **window)
        if pool != "MaxPool":
            net.quantise(0.5, 4)
        net.conv(rng.integers(-3, 4, (2, channels, 1, 1)), bits=3)
        return gatewright.load(net.save(tmp_path / "net.onnx"), input="uint2")

    return load


def _pool_of(design) -> PoolParameters:
    return next(stage.parameters for stage in design.dataflow.stages if isinstance(stage.parameters, PoolParameters))


@pytest.mark.parametrize(("pool", "kind", "window"), [
    ("MaxPool", "bipolar", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("MaxPool", "signed", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("MaxPool", "bipolar", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("MaxPool", "signed", {"kernel_shape": [3, 3], "strides": [2, 2]}),
    ("MaxPool", "unsigned", {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1]}),
    ("AveragePool", "bipolar", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool", "bipolar", {"kernel_shape": [3, 3]}),
    ("AveragePool", "signed", {"kernel_shape": [3, 3]}),
])
def test_a_position_a_cycle_where_a_tap_a_cycle_is_too_slow(pooled, pool, kind, window):
    """Overlapping or not, padded or not."""
    design = gatewright.compile(pooled(pool, kind, **window), folding="2x9,2x2")
    assert _pool_of(design).simd == 9
    assert design.prediction.interval == 64
    assert design.verify(np.random.default_rng(1).integers(0, 4, size=(6, 1, 8, 8))).mismatches == 0


@pytest.mark.parametrize("kind", ["bipolar", "signed"])
def test_a_tap_a_cycle_where_pixels_come_no_faster(pooled, kind):
    design = gatewright.compile(pooled("MaxPool", kind, kernel_shape=[2, 2], strides=[2, 2]), folding="2x9,2x2")
    assert _pool_of(design).simd == 1
    assert design.prediction.interval == 64


def test_words_of_some_channels_one_after_another(pooled):
    """All taps of two channels of four: 128 cycles, as the layers take."""
    design = gatewright.compile(pooled("MaxPool", "signed", 4, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                                folding="2x9,2x2")
    assert design.prediction.interval == 128
    assert design.verify(np.random.default_rng(1).integers(0, 4, size=(4, 1, 8, 8))).mismatches == 0


@pytest.mark.parametrize(("folding", "strides", "cycles", "lanes", "simd"), [
    ("4x9,2x4", [1, 1], 64, 4, 9),
    ("2x9,2x2", [1, 1], 128, 2, 9),
    ("1x9,1x2", [1, 1], 256, 1, 9),
    ("1x3,2x4", [1, 1], 768, 4, 1),
    ("2x9,2x4", [2, 2], 128, 4, 9),  # from a pixel to the next but one only with all channels
    ("1x9,2x4", [2, 2], 256, 4, 1),
])
def test_the_fewest_lanes_that_keep_the_interval(pooled, folding, strides, cycles, lanes, simd):
    """First a tap a cycle with more and more channels, then all taps."""
    model = pooled("MaxPool", "signed", 4, kernel_shape=[3, 3], strides=strides, pads=[1, 1, 1, 1])
    design = gatewright.compile(model, folding=folding)
    assert (_pool_of(design).lanes, _pool_of(design).simd) == (lanes, simd)
    assert design.prediction.interval == cycles
