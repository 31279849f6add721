"""Comparisons of a product's sums all go one way, where weights can change sign."""

from __future__ import annotations

import numpy as np

from gatewright.compiler import passes
from gatewright.compiler.float32 import SIGN, Chain
from gatewright.compiler.ir import IntType, Window
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import FlipFalling, InferTypes, SettleThresholds

BEFORE = [InferTypes(), SettleThresholds()]
FALLING = Chain(np.array([1.0])).then("mul", [1, -1]).then("add", 1)


def test_a_convolution(net, interpret):
    build = net((1, 2, 2), IntType(2))
    sums = build.conv(build.value, [[[[1, -1]]], [[[1, 0]]]], Window((1, 1)))
    graph = passes.run(build.graph(build.quantise(sums, FALLING, SIGN)), BEFORE)
    after = passes.run(graph, [FlipFalling()])
    assert dump(after).splitlines()[2:4] == [
        "  %conv0: int3[1x2x2] in -3..3 = conv conv0 %x weights int2 [[[[1,-1]]],[[[-1,0]]]], kernel 1x1",
        "  %q1: bipolar[1x2x2] in -1..1 = threshold q1 %conv0 at [[-1],[-1]]"]
    codes = np.random.default_rng(0).integers(0, 4, size=(50, 4))
    np.testing.assert_array_equal(interpret(after, codes)["q1"], interpret(graph, codes)["q1"])


def test_no_weight_grows(net):
    """-2 is an int2, 2 is none."""
    build = net((2,), IntType(2))
    sums = build.matmul(build.value, [[1, -2], [1, -2]])
    graph = passes.run(build.graph(build.quantise(sums, FALLING, SIGN)), BEFORE)
    assert dump(passes.run(graph, [FlipFalling()])) == dump(graph)


def test_sums_that_something_else_reads_stay(net):
    build = net((2,), IntType(2))
    sums = build.matmul(build.value, [[1, 1], [1, 1]])
    codes = build.quantise(sums, FALLING, SIGN)
    graph = passes.run(build.graph(build.add([codes, sums], [1, 1])), BEFORE)
    assert dump(passes.run(graph, [FlipFalling()])) == dump(graph)
