"""Lowering of single nodes that need more than one unit."""

import numpy as np
import pytest

import gatewright


def proven(net, folder, kind, frames=12):
    model = gatewright.load(net.save(folder / "net.onnx"), input=kind)
    design = gatewright.compile(model)
    spec = design.graph.spec
    codes = np.random.default_rng(0).integers(spec.type.lo, spec.type.hi + 1, size=(frames, *spec.shape))
    assert design.verify(np.where(codes > 0, 1, -1) if spec.type.bipolar else codes).mismatches == 0
    return design


def test_streams_of_different_types_are_concatenated(builder, tmp_path):
    """Two and five bits of one scale side by side."""
    rng = np.random.default_rng(0)
    net = builder((1, 2, 3, 3)).conv(rng.integers(-2, 3, (2, 2, 1, 1)), 0.5).quantise(0.5, 2, signed=False)
    few = net.last
    net.at("x").conv(rng.integers(-2, 3, (4, 2, 1, 1)), 0.5).quantise(0.5, 5)
    net.node("Concat", ..., few, axis=1).node("Flatten").gemm(rng.normal(size=(3, 54)))
    design = proven(net, tmp_path, "uint3")
    assert any(stage.name.endswith("_cast") for stage in design.dataflow.stages)


@pytest.mark.parametrize("kind", ["bipolar", "uint2"])
def test_zeros_are_put_around_any_type(builder, tmp_path, kind):
    """A Pad of its own, in front of a pooling window that sees its zeros as numbers."""
    rng = np.random.default_rng(0)
    net = builder((1, 2, 3, 3)).node("Pad", ..., np.array([0, 0, 1, 0, 0, 0, 0, 2]), mode="constant")
    net.node("MaxPool", kernel_shape=[2, 2]).node("Flatten").gemm(rng.normal(size=(3, 24)))
    proven(net, tmp_path, kind)
