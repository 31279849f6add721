"""Nodes that lead nowhere go, with all that only they need."""

from __future__ import annotations

import numpy as np

from gatewright.compiler import passes
from gatewright.compiler.float32 import SIGN, Chain
from gatewright.compiler.ir import IntType
from gatewright.compiler.passes import RemoveUnused


def test_removed(net):
    build = net((2,), IntType(2))
    sums = build.matmul(build.value, [[1, 1]])
    build.add([build.quantise(sums, Chain(np.array([1.0])), SIGN), sums], [1, 1])
    graph = build.graph(sums)
    assert len(graph.nodes) == 4
    assert [node.name for node in passes.run(graph, [RemoveUnused()]).nodes] == ["fc0"]
