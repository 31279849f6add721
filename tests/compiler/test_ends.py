"""What ends a network: the class that a design answers, whoever finds it, the hardware or the host."""

from __future__ import annotations

import numpy as np
import pytest

import gatewright
from gatewright.compiler.ir import ArgMax

BIAS = [0.5, 0, 0, -1, 2]


@pytest.fixture
def compiled(builder, tmp_path):
    """A design of ``x W + bias`` on four inputs with what ``end`` puts behind it; and those logits themselves."""
    codes = np.random.default_rng(3).integers(-8, 8, size=(60, 4))
    weights = np.random.default_rng(4).integers(-4, 4, size=(5, 4))

    def make(end, bias=None):
        net = builder((1, 4)).gemm(weights, 0.5, bias, bits=4)
        path = end(net).save(tmp_path / "ends.onnx")
        design = gatewright.compile(gatewright.load(path, input="int4"))
        return design, codes, codes @ weights.T / 2 + (0 if bias is None else np.array(bias))

    return make


def largest(count, output):
    """``count`` largest: their values (output 0), or their indices (1)."""
    def end(net):
        net.node("TopK", ..., np.int64([count]), outputs=2)
        return net.at(f"{net.last}_1") if output else net

    return end


@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize("bias", [None, BIAS])
def test_the_class_is_the_largest_logits_whatever_the_host_answers(compiled, output, bias):
    design, codes, logits = compiled(largest(3, output), bias)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(design.run(codes), order if output else np.take_along_axis(logits, order, axis=1))
    verification = design.verify(codes, logits.argmax(axis=1))
    assert verification.accuracy == 1
    assert verification.mismatches == 0


def arg_max(net, **attributes):
    return net.node("ArgMax", **{"axis": 1, **attributes})


@pytest.mark.parametrize("end", [arg_max, lambda net: arg_max(net.node("Softmax"), keepdims=0), largest(1, 1),
                                 lambda net: largest(1, 1)(net.node("LogSoftmax"))])
def test_a_class_that_the_hardware_cannot_tell_is_found_by_the_host(compiled, end):
    """With a bias for each class the largest integer need not be the largest logit."""
    design, codes, logits = compiled(end, BIAS)
    assert design.graph.host[-1] == "top_indices:1"
    np.testing.assert_array_equal(design.run(codes), logits.argmax(axis=1)[:, None])
    assert design.verify(codes, logits.argmax(axis=1)).accuracy == 1


def test_a_class_that_the_hardware_can_tell_is_found_there(compiled):
    design, codes, logits = compiled(lambda net: arg_max(net.node("Mul", ..., np.float32(0.75))))
    assert isinstance(design.graph.nodes[-1], ArgMax)
    np.testing.assert_array_equal(design.run(codes)[:, 0], logits.argmax(axis=1))


def test_falling_values_are_the_hosts(compiled):
    design, codes, logits = compiled(lambda net: arg_max(net.node("Neg")))
    np.testing.assert_array_equal(design.run(codes)[:, 0], (-logits).argmax(axis=1))
