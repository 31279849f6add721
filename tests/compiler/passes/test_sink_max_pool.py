"""Pooling moves behind the thresholds where these make fewer bits."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.compiler import passes
from gatewright.compiler.float32 import SIGN, Chain
from gatewright.compiler.ir import IntType, Window
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import InferTypes, SettleThresholds, SinkMaxPool

BEFORE = [InferTypes(), SettleThresholds()]
ONE = Chain(np.array([1.0]))


def pooled(net, chain=ONE, kind="max", again=False):
    build = net((2, 2, 1), IntType(4))
    pool = build.pool(build.value, kind, Window((2, 2)))
    codes = build.quantise(pool, chain.then("sub", 3), SIGN)
    return passes.run(build.graph(build.add([codes, pool], [1, 1]) if again else codes), BEFORE)


def test_exchanged(net, interpret):
    graph = pooled(net)
    after = passes.run(graph, [SinkMaxPool()])
    assert dump(after).splitlines()[2:] == [
        "  %q1_unpooled: bipolar[2x2x1] in -1..1 = threshold q1 %x at [[3]]",
        "  %q1: bipolar[1x1x1] in -1..1 = pool pool0 %q1_unpooled max, kernel 2x2",
        "  return %q1, final *1.0"]
    assert [node.output.origin for node in after.nodes] == [None, "q1"]
    codes = np.random.default_rng(0).integers(0, 16, size=(50, 4))
    np.testing.assert_array_equal(interpret(after, codes)["q1"], interpret(graph, codes)["q1"])


@pytest.mark.parametrize("options", [{"chain": ONE.then("rsub", 9)}, {"kind": "sum"}, {"again": True}])
def test_not_exchanged(net, options):
    """Codes that fall, sums, and integers that something else reads."""
    graph = pooled(net, **options)
    assert dump(passes.run(graph, [SinkMaxPool()])) == dump(graph)
