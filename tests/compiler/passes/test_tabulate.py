"""What is not monotone becomes a table of codes; what is after all, thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.compiler import passes
from gatewright.compiler.float32 import SIGN, Chain, Uniform
from gatewright.compiler.ir import IntType
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import Tabulate
from gatewright.errors import UserError

HALF = Chain(np.array([0.5]))


def codes(lo: int, hi: int) -> Uniform:
    return Uniform(np.array([1.0], dtype=np.float32), lo, hi)


def test_tables_and_thresholds(net):
    """A magnitude of signed integers, one table for both channels; then one of codes, which are not negative."""
    build = net((2,), IntType(3, signed=True))
    y = build.quantise(build.value, HALF.then("abs"), codes(0, 3))
    z = build.quantise(y, Chain(np.array([1.0])).then("abs").then("mul", [1, -1]), codes(-2, 2))
    assert dump(passes.run(build.graph(z), [Tabulate()])).splitlines()[2:-1] == [
        "  %q0: uint2[2] in 0..3 = table q0 %x [[2,2,1,0,0,0,1,2]] from -4",
        "  %q2: int3[2] in -2..2 = threshold q2 %q0 at [[0,0,1,2],[1,0,-1,-1]], from -2, falling [1]"]


def test_signs(net):
    build = net((1,), IntType(3, signed=True))
    y = build.quantise(build.value, HALF.then("abs").then("sub", 1), SIGN)
    node, = passes.run(build.graph(y), [Tabulate()]).nodes
    assert node.table.tolist() == [[1, 1, 1, -1, -1, -1, 1, 1]]


def test_many_integers_are_left_alone(net):
    build = net((1,), IntType(3, signed=True))
    graph = build.graph(build.quantise(build.value, HALF.then("abs"), codes(0, 3)))
    assert dump(Tabulate(span=7)(graph)) == dump(graph)
    assert dump(Tabulate(span=8)(graph)) != dump(graph)


def test_overflow_is_refused(net):
    build = net((1,), IntType(3, signed=True))
    graph = build.graph(build.quantise(build.value, HALF.then("abs").then("mul", 3e38), codes(0, 3)))
    with pytest.raises(UserError, match=r"^node 'q0_expr': leaves the range of float32 for the accumulator -4; check "):
        Tabulate()(graph)
