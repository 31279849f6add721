"""Any graph that an importer may make means the same after every pass, on every integer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gatewright.compiler import passes
from gatewright.compiler.execute import run_golden
from gatewright.compiler.ir import Dense, Table, Threshold
from gatewright.errors import UserError


def origin_of_output(graph) -> str:
    return graph.value(graph.output).origin


def random_codes(rng, graph):
    kind = graph.input.type
    return rng.choice([-1, 1], size=(5, graph.input.elements)) if kind.bipolar else (
        rng.integers(kind.lo, kind.hi + 1, size=(5, graph.input.elements)))


@pytest.mark.parametrize("pipeline", ["PIPELINE", "LOADABLE"])
@settings(max_examples=120)
@given(seed=st.integers(0, 2**32 - 1), blocks=st.integers(1, 6))
def test_every_pass_keeps_the_meaning(random_graph, interpret, pipeline, seed, blocks):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, blocks)
    codes = random_codes(rng, graph)
    expected = interpret(graph, codes)
    for each in getattr(passes, pipeline):
        try:
            after = passes.run(graph, [each])
        except UserError as error:  # codes of more than 8 bits, after scales that no multiplier can stand for
            event(f"refused by {type(each).__name__}")
            wide = pipeline == "LOADABLE" and isinstance(each, passes.SettleThresholds)  # too wide for a table
            assert wide or isinstance(each, passes.ReplaceThresholds), str(error)  # noqa: PT017
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


def retrained(rng, node):
    """The node as another training may leave it."""
    if isinstance(node, Dense):
        least, greatest = node.declared or (node.weight_type.lo, node.weight_type.hi)
        weights = rng.integers(least, greatest + 1, size=node.weights.shape)
        weights = np.where(weights == 0, 1, weights) if node.weight_type.bipolar else weights
        steps = None if node.thresholds is None else np.sort(rng.integers(-40, 40, node.thresholds.shape), axis=1)
        return replace(node, weights=weights, thresholds=steps)
    if isinstance(node, Threshold):
        steps = np.sort(rng.integers(-40, 40, node.thresholds.shape), axis=1)
        falling = rng.random(len(steps)) < 0.5
        return replace(node, thresholds=np.where(falling[:, None], steps[:, ::-1], steps), falling=falling)
    if isinstance(node, Table):
        lo, hi = node.output.lo, node.output.hi
        table = rng.integers(lo, hi + 1, size=node.table.shape)
        return replace(node, table=np.where(table == 0, 1, table) if node.output.type.bipolar else table)
    return node


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_what_is_built_for_loading_holds_whatever_is_loaded(random_graph, interpret, seed, blocks):
    """The interpreter refuses an integer that is beyond its value's interval or type."""
    rng = np.random.default_rng(seed)
    try:
        graph = passes.run(random_graph(rng, blocks), passes.LOADABLE)
    except UserError:
        return
    for _ in range(3):
        other = graph.with_nodes(retrained(rng, node) for node in graph.nodes)
        assert passes.InferTypes(loadable=True)(other).nodes[-1].output == graph.nodes[-1].output
        interpret(other, random_codes(rng, graph))
