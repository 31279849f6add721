"""A graph small enough to read, before any pass."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gatewright.compiler.float32 import Chain
from gatewright.compiler.ir import BIPOLAR, Elementwise, Graph, InputSpec, IntType, MatMul, Quantise, Value


def int64(rows) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


@pytest.fixture
def small() -> Graph:
    """Three bytes to bipolar, a layer of two neurons (the second falls), a layer of two whose sums go out."""
    pixels = Value("x", (3,), IntType(8), 0, 255)
    h0 = Value("h0", (3,), BIPOLAR, -1, 1, "h0")
    acc = Value("acc", (2,), IntType(3, signed=True), -3, 3, "acc")
    h1 = Value("h1", (2,), BIPOLAR, -1, 1, "h1")
    out = Value("out", (2,), IntType(3, signed=True), -2, 2, "out")
    one = np.array([1.0])
    return Graph("small", InputSpec(IntType(8), Fraction(1, 255), (3,)), pixels, (
        Elementwise("sub", "x", "h0f", Chain(Fraction(1, 255)).then("sub", [0.5, 0.25, 2])),
        Quantise("q0", "h0f", h0),
        MatMul("fc0", "h0", acc, int64([[1, -1, 1], [1, 1, 1]]), BIPOLAR),
        Elementwise("bn", "acc", "h1f", Chain(0.5 * one).then("mul", [1, -1]).then("add", [-0.25, 0.75])),
        Quantise("q1", "h1f", h1),
        MatMul("fc1", "h1", out, int64([[1, 1], [-1, 1]]), BIPOLAR),
    ), "out", Chain(one).then("mul", 0.125))
