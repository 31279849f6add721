"""Quantisers of quantised integers are composed, or are none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler import passes
from gatewright.compiler.float32 import Chain
from gatewright.compiler.ir import BIPOLAR, Add, Graph, InputSpec, IntType, Threshold, Value
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import MergeThresholds

X = Value("x", (2,), IntType(4), 0, 15)


def threshold(name, source, levels, falling=(False, False), base=0, kind=None) -> Threshold:
    levels = np.array(levels, dtype=np.int64)
    hi = base + levels.shape[1]
    output = Value(name, (2,), kind, -1, 1, name) if kind else (
        Value(name, (2,), IntType.spanning(base, hi), base, hi, name))
    return Threshold(name, source, output, levels, np.array(falling), base)


def graph(*nodes, output=None) -> Graph:
    return Graph("g", InputSpec(X.type, Fraction(1), (2,)), X, nodes, output or nodes[-1].output.name,
                 Chain(Fraction(1)))


def merged(*nodes, output=None) -> Graph:
    return passes.run(graph(*nodes, output=output), [MergeThresholds()])


def test_composed():
    after = merged(threshold("a", "x", [[3, 6, 9], [3, 6, 9]]), threshold("b", "a", [[1, 3], [2, 2]]))
    assert dump(after).splitlines()[2] == "  %b: uint2[2] in 0..2 = threshold b %x at [[3,9],[6,6]]"


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans())
def test_any_two(interpret, seed, first, second, sign, last):
    """Rising and falling, signs between and after: the same codes for every integer."""
    rng = np.random.default_rng(seed)

    def random(name, source, levels, lo, hi, kind):
        falling = rng.random(2) < 0.5
        steps = np.sort(rng.integers(lo - 1, hi + 2, size=(2, 1 if kind else levels)), axis=1)
        steps[falling] = steps[falling, ::-1]
        return threshold(name, source, steps, falling, 0 if kind else int(rng.integers(-3, 3)), kind)

    one = random("a", "x", first, 0, 15, BIPOLAR if sign else None)
    two = random("b", "a", second, one.output.lo, one.output.hi, BIPOLAR if last else None)
    codes = np.arange(16)[:, None].repeat(2, axis=1)
    before = graph(one, two)
    after = passes.run(before, [MergeThresholds()])
    assert len(after.nodes) < 2
    np.testing.assert_array_equal(interpret(after, codes)[after.output], interpret(before, codes)["b"])


def test_codes_that_something_else_reads_stay():
    total = Add("sum", ("a", "b"), Value("sum", (2,), IntType(3), 0, 5, "sum"), (1, 1))
    nodes = threshold("a", "x", [[3, 6, 9], [3, 6, 9]]), threshold("b", "a", [[1, 3], [2, 2]]), total
    assert dump(merged(*nodes)) == dump(graph(*nodes))


def test_codes_of_themselves():
    """Where every integer is its own code the node goes; what was called by its name is called by the source's."""
    nodes = (threshold("a", "x", [[5, 10], [4, 8]]), threshold("b", "a", [[1, 2], [1, 2]]),
             threshold("c", "a", [[1, 2], [1, 3]]),
             Add("sum", ("b", "c"), Value("sum", (2,), IntType(3), 0, 4, "sum"), (1, 1)))
    after = merged(*nodes)
    assert [node.name for node in after.nodes] == ["a", "c", "sum"]
    assert after.nodes[-1].inputs == ("a", "c")
    assert after.value("a").origin == "a"


def test_an_input_that_is_quantised_as_declared():
    after = merged(threshold("a", "x", [list(range(1, 16))] * 2), threshold("b", "x", [[4], [4]], kind=BIPOLAR),
                   output="a")
    assert (after.output, after.input.origin) == ("x", "a")
    assert [node.name for node in after.nodes] == ["b"]


@pytest.mark.parametrize("step", [0, 1])
def test_signs_of_signs(step):
    after = merged(threshold("a", "x", [[5], [4]], kind=BIPOLAR), threshold("b", "a", [[step], [step]], kind=BIPOLAR),
                   threshold("c", "a", [[0], [2]], kind=BIPOLAR),
                   Add("sum", ("b", "c"), Value("sum", (2,), IntType(3, True), -2, 2, "sum"), (1, 1)))
    assert [node.name for node in after.nodes] == ["a", "c", "sum"]
