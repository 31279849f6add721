"""Thresholds of some layers stand apart again, on sums of the narrowest type, and nothing else changes."""

from __future__ import annotations

import numpy as np

from gatewright.compiler import passes
from gatewright.compiler.execute import run_golden
from gatewright.compiler.float32 import Chain, Uniform
from gatewright.compiler.ir import IntType
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import FuseThresholds, InferTypes, SettleThresholds, UnfuseThresholds

ONE = Chain(np.array([1.0]))


def two_layers(net):
    build = net((2,), IntType(2))
    code = Uniform(np.array([1.0], dtype=np.float32), 0, 2)
    hidden = build.quantise(build.matmul(build.value, [[1, -1], [2, 1]]), ONE, code)
    graph = build.graph(build.quantise(build.matmul(hidden, [[1, 1]]), ONE, code))
    return passes.run(graph, [InferTypes(), SettleThresholds(), FuseThresholds(), InferTypes()])


def test_only_the_layers_named(net):
    graph = two_layers(net)
    first, _ = graph.nodes
    apart = passes.run(graph, [UnfuseThresholds([first.name]), InferTypes()])
    kinds = [line.split(" = ")[1].split()[0] for line in dump(apart).splitlines()[2:-1]]
    assert kinds == ["dense", "threshold", "dense"]
    assert apart.nodes[0].output.type == IntType(5, signed=True)
    assert apart.nodes[1].output == first.output
    assert apart.nodes[2].thresholds is not None
    assert dump(passes.run(graph, [UnfuseThresholds([])])) == dump(graph)


def test_every_integer_stays(net):
    graph = two_layers(net)
    apart = passes.run(graph, [UnfuseThresholds([node.name for node in graph.nodes]), InferTypes()])
    codes = np.array(np.meshgrid(range(4), range(4))).reshape(2, -1).T
    was, now = run_golden(graph, codes), run_golden(apart, codes)
    assert len(now) == len(was) + 2
    for name, integers in was.items():
        assert np.array_equal(now[name], integers)
