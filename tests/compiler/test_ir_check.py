"""An illegal graph is named where it is made."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gatewright.compiler.float32 import Chain
from gatewright.compiler.ir import BIPOLAR, ArgMax, Dense, Graph, InputSpec, IntType, Threshold, Value
from gatewright.compiler.ir_check import verify

PIXELS = Value("x", (2,), IntType(4), 0, 15)
SIGNS = Value("s", (2,), BIPOLAR, -1, 1)
OUT = Value("out", (3,), IntType(3, signed=True), -2, 2)
FIRST = Threshold("first", "x", SIGNS, np.array([[8], [4]]), np.array([False, True]))
LAST = Dense("last", "s", OUT, np.array([[1, 1], [1, -1], [-1, -1]]), BIPOLAR, IntType(3, signed=True))
GRAPH = Graph("g", InputSpec(IntType(4), Fraction(1), (1, 2)), PIXELS, (FIRST, LAST), "out", Chain(np.ones(1)))


def test_a_legal_graph():
    verify(GRAPH)
    verify(GRAPH.with_nodes((*GRAPH.nodes, ArgMax("top", "out", Value("c", (1,), IntType(2), 0, 2))), output="c"))


@pytest.mark.parametrize(("graph", "message"), [
    (replace(GRAPH, output="s2"), "'output' is 's2', which is no integer value"),
    (replace(GRAPH, final=Chain(np.ones(2))), "'output' has 2 constants for 3 channels"),
    (replace(GRAPH, input=replace(PIXELS, hi=16)), "'input' has the interval [0, 16] in the type uint4"),
    (replace(GRAPH, input=replace(PIXELS, shape=(3,))), "'input' has another size than the InputSpec says"),
    (replace(GRAPH, input=replace(PIXELS, type=IntType(5))), "'input' has another type than the InputSpec says"),
    (GRAPH.with_nodes((LAST, FIRST)), "'last' reads 's', which is not defined before it"),
    (GRAPH.with_nodes((FIRST, replace(FIRST, output=replace(SIGNS, name="t")))), "'first' is the name of two nodes"),
    (GRAPH.with_nodes((FIRST, replace(FIRST, name="again"))), "'again' defines a name again"),
    (GRAPH.with_nodes((FIRST, replace(LAST, weights=LAST.weights.astype(np.float64)))),
     "'last' has weights that are no int64 matrix"),
    (GRAPH.with_nodes((FIRST, replace(LAST, weights=LAST.weights[:2]))),
     "'last' has weights of shape (2, 2) from (2,) to (3,)"),
    (GRAPH.with_nodes((FIRST, replace(LAST, weights=LAST.weights * 2))), "'last' has weights that are not bipolar"),
    (GRAPH.with_nodes((FIRST, replace(LAST, thresholds=np.zeros((3, 1), np.int64)))),
     "'last' has thresholds of shape (3, 1), not (3, 7)"),
    (GRAPH.with_nodes((FIRST, replace(LAST, thresholds=np.tile(np.arange(7)[::-1], (3, 1))))),
     "'last' has thresholds out of order"),
    (GRAPH.with_nodes((replace(FIRST, falling=np.array([0, 1])), LAST)),
     "'first' needs one direction for each channel"),
    (GRAPH.with_nodes((replace(FIRST, output=replace(SIGNS, shape=(3,))), LAST)), "'first' changes the shape"),
])
def test_illegal(graph, message):
    with pytest.raises(ValueError, match="illegal integer graph") as error:
        verify(graph)
    assert str(error.value) == f"illegal integer graph: {message}"
