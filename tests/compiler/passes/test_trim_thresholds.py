"""Thresholds and table entries that no integer reaches take no room."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gatewright.compiler import passes
from gatewright.compiler.float32 import Chain
from gatewright.compiler.ir import Graph, InputSpec, IntType, Table, Threshold, Value
from gatewright.compiler.passes import TrimThresholds

X = Value("x", (2,), IntType(4, signed=True), -8, 7)


def trimmed(node):
    graph = Graph("g", InputSpec(X.type, Fraction(1), (2,)), X, (node,), node.output.name, Chain(Fraction(1)))
    after, = passes.run(graph, [TrimThresholds()]).nodes
    return after


@pytest.mark.parametrize(("levels", "falling", "expected", "base"), [
    ([[-20, -8, -3, 5, 8, 20], [-20, -8, 0, 4, 6, 20]], [False, False], [[-3, 5, 8], [0, 4, 6]], 2),
    ([[-20, -8, -3, 5, 8, 20], [20, 7, 0, -8, -9, -20]], [False, True], [[-3, 5], [0, -8]], 2),
    ([[-20, -8], [-20, -8]], [False, False], [[-8], [-8]], 1),
    ([[8, 20], [8, 20]], [False, False], [[8], [8]], 0),
])
def test_thresholds(levels, falling, expected, base):
    output = Value("y", (2,), IntType(3), 0, 6)
    node = trimmed(Threshold("t", "x", output, np.array(levels), np.array(falling)))
    assert (node.thresholds.tolist(), node.base) == (expected, base)


def test_tables():
    node = trimmed(Table("t", "x", Value("y", (2,), IntType(8), 0, 255), np.arange(100)[None], -50))
    assert (node.table.tolist(), node.first) == ([list(range(42, 58))], -8)
