"""Every value has its exact interval, and a type as wide as its units need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gatewright.compiler import passes
from gatewright.compiler.float32 import SIGN, Chain, Uniform
from gatewright.compiler.ir import BIPOLAR, Dense, IntType, Requantise, Table, Window
from gatewright.compiler.passes import InferTypes
from gatewright.errors import UserError

ONE = Chain(np.array([1.0]))


def test_every_kind_of_node(net):
    """A bipolar image; sums of -2 to 2 with and without borders; codes; what moves keeps its type."""
    build = net((2, 2, 2), BIPOLAR)
    y = build.conv(build.value, np.ones((1, 1, 2, 2)), Window((1, 2), pads=(0, 0, 0, 1)))
    q = build.quantise(y, ONE, Uniform(np.array([1.0], dtype=np.float32), 0, 7))
    pooled = build.pool(q, "sum", Window((2, 2), pads=(1, 0, 0, 0)))
    largest = build.pool(q, "max", Window((2, 2)))
    moved = build.rearrange(build.value, (2, 2, 1), [0, 2, -1, 6])
    joined = build.concat([build.value, moved])
    total = build.add([q, moved], [3, -2])
    graph = InferTypes()(build.graph(build.matmul(joined, np.ones((1, joined.elements)))))
    found = {node.output.name: node.output for node in graph.nodes if not isinstance(node.output, str)}
    expected = {y: ("int4", -4, 4), q: ("uint3", 0, 7), pooled: ("uint5", 0, 28), largest: ("uint3", 0, 7),
                moved: ("int2", -1, 1), joined: ("int2", -1, 1), total: ("int6", -2, 23)}
    for value, (kind, lo, hi) in expected.items():
        assert (str(found[value.name].type), found[value.name].lo, found[value.name].hi) == (kind, lo, hi), value.name
    assert (graph.value(graph.output).lo, graph.value(graph.output).hi) == (-12, 12)


def test_constant_codes_narrow_what_follows(small):
    """Neurons that always fire give +1, so the next layer's sums are constants."""
    graph = passes.run(small)
    first, second, third = graph.nodes
    assert isinstance(second, Dense)
    always = replace(second, thresholds=np.array([[-3], [-3]]))
    graph = InferTypes()(graph.with_nodes([first, always, third]))
    assert (graph.value("h1").lo, graph.value("h1").hi) == (1, 1)
    assert (graph.value("out").lo, graph.value("out").hi) == (0, 2)
    assert graph.value("out").type == IntType(2)
    assert graph.nodes[2].accumulator == IntType(3, signed=True)  # -1 stands in it between +1 and the sum


def test_channels_have_intervals_of_their_own(net):
    """The second channel is -1 always, and a weight on it alone gives a constant."""
    build = net((2,), IntType(2))
    signs = build.quantise(build.value, ONE.then("sub", [1, 5]), SIGN)
    graph = passes.run(build.graph(build.matmul(signs, [[0, 3]])), passes.PIPELINE[:-1])
    out = InferTypes()(graph).value(graph.output)
    assert (out.lo, out.hi) == (-3, -3)


def test_codes_keep_a_type_for_all_their_steps(net):
    """Units check that; what is never reached is trimmed before."""
    build = net((1,), IntType(4))
    x = build.value
    table = Table("t", "x", replace(x, name="t", type=IntType(8), hi=255), np.arange(200, 216)[None], 0)
    scale = Requantise("s", "t", replace(x, name="s", type=IntType(8), hi=255), np.array([1]), np.array([0]), 3, 0, 100)
    graph = InferTypes()(replace(build.graph(x), nodes=(table, scale), output="s"))
    assert [str(node.output.type) for node in graph.nodes] == ["uint8", "uint7"]
    assert [(node.output.lo, node.output.hi) for node in graph.nodes] == [(200, 215), (25, 26)]


def test_sums_beyond_what_any_unit_adds(net):
    build = net((2,), IntType(30))
    product = build.matmul(build.value, np.ones((1, 2)))
    deep = build.graph(build.add([product, product], [1 << 32, 1]))
    with pytest.raises(UserError, match=r"^node 'add1': may add up to 9.22e\+18, more than 62 bits hold; use fewer"):
        InferTypes()(deep)
