"""Layers whose window is the bottleneck unless it gives all taps at once: they take the cycles of their folding."""

from __future__ import annotations

import numpy as np
import pytest

import gatewright


@pytest.mark.parametrize(("groups", "outputs", "folding", "cycles"), [
    (2, 4, "2x18", 2 * 30), (2, 4, "1x13", 8 * 30), (4, 8, "2x9", 4 * 30),
])
def test_grouped_layers_are_as_fast_as_their_folding(builder, tmp_path, groups, outputs, folding, cycles):
    """A group after the other, also where that is faster than a tap a cycle."""
    rng = np.random.default_rng(0)
    net = builder((1, 4, 5, 6)).conv(rng.integers(-3, 4, (outputs, 4 // groups, 3, 3)), bits=3, group=groups,
                                     pads=[1, 1, 1, 1])
    model = gatewright.load(net.save(tmp_path / "net.onnx"), input="bipolar")
    design = gatewright.compile(model, folding=folding)
    assert design.prediction.interval == cycles
    assert design.verify(rng.choice([-1, 1], size=(8, 4, 5, 6))).mismatches == 0


@pytest.mark.parametrize(("kind", "groups", "folding", "cycles"), [("bipolar", 1, "4x18", 48), ("int3", 2, "2x9", 96)])
def test_transposed_layers_are_as_fast_as_their_folding(builder, tmp_path, kind, groups, folding, cycles):
    """The zeros that a stride puts between pixels are put there once, not at each tap."""
    rng = np.random.default_rng(0)
    net = builder((1, 2, 3, 4)).conv(rng.integers(-3, 4, (2, 4 // groups, 3, 3)), bits=3, op="ConvTranspose",
                                     group=groups, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    model = gatewright.load(net.save(tmp_path / "net.onnx"), input=kind)
    design = gatewright.compile(model, folding=folding)
    assert design.prediction.interval == cycles
    lo, hi = model.graph.spec.type.lo, model.graph.spec.type.hi
    codes = rng.choice([-1, 1], size=(8, 2, 3, 4)) if kind == "bipolar" else rng.integers(lo, hi + 1, (8, 2, 3, 4))
    assert design.verify(codes).mismatches == 0
