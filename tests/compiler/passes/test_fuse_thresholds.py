"""Products and the few thresholds on them are one unit's work."""

from __future__ import annotations

import numpy as np

from gatewright.compiler import passes
from gatewright.compiler.float32 import SIGN, Chain, Uniform
from gatewright.compiler.ir import IntType, Window
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import FuseThresholds, InferTypes, SettleThresholds

BEFORE = [InferTypes(), SettleThresholds()]
ONE = Chain(np.array([1.0]))


def codes(lo: int, hi: int) -> Uniform:
    return Uniform(np.array([1.0], dtype=np.float32), lo, hi)


def fused(graph):
    return dump(passes.run(graph, [*BEFORE, FuseThresholds(), InferTypes()])).splitlines()[2:-1]


def test_a_convolution(net):
    """Weights [out, kh, kw, in / groups] become rows in this order."""
    build = net((2, 2, 2), IntType(2))
    sums = build.conv(build.value, [[[[1], [2]], [[3], [-1]]], [[[1], [1]], [[1], [0]]]], Window((2, 2)), groups=2)
    assert fused(build.graph(build.quantise(sums, ONE, codes(-1, 2)))) == [
        "  %q1: int3[1x1x2] in -1..2 = dense conv0 %x weights int3 [[1,2,3,-1],[1,1,1,0]], kernel 2x2 groups 2, "
        "accumulator int6, at least [[0,1,2],[0,1,2]], from -1".replace("[[0,1,2],[0,1,2]]", "[[0,1,2],[0,1,2]]")]


def test_more_than_three_thresholds_stay_apart(net):
    build = net((2,), IntType(2))
    lines = fused(build.graph(build.quantise(build.matmul(build.value, [[1, 1], [1, 0]]), ONE, codes(0, 7))))
    assert [line.split(" = ")[1].split()[0] for line in lines] == ["dense", "threshold"]


def test_falling_thresholds_stay_apart(net):
    build = net((2,), IntType(2))
    sums = build.matmul(build.value, [[1, 1], [1, 0]])
    lines = fused(build.graph(build.quantise(sums, ONE.then("rsub", 1), SIGN)))
    assert [line.split(" = ")[1].split()[0] for line in lines] == ["dense", "threshold"]


def test_sums_that_something_else_reads_stay(net):
    build = net((2,), IntType(2))
    sums = build.matmul(build.value, [[1, 1], [1, 0]])
    lines = fused(build.graph(build.add([sums, build.quantise(sums, ONE, SIGN)], [1, 1])))
    assert [line.split(" = ")[1].split()[0] for line in lines] == ["dense", "threshold", "add"]
