"""Codes of more than 8 bits: a multiplication and a shift, a table, or thresholds that are stored after all."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.compiler import passes
from gatewright.compiler.float32 import SIGN, Chain, Uniform
from gatewright.compiler.ir import BIPOLAR, IntType, Requantise, Table, Threshold
from gatewright.compiler.passes import InferTypes, ReplaceThresholds, SettleThresholds, TrimThresholds
from gatewright.errors import UserError

BEFORE = [InferTypes(), SettleThresholds(), InferTypes(), TrimThresholds()]


def wide(net, bits: int, chain: Chain, levels: int = 1 << 10, step: float = 1.0):
    build = net((3,), IntType(bits, signed=True))
    quantiser = Uniform(np.array([step], dtype=np.float32), -levels // 2, levels // 2 - 1)
    return passes.run(build.graph(build.quantise(build.value, chain, quantiser)), BEFORE)


def replaced(graph, **options):
    node, = passes.run(graph, [ReplaceThresholds(**options)]).nodes
    return node


def test_a_power_of_two(net, interpret):
    """Exact at any width, with halves that round to even, also where channels fall."""
    graph = wide(net, 16, Chain(np.array([2.0**-5])).then("mul", [1, -1, 0.5]))
    node = replaced(graph)
    assert isinstance(node, Requantise)
    assert (node.shift, node.even) == (6, True)
    assert (node.multiplier > 0).tolist() == [True, False, True]
    codes = np.arange(-(1 << 15), 1 << 15)[:, None].repeat(3, axis=1)
    after = graph.with_nodes([node])
    np.testing.assert_array_equal(interpret(after, codes)[graph.output], interpret(graph, codes)[graph.output])


def test_constant_channels(net, interpret):
    graph = wide(net, 12, Chain(np.array([0.25])).then("mul", [1, 0, 0]).then("add", [0, 7, 1e6]))
    node = replaced(graph)
    assert isinstance(node, Requantise)
    codes = np.arange(-2048, 2048)[:, None].repeat(3, axis=1)
    np.testing.assert_array_equal(interpret(graph.with_nodes([node]), codes)[graph.output],
                                  interpret(graph, codes)[graph.output])


ROUNDED = Chain(np.array([0.1])).then("sub", 30000.0).then("div", 0.3).then("mul", [0.9, -0.7, 0.3])


def test_a_table_of_few_integers(net, interpret):
    """A tanh is no line."""
    graph = wide(net, 12, Chain(np.array([2.0**-10])).then("tanh"), step=2.0**-9)
    node = replaced(graph)
    assert isinstance(node, Table)
    codes = np.arange(-2048, 2048)[:, None].repeat(3, axis=1)
    np.testing.assert_array_equal(interpret(graph.with_nodes([node]), codes)[graph.output],
                                  interpret(graph, codes)[graph.output])


def test_stored_thresholds_and_too_many(net):
    graph = wide(net, 20, ROUNDED, step=100.0)
    assert isinstance(replaced(graph), Threshold)
    with pytest.raises(UserError) as error:
        replaced(graph, stored=100)
    assert str(error.value) == ("node 'q0': gives 1024 codes of integers from -524288 to 524287, which no "
                                "multiplication and shift of 47 bits does exactly; quantise to 8 bits or fewer, "
                                "or by a power of two without normalisation")


def test_few_levels_stay(net):
    assert isinstance(replaced(wide(net, 16, ROUNDED, levels=256)), Threshold)


def test_signs_are_looked_up(net):
    build = net((2,), BIPOLAR)
    graph = passes.run(build.graph(build.quantise(build.value, Chain(np.array([1.0])).then("mul", [1, -1]), SIGN)),
                       BEFORE)
    node = replaced(graph)
    assert (node.table[:, [0, 2]].tolist(), node.first) == ([[-1, 1], [1, -1]], -1)
