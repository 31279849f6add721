"""qonnx's clean-up, without what it would leak: its exceptions, its renaming, its noise."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gatewright.compiler.frontend import import_proto
from gatewright.compiler.frontend.structure import MAX_NODES
from gatewright.errors import UserError


def refusal(model) -> str:
    with pytest.raises(UserError) as error:
        import_proto(model)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_qonnx_raises_names_the_node(builder, capfd):
    """onnxruntime refuses to fold this constant, with a log line of its own that must not show."""
    net = builder().node("Gather", np.float32([1, 2]), np.int64([7]), name="lookup")
    weights, net.last = net.last, "x"
    message = refusal(net.node("Add", ..., weights).sign().model())
    assert re.fullmatch(r"node 'lookup' \(Gather\): qonnx could not clean the model up \(FoldConstants: .*\); "
                        r"check the shapes and attributes of this node", message)
    assert capfd.readouterr() == ("", "")


def test_constants_that_would_grow(builder):
    """A product of two long constants is refused by its shape, before it is computed."""
    net = builder()
    net.node("MatMul", np.ones((1 << 16, 1), np.float32), np.ones((1, 1 << 16), np.float32))
    assert refusal(net.node("Add", ..., "x").model()) == (
        "tensor 't0': would have the shape [65536, 65536]; check that the file is what it should be")


def test_too_many_nodes(builder):
    net = builder()
    for _ in range(MAX_NODES + 1):
        net.node("Identity")
    assert refusal(net.model()) == (f"the graph has {MAX_NODES + 1} nodes; at most {MAX_NODES} are read; check that "
                                    "the file is what it should be")


def test_names_survive(builder):
    net = builder().sign(name="first").gemm(np.ones((4, 8)), name="layer")
    clean = import_proto(net.model()).model
    assert [n.name for n in clean.graph.node if n.op_type == "Gemm"] == ["layer"]
    assert clean.graph.input[0].name == "x"
    assert clean.graph.output[0].name == net.last


def test_the_cleaned_model_is_the_same_each_time(builder):
    """Also where one constant has many readers, to which qonnx would give random names."""
    net = builder()
    net.constant(np.float32(1), "s")
    net.node("BipolarQuant", ..., "s")
    weights = net.weights(np.ones((8, 8)))
    for _ in range(3):
        net.node("Gemm", ..., weights, transB=1).node("BipolarQuant", ..., "s")
    net.node("Gemm", ..., weights, transB=1)
    cleaned = [import_proto(net.model()).model.model.SerializeToString(deterministic=True) for _ in range(2)]
    assert cleaned[0] == cleaned[1]
