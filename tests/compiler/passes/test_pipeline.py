"""Each pass on one small graph, text in and text out, and the whole pipeline on random networks."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.compiler import passes
from gatewright.compiler.frontend import import_proto
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import FlipFalling, FuseThresholds, InferTypes, SettleThresholds
from gatewright.compiler.reference import explain, run_exact, run_plain

BEFORE = """\
graph small
  %x: uint8[3] in 0..255 = input, scale 1/255
  %h0f: float32 = elementwise sub %x *1/255 sub [0.5,0.25,0.75]
  %h0: bipolar[3] in -1..1 = quantise q0 %h0f
  %acc: int3[2] in -3..3 = matmul fc0 %h0 weights bipolar [[1,-1,1],[1,1,1]]
  %h1f: float32 = elementwise bn %acc *0.5 mul [1.0,-1.0] add [-0.25,0.75]
  %h1: bipolar[2] in -1..1 = quantise q1 %h1f
  %out: int3[2] in -2..2 = matmul fc1 %h1 weights bipolar [[1,1],[-1,1]]
  return %out, final *1.0 mul 0.125
"""
SETTLED = """\
graph small
  %x: uint8[3] in 0..255 = input, scale 1/255
  %h0: bipolar[3] in -1..1 = threshold q0 %x at [[128],[64],[192]]
  %acc: int3[2] in -3..3 = matmul fc0 %h0 weights bipolar [[1,-1,1],[1,1,1]]
  %h1: bipolar[2] in -1..1 = threshold q1 %acc at [[1],[1]], falling [1]
  %out: int3[2] in -2..2 = matmul fc1 %h1 weights bipolar [[1,1],[-1,1]]
  return %out, final *1.0 mul 0.125
"""
FLIPPED = """\
graph small
  %x: uint8[3] in 0..255 = input, scale 1/255
  %h0: bipolar[3] in -1..1 = threshold q0 %x at [[128],[64],[192]]
  %acc: int3[2] in -3..3 = matmul fc0 %h0 weights bipolar [[1,-1,1],[-1,-1,-1]]
  %h1: bipolar[2] in -1..1 = threshold q1 %acc at [[1],[-1]]
  %out: int3[2] in -2..2 = matmul fc1 %h1 weights bipolar [[1,1],[-1,1]]
  return %out, final *1.0 mul 0.125
"""
FUSED = """\
graph small
  %x: uint8[3] in 0..255 = input, scale 1/255
  %h0: bipolar[3] in -1..1 = threshold q0 %x at [[128],[64],[192]]
  %h1: bipolar[2] in -1..1 = dense fc0 %h0 weights bipolar [[1,-1,1],[-1,-1,-1]], accumulator int3, at least [[1],[-1]]
  %out: int3[2] in -2..2 = dense fc1 %h1 weights bipolar [[1,1],[-1,1]], accumulator int3
  return %out, final *1.0 mul 0.125
"""


def test_text_of_every_stage(small):
    assert dump(small) == BEFORE
    settled = passes.run(small, [SettleThresholds()])
    assert dump(settled) == SETTLED
    flipped = passes.run(settled, [FlipFalling()])
    assert dump(flipped) == FLIPPED
    fused = passes.run(flipped, [FuseThresholds()])
    assert dump(fused) == FUSED
    assert dump(passes.run(fused, [InferTypes()])) == FUSED


def test_the_pipeline_is_the_passes_in_order(small):
    assert [type(p).__name__ for p in passes.PIPELINE] == [
        "RemoveUnused", "InferTypes", "Tabulate", "SettleThresholds", "MergeThresholds", "SimplifyAdds", "SinkMaxPool",
        "FlipFalling", "InferTypes", "TrimThresholds", "ReplaceThresholds", "FuseThresholds", "InferTypes"]
    assert dump(passes.run(small)) == FUSED
    assert dump(small) == BEFORE


def test_origins(small):
    """A product whose rows were negated is no longer the model's tensor; codes and outputs are."""
    flipped = passes.run(small, [SettleThresholds(), FlipFalling()])
    assert flipped.value("acc").origin is None
    assert [node.output.origin for node in passes.run(small).nodes] == ["h0", "h1", "out"]


GAMMA = st.sampled_from(["normal", "negative", "zero", "tiny", "huge"])


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4), kind=GAMMA,
       form=st.sampled_from(["gemm", "matmul"]), data=st.data())
def test_pipeline_keeps_the_meaning(network, interpret, seed, sizes, kind, form, data):
    """QONNX under exact accumulation = the integer graph as imported = as compiled, at every tensor both have."""
    rng = np.random.default_rng(seed)
    gammas = {"normal": lambda n: rng.normal(size=n), "negative": lambda n: -rng.uniform(0.1, 2, size=n),
              "zero": lambda n: rng.normal(size=n) * rng.integers(0, 2, size=n),
              "tiny": lambda n: rng.normal(size=n) * 1e-30, "huge": lambda n: rng.normal(size=n) * 1e20}
    imported = import_proto(network(rng, sizes, gamma=gammas[kind], form=form).model())
    x = rng.normal(size=(50, sizes[0])).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = data.draw(st.sampled_from([0.0, -0.0, 1e-45, -1e-45]))
    reference = run_exact(imported.model, x)
    codes = imported.graph.spec.encode(x)
    np.testing.assert_array_equal(codes, reference.codes[imported.graph.input.origin])
    for graph in (imported.graph, passes.run(imported.graph)):
        values = interpret(graph, codes)
        compared = 0
        for node in graph.nodes:
            if not isinstance(node.output, str) and node.output.origin is not None:
                np.testing.assert_array_equal(values[node.output.name], reference.integers(node.output.origin))
                compared += 1
        assert compared >= len(sizes) - 1
        np.testing.assert_array_equal(graph.final(values[graph.output]), reference.output)


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), gamma=st.floats(-1e3, 1e3, width=32), beta=st.floats(-1e3, 1e3, width=32),
       mean=st.sampled_from([0.0, 0.5, -0.1, 3.0, 1e4, -1e9, 1e20]),
       variance=st.sampled_from([0.0, 1e-30, 1e-12, 1e-5, 0.3, 1.0, 1e6]), scale=st.sampled_from([1.0, 0.1, 0.5, 3e-4]))
def test_settled_codes_are_the_reference_executors(builder, interpret, seed, gamma, beta, mean, variance, scale):
    """Any constants of a batch normalisation, on every accumulator that the layer can reach."""
    rng = np.random.default_rng(seed)
    net = builder((1, 12)).sign().gemm(np.ones((2, 12)), scale)
    net.norm([gamma, -gamma], [beta, beta], [mean, -mean], [variance, variance]).sign().gemm(np.ones((3, 2)))
    imported = import_proto(net.model())
    codes = rng.permuted(np.where(np.arange(12) < np.arange(13)[:, None], 1, -1), axis=1)
    reference = run_exact(imported.model, codes, imported.graph.spec)
    assert sorted(set(reference.accumulators["t2"].ravel().tolist())) == list(range(-12, 13, 2))
    graph = passes.run(imported.graph)
    values = interpret(graph, codes)
    np.testing.assert_array_equal(values["t4"], reference.codes["t4"])
    np.testing.assert_array_equal(values["t6"], reference.accumulators["t6"])


NUMBER = st.floats(-8, 8, width=32)
STEPS = st.lists(st.one_of(
    st.tuples(st.sampled_from(["Add", "Sub", "Mul", "rAdd", "rSub", "rMul"]), NUMBER),
    st.tuples(st.just("Div"), st.sampled_from([0.3, -2.0, 7.0])),
    st.tuples(st.just("Clip"), st.floats(0, 4, width=32)),
    st.tuples(st.sampled_from(["Neg", "Relu", "Identity", "BatchNormalization"]), NUMBER)), max_size=4)


def append(net, rng, channels: int, steps) -> None:
    for op, number in steps:
        constant = np.float32(number) if rng.random() < 0.5 else np.float32(number + rng.normal(size=channels))
        if op.startswith("r"):
            net.node(op[1:], constant, ...)
        elif op == "Clip":
            net.node(op, ..., np.float32(-number), np.float32(number))
        elif op == "BatchNormalization":
            net.norm(*rng.normal(size=(3, channels)), rng.uniform(0.1, 4, size=channels))
        elif op in ("Neg", "Relu", "Identity"):
            net.node(op)
        else:
            net.node(op, ..., constant)


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), first=STEPS, second=STEPS, last=STEPS, byte=st.booleans(),
       bias=st.booleans(), alpha=st.sampled_from([1.0, 0.3]), beta=st.sampled_from([1.0, -0.7]))
def test_any_mix_of_operators(builder, interpret, seed, first, second, last, byte, bias, alpha, beta):
    """Every supported operator before the first quantiser, between layers and at the end, with biases and without."""
    rng = np.random.default_rng(seed)
    net = builder((1, 1, 2, 3)).node("Flatten")
    append(net, rng, 6, [step for step in first if step[0] != "BatchNormalization"])
    net.sign(0.3).gemm(rng.normal(size=(5, 6)), 0.1, rng.normal(size=5) if bias else None, alpha=alpha, beta=beta)
    append(net, rng, 5, second)
    net.sign().gemm(rng.normal(size=(4, 5)), rng.uniform(0.1, 1, size=(4, 1)), rng.normal(size=4) if bias else None)
    append(net, rng, 4, last)
    imported = import_proto(net.model(), **({"input_type": "uint8", "input_scale": Fraction(1, 255)} if byte else {}))
    spec = imported.graph.spec
    codes = rng.integers(0, 256, size=(40, 6)) if byte else spec.encode(rng.normal(size=(40, 6)).astype(np.float32))
    reference = run_exact(imported.model, codes, spec)
    graph = passes.run(imported.graph)
    values = interpret(graph, codes)
    compared = 0
    for value in (node.output for node in graph.nodes if node.output.origin is not None):
        integers = values[value.name][:, value.origin_order]
        np.testing.assert_array_equal(integers, reference.integers(value.origin))
        compared += 1
    assert compared >= 2
    np.testing.assert_array_equal(graph.final(values[graph.output]), reference.output)
    plain = run_plain(imported.model, codes, spec)
    explain(reference, plain.codes, plain.output)


def test_broken_passes_are_caught(small):
    with pytest.raises(ValueError, match="illegal integer graph: 'fc1' reads 'h1', which is not defined before it"):
        passes.run(small, [lambda graph: graph.with_nodes(n for n in graph.nodes if n.name != "q1")])
