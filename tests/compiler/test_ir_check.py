"""An illegal graph is named where it is made."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gatewright.compiler.float32 import Chain, Uniform
from gatewright.compiler.ir import (
    BIPOLAR,
    Add,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Elementwise,
    Graph,
    InputSpec,
    IntType,
    MatMul,
    Pool,
    Quantise,
    Rearrange,
    Requantise,
    Table,
    Threshold,
    Value,
    Window,
)
from gatewright.compiler.ir_check import verify
from gatewright.compiler.ir_text import dump

PIXELS = Value("x", (2,), IntType(4), 0, 15)
SIGNS = Value("s", (2,), BIPOLAR, -1, 1)
OUT = Value("out", (3,), IntType(3, signed=True), -2, 2)
FIRST = Threshold("first", "x", SIGNS, np.array([[8], [4]]), np.array([False, True]))
LAST = Dense("last", "s", OUT, np.array([[1, 1], [1, -1], [-1, -1]]), BIPOLAR, IntType(3, signed=True))
GRAPH = Graph("g", InputSpec(IntType(4), Fraction(1), (2,)), PIXELS, (FIRST, LAST), "out", Chain(np.ones(1)))


def test_a_legal_graph():
    verify(GRAPH)
    verify(GRAPH.with_nodes((*GRAPH.nodes, ArgMax("top", "out", Value("c", (1,), IntType(2), 0, 2))), output="c"))


@pytest.mark.parametrize(("graph", "message"), [
    (replace(GRAPH, output="s2"), "'output' is 's2', which is no integer value"),
    (replace(GRAPH, final=Chain(np.ones(2))), "'output' has 2 constants for 3 channels"),
    (replace(GRAPH, order=np.array([0, 3])), "'output' has an order that leads beyond its 3 elements"),
    (replace(GRAPH, input=replace(PIXELS, hi=16)), "'input' has the interval [0, 16] in the type uint4"),
    (replace(GRAPH, input=replace(PIXELS, shape=(3,))), "'input' has another shape than the InputSpec says"),
    (replace(GRAPH, input=replace(PIXELS, shape=(1, 2))), "'input' has the shape (1, 2)"),
    (replace(GRAPH, input=replace(PIXELS, type=IntType(5))), "'input' has another type than the InputSpec says"),
    (replace(GRAPH, input=replace(PIXELS, order=np.array([0.0]))), "'input' has an order, not an int64 vector"),
    (GRAPH.with_nodes((LAST, FIRST)), "'last' reads 's', which is not defined before it"),
    (GRAPH.with_nodes((FIRST, replace(FIRST, output=replace(SIGNS, name="t")))), "'first' is the name of two nodes"),
    (GRAPH.with_nodes((FIRST, replace(FIRST, name="again"))), "'again' defines a name again"),
    (GRAPH.with_nodes((FIRST, replace(LAST, weights=LAST.weights.astype(np.float64)))),
     "'last' has weights, not an int64 matrix"),
    (GRAPH.with_nodes((FIRST, replace(LAST, weights=LAST.weights[:2]))),
     "'last' has weights of shape (2, 2) from (2,) to (3,)"),
    (GRAPH.with_nodes((FIRST, replace(LAST, weights=LAST.weights * 2))), "'last' has weights that are not bipolar"),
    (GRAPH.with_nodes((FIRST, replace(LAST, accumulator=IntType(2, True)))),
     "'last' gives [-2, 2], more than its accumulator of int2 holds"),
    (GRAPH.with_nodes((FIRST, replace(LAST, groups=2))), "'last' has groups without a window"),
    (GRAPH.with_nodes((FIRST, replace(LAST, thresholds=np.zeros((3, 8), np.int64)))),
     "'last' counts from 0 to 8 in the type int3"),
    (GRAPH.with_nodes((FIRST, replace(LAST, thresholds=np.tile(np.arange(7)[::-1], (3, 1)), base=-4))),
     "'last' has thresholds out of order"),
    (GRAPH.with_nodes((replace(FIRST, falling=np.array([0, 1])), LAST)),
     "'first' needs one direction for each channel"),
    (GRAPH.with_nodes((replace(FIRST, thresholds=np.array([[1, 2], [2, 1]])), LAST)),
     "'first' gives signs by 2 thresholds and the base 0"),
    (GRAPH.with_nodes((replace(FIRST, output=replace(SIGNS, shape=(3,))), LAST)), "'first' changes the shape"),
])
def test_illegal(graph, message):
    with pytest.raises(ValueError, match="illegal integer graph") as error:
        verify(graph)
    assert str(error.value) == f"illegal integer graph: {message}"


# Each kind of node once, on an image of 3 x 2 pixels and four channels.
IMAGE = Value("i", (3, 2, 4), IntType(3, signed=True), -4, 3)


def value(name: str, shape, kind: IntType) -> Value:
    return Value(name, shape, kind, kind.lo, kind.hi)


CONV = Conv("conv", "i", value("a", (2, 2, 6), IntType(8, True)), np.ones((6, 2, 1, 2), np.int64), IntType(1),
            Window((2, 1)), 2)
DENSE = Dense("dense", "i", value("b", (2, 2, 6), IntType(8, True)), np.ones((6, 4), np.int64), IntType(1),
              IntType(8, True), window=Window((2, 1)), groups=2)
POOL = Pool("pool", "i", value("c", (3, 1, 4), IMAGE.type), "max", Window((2, 2), pads=(1, 0, 0, 0)))
EXPRESSION = Elementwise("expr", "i", "f", Chain(np.ones(1)).then("add", [1, 2, 3, 4]))
QUANTISE = Quantise("quantise", "f", value("d", (3, 2, 4), IntType(2)), Uniform(np.ones(1, np.float32), 0, 3))
SCALE = Requantise("scale", "i", value("e", (3, 2, 4), IntType(8)), np.ones(4, np.int64), np.ones(4, np.int64), 3, 0,
                   200)
TABLE = Table("table", "i", value("t", (3, 2, 4), IntType(4)), np.arange(8)[None], -4)
ADD = Add("add", ("i", "e"), value("g", (3, 2, 4), IntType(12, True)), (3, -1))
CONCAT = Concat("concat", ("i", "e", "t"), value("h", (3, 2, 12), IntType(9, True)))
MOVE = Rearrange("move", "i", value("j", (5,), IMAGE.type), np.array([0, 5, -1, 23, 23]), "slice")
PRODUCT = MatMul("product", "j", value("k", (2,), IntType(9, True)), np.ones((2, 5), np.int64), IntType(1))
NODES = (CONV, DENSE, POOL, EXPRESSION, QUANTISE, SCALE, TABLE, ADD, CONCAT, MOVE, PRODUCT)
ALL = Graph("all", InputSpec(IMAGE.type, Fraction(1), (4, 3, 2)), IMAGE, NODES, "k", Chain(np.ones(1)),
            host=("softmax",))


def test_all_nodes_as_text():
    verify(ALL)
    assert dump(ALL) == """\
graph all
  %i: int3[3x2x4] in -4..3 = input, scale 1
  %a: int8[2x2x6] in -128..127 = conv conv %i weights uint1 <6x2x1x2 d335b3bc>, kernel 2x1 groups 2
  %b: int8[2x2x6] in -128..127 = dense dense %i weights uint1 <6x4 d335b3bc>, kernel 2x1 groups 2, accumulator int8
  %c: int3[3x1x4] in -4..3 = pool pool %i max, kernel 2x2 pads 1,0,0,0
  %f: float32 = elementwise expr %i *1.0 add [1.0,2.0,3.0,4.0]
  %d: uint2[3x2x4] in 0..3 = quantise quantise %f round /1.0 to 0..3
  %e: uint8[3x2x4] in 0..255 = requantise scale %i *[1,1,1,1] +[1,1,1,1] >>3, clipped to 0..200
  %t: uint4[3x2x4] in 0..15 = table table %i [[0,1,2,3,4,5,6,7]] from -4
  %g: int12[3x2x4] in -2048..2047 = add add %i %e times 3 -1
  %h: int9[3x2x12] in -256..255 = concat concat %i %e %t
  %j: int3[5] in -4..3 = rearrange move %i slice [0,5,-1,23,23]
  %k: int9[2] in -256..255 = matmul product %j weights uint1 [[1,1,1,1,1],[1,1,1,1,1]]
  return %k, final *1.0, host softmax
"""


@pytest.mark.parametrize(("old", "new", "message"), [
    (CONV, {"weights": CONV.weights[:, 0]}, "'conv' has weights, not an int64 array of four axes"),
    (CONV, {"window": Window((1, 2))}, "'conv' has weights of shape (6, 2, 1, 2) for a kernel of (1, 2)"),
    (CONV, {"window": Window((4, 1))}, "'conv' moves a window of (4, 1) over (3, 2, 4), where it does not fit"),
    (CONV, {"window": Window((2, 1), pads=(-1, 0, 0, 0))},
     "'conv' has the window Window(kernel=(2, 1), stride=(1, 1), pads=(-1, 0, 0, 0), dilation=(1, 1), insert=(1, 1))"),
    (CONV, {"groups": 3}, "'conv' has 3 groups from 4 to 6 channels"),
    (CONV, {"groups": 1}, "'conv' has weights of shape (6, 2, 1, 2) from (3, 2, 4) to (2, 2, 6)"),
    (DENSE, {"groups": 1}, "'dense' has weights of shape (6, 4) from (3, 2, 4) to (2, 2, 6)"),
    (DENSE, {"window": Window((2, 1), (2, 1))}, "'dense' has weights of shape (6, 4) from (3, 2, 4) to (2, 2, 6)"),
    (POOL, {"kind": "mean"}, "'pool' pools by 'mean'"),
    (POOL, {"window": Window((2, 2))}, "'pool' gives (3, 1, 4), not (2, 1, 4)"),
    (POOL, {"window": Window((1, 2), pads=(1, 0, 0, 0)), "output": value("c", (4, 1, 4), IMAGE.type)},
     "'pool' looks for the largest of padding alone"),
    (EXPRESSION, {"chain": Chain(np.ones(3))}, "'expr' has 3 constants for 4 channels"),
    (QUANTISE, {"input": "i"}, "'quantise' reads 'i', which is no float32 value"),
    (QUANTISE, {"quantiser": Uniform(np.ones(1), -1, 3)}, "'quantise' gives codes from -1 to 3 in the type uint2"),
    (SCALE, {"offset": np.ones(3, np.int64)}, "'scale' has an offset for 3 channels, not 4"),
    (SCALE, {"shift": 48}, "'scale' shifts by 48 bits, not 0 to 47"),
    (SCALE, {"shift": 0, "even": True}, "'scale' rounds halves to even without any"),
    (SCALE, {"hi": 256}, "'scale' clips to [0, 256] in the type uint8"),
    (TABLE, {"table": TABLE.table.repeat(2, axis=0)}, "'table' has 2 tables for 4 channels"),
    (TABLE, {"first": -3}, "'table' has entries from -3 to 4 for [-4, 3]"),
    (TABLE, {"table": TABLE.table + 9}, "'table' has entries that are not uint4"),
    (ADD, {"multipliers": (1,)}, "'add' has 1 multipliers for 2 inputs"),
    (ADD, {"inputs": ("i", "c")}, "'add' changes the shape"),
    (CONCAT, {"inputs": ("i", "e")}, "'concat' joins (3, 2, 4), (3, 2, 4) to (3, 2, 12)"),
    (MOVE, {"index": np.array([0, 5, -1, 23, 24])}, "'move' has an index that does not lead from (3, 2, 4) to (5,)"),
    (MOVE, {"output": value("j", (5,), BIPOLAR)}, "'move' puts zeros among signs"),
    (PRODUCT, {"input": "i"}, "'product' has weights of shape (2, 5) from (3, 2, 4) to (2,)"),
])
def test_illegal_nodes(old, new, message):
    with pytest.raises(ValueError, match="illegal integer graph") as error:
        verify(ALL.with_nodes(replace(old, **new) if node is old else node for node in NODES))
    assert str(error.value) == f"illegal integer graph: {message}"


def test_the_largest_of_a_vector_only():
    top = ArgMax("top", "i", Value("c", (1,), IntType(5), 0, 23))
    with pytest.raises(ValueError, match="'top' looks for the largest channel of 6 pixels"):
        verify(replace(ALL, nodes=(top,), output="c"))
