"""Every kind of node that the hardware has, executed by the golden operators."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gatewright.compiler import execute
from gatewright.compiler.execute import run_golden
from gatewright.compiler.float32 import Chain
from gatewright.compiler.ir import (
    BIPOLAR,
    Add,
    ArgMax,
    Concat,
    Dense,
    Graph,
    InputSpec,
    IntType,
    MatMul,
    Pool,
    Rearrange,
    Requantise,
    Table,
    Threshold,
    Value,
    Window,
)


def value(name: str, shape, lo: int, hi: int) -> Value:
    return Value(name, shape, IntType.spanning(lo, hi), lo, hi)


def int64(rows) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


@pytest.fixture
def graph() -> Graph:
    """An image of 2 x 2 pixels and two channels through every node once."""
    signs = Value("signs", (2, 2, 2), BIPOLAR, -1, 1)
    sums = int64([[[[1, 0]], [[-1, 2]]]])  # pixel[0] - below[0] + 2 below[1]
    nodes = (
        Threshold("sign", "x", signs, int64([[1], [2]]), np.array([False, True])),
        Dense("conv", "x", value("conv", (1, 2, 1), -3, 9), sums.reshape(1, -1), IntType(3, True), IntType(6, True),
              window=Window((2, 1))),
        Dense("steps", "x", value("steps", (2, 2, 2), -1, 1), int64([[1], [1]]), IntType(1), IntType(2),
              int64([[1, 2], [2, 3]]), Window((1, 1)), groups=2, base=-1),
        Pool("max", "x", value("max", (1, 1, 2), 0, 3), "max", Window((2, 2))),
        Pool("sum", "x", value("sum", (3, 3, 2), 0, 12), "sum", Window((2, 2), pads=(1, 1, 1, 1))),
        Add("add", ("x", "steps"), value("add", (2, 2, 2), -4, 10), (3, -1)),
        Concat("concat", ("x", "signs"), value("concat", (2, 2, 4), -1, 3)),
        Rearrange("slice", "concat", value("slice", (2, 3), -1, 3), int64([2, 3, -1, 14, 15, 0]), "slice"),
        Requantise("scale", "slice", value("scale", (2, 3), -1, 5), int64([3, 3, -3]), int64([1, 0, 0]), 1, -1, 5),
        Table("square", "scale", value("square", (2, 3), 0, 25), int64([[1, 0, 1, 4, 9, 16, 25]]), -1),
        ArgMax("top", "square", value("top", (1,), 0, 5)),
    )
    return Graph("all", InputSpec(IntType(2), Fraction(1), (2, 2, 2)), value("x", (2, 2, 2), 0, 3), nodes, "top",
                 Chain(Fraction(1)))


def test_every_node(graph):
    got = run_golden(graph, int64([[0, 1, 2, 3, 3, 2, 1, 0]]))
    assert {name: array[0].tolist() for name, array in got.items()} == {
        "x": [0, 1, 2, 3, 3, 2, 1, 0],
        "signs": [-1, 1, 1, -1, 1, 1, 1, 1],
        "conv": [0 - 3 + 4, 2 - 1 + 0],
        "steps": [-1, -1, 1, 1, 1, 0, 0, -1],
        "max": [3, 3],
        "sum": [0, 1, 2, 4, 2, 3, 3, 3, 6, 6, 3, 3, 3, 2, 4, 2, 1, 0],
        "add": [1, 4, 5, 8, 8, 6, 3, 1],
        "concat": [0, 1, -1, 1, 2, 3, 1, -1, 3, 2, 1, 1, 1, 0, 1, 1],
        "slice": [-1, 1, 0, 1, 1, 0],
        "scale": [-1, 1, 0, 2, 1, 0],
        "square": [1, 1, 0, 4, 1, 0],
        "top": [3],
    }


def test_frames_go_in_blocks(graph, monkeypatch):
    codes = np.random.default_rng(0).integers(0, 4, size=(9, 8))
    whole = run_golden(graph, codes)
    monkeypatch.setattr(execute, "_BLOCK_ELEMENTS", 40)
    parts = run_golden(graph, codes)
    assert list(parts) == list(whole)
    for name, array in parts.items():
        np.testing.assert_array_equal(array, whole[name])
    assert {len(array) for array in run_golden(graph, codes[:0]).values()} == {0}


def test_what_cannot_be_executed(graph):
    with pytest.raises(ValueError, match=r"^codes must be \[frames, 8\] of uint2, not \(1, 7\)$"):
        run_golden(graph, np.zeros((1, 7), dtype=np.int64))
    with pytest.raises(ValueError, match=r"^codes must be \[frames, 8\] of uint2, not \(1, 8\)$"):
        run_golden(graph, np.full((1, 8), 4))
    product = MatMul("fc", "x", value("y", (1,), 0, 24), np.ones((1, 8), dtype=np.int64), IntType(1))
    with pytest.raises(ValueError, match=r"^node 'fc' is not one that the hardware has$"):
        run_golden(graph.with_nodes([product]), np.zeros((1, 8), dtype=np.int64))
