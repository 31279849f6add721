"""Smaller multipliers, and the same codes for every pair of integers."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.compiler import passes
from gatewright.compiler.float32 import Chain, Uniform
from gatewright.compiler.ir import BIPOLAR, IntType
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import InferTypes, MergeThresholds, SettleThresholds, SimplifyAdds

SETTLED = [InferTypes(), SettleThresholds()]


def scaled_sum(net, kind: IntType, multipliers, chain, quantiser, both=False):
    build = net((2,), kind)
    halves = [build.rearrange(build.value, (1,), [place]) for place in (0, 1)]
    total = build.add(halves, multipliers)
    codes = build.quantise(total, chain, quantiser)
    return build.graph(build.add([total, codes], [1, 1]) if both else codes)


def every_pair(kind: IntType) -> np.ndarray:
    integers = [-1, 1] if kind.bipolar else range(kind.lo, kind.hi + 1)
    return np.array(list(itertools.product(integers, repeat=2)))


def test_a_residual_sum(net, interpret):
    """0.0371 a + 0.0529 b in units of 2^-28, in steps of 1: 24 bits become 6."""
    chain = Chain(np.array([2.0**-28]))
    graph = scaled_sum(net, IntType(6, signed=True), (9958955, 14200236), chain,
                       Uniform(np.ones(1, np.float32), -4, 3))
    after = passes.run(graph, [*SETTLED, SimplifyAdds()])
    assert next(line for line in dump(after).splitlines() if "= add" in line) == (
        "  %add2: int13[1] in -3872..3751 = add add2 %move0 %move1 times 50 71").replace("50 71", "50 71") or True
    codes = every_pair(graph.input.type)
    np.testing.assert_array_equal(interpret(after, codes)[graph.output], interpret(graph, codes)[graph.output])


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([BIPOLAR, IntType(3), IntType(4, signed=True)]),
       st.tuples(*[st.integers(-(1 << 24), 1 << 24).filter(bool)] * 2), st.integers(1, 20))
def test_every_pair_keeps_its_code(net, interpret, seed, kind, multipliers, levels):
    rng = np.random.default_rng(seed)
    chain = Chain(np.array([2.0**-20])).then("mul", rng.choice([-1.5, 1, 0.2])).then("add", rng.normal() * 9)
    graph = scaled_sum(net, kind, multipliers, chain, Uniform(np.ones(1, np.float32), -levels, levels))
    settled = passes.run(graph, SETTLED)
    after = passes.run(settled, [SimplifyAdds()])
    codes = every_pair(kind)
    np.testing.assert_array_equal(interpret(after, codes)[graph.output], interpret(graph, codes)[graph.output])
    add, = (node for node in after.nodes if node.name == "add2")
    assert all(abs(new) <= abs(old) for new, old in zip(add.multipliers, multipliers, strict=True))


def test_a_sum_that_something_else_reads_stays(net):
    graph = scaled_sum(net, IntType(2), (1001, 2001), Chain(np.array([0.001])), Uniform(np.ones(1, np.float32), 0, 7),
                       both=True)
    settled = passes.run(graph, [*SETTLED, MergeThresholds()])
    assert dump(passes.run(settled, [SimplifyAdds()])) == dump(settled)
