"""Any graph that an importer may make means the same after every pass, on every integer."""

from __future__ import annotations

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gatewright.compiler import passes
from gatewright.compiler.execute import run_golden
from gatewright.errors import UserError


def origin_of_output(graph) -> str:
    return graph.value(graph.output).origin


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_every_pass_keeps_the_meaning(random_graph, interpret, seed, blocks):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, blocks)
    kind = graph.input.type
    codes = rng.choice([-1, 1], size=(5, graph.input.elements)) if kind.bipolar else (
        rng.integers(kind.lo, kind.hi + 1, size=(5, graph.input.elements)))
    expected = interpret(graph, codes)
    for each in passes.PIPELINE:
        try:
            after = passes.run(graph, [each])
        except UserError as error:  # codes of more than 8 bits, after scales that no multiplier can stand for
            event(f"refused by {type(each).__name__}")
            assert isinstance(each, passes.ReplaceThresholds), str(error)  # noqa: PT017
            return
        if [node.name for node in after.nodes] != [node.name for node in graph.nodes]:
            event(type(each).__name__)
        graph = after
        values = interpret(graph, codes)
        for value in [graph.input, *(node.output for node in graph.nodes)]:
            if not isinstance(value, str) and value.origin is not None:
                np.testing.assert_array_equal(values[value.name], expected[value.origin])
        np.testing.assert_array_equal(values[graph.output], expected[origin_of_output(graph)])
    for kind in {type(node).__name__ for node in graph.nodes}:
        event(kind)
    golden = run_golden(graph, codes)
    for name, integers in values.items():
        np.testing.assert_array_equal(golden[name], integers)
