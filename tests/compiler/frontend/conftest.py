"""One question for every operator: does the integer graph compute what plain ``qonnx`` computes?

The models here have scales that are powers of two and few bits, so that every float32 sum is exact, in any order: both
sides must agree to the bit.
"""

from __future__ import annotations

import numpy as np
import pytest
from qonnx.core.onnx_exec import execute_onnx

from gatewright.compiler.frontend import import_proto
from gatewright.compiler.ir import Add, Concat, Pool, Quantise
from gatewright.compiler.ir_check import verify


def random_codes(graph, frames: int, seed: int) -> np.ndarray:
    kind = graph.spec.type
    if kind.bipolar:
        return np.random.default_rng(seed).choice([-1, 1], size=(frames, graph.input.elements))
    return np.random.default_rng(seed).integers(kind.lo, kind.hi + 1, size=(frames, graph.input.elements))


def check_tensor(value, integers: np.ndarray, floats: np.ndarray) -> None:
    """The tensor that the value must equal is its integers, times one positive scale for each channel."""
    integers = integers[value.origin_order]
    floats = floats.reshape(-1)
    assert integers.shape == floats.shape, value.name
    assert (np.sign(integers) == np.sign(floats)).all(), value.name
    channel = value.origin_order % value.channels
    for each in np.unique(channel):
        chosen = (channel == each) & (integers != 0)
        assert len(np.unique(floats[chosen].astype(np.float64) / integers[chosen])) <= 1, value.name


@pytest.fixture(scope="session")
def agrees(interpret, interpret_output):
    """Import a model and compare it with plain execution; gives the graph."""

    def check(net, input_type: str | None = "int4", *, frames: int = 4, seed: int = 0, low=-4.0, high=4.0, **options):
        imported = import_proto(net.model(), input_type=input_type, **options)
        graph = imported.graph
        verify(graph)
        if input_type is None:
            x = np.random.default_rng(seed).uniform(low, high, size=(frames, *graph.spec.shape)).astype(np.float32)
            codes = graph.spec.encode(x)
        else:
            codes = random_codes(graph, frames, seed)
            x = graph.spec.decode(codes)
        values = interpret(graph, codes)
        output = interpret_output(graph, codes)
        for frame in range(frames):
            context = execute_onnx(imported.model, {imported.model.graph.input[0].name: x[frame][None]},
                                   return_full_exec_context=True)
            expected = context[imported.model.graph.output[0].name]
            np.testing.assert_array_equal(output[frame], expected.reshape(-1))
            for node in graph.nodes:
                if isinstance(node, Add | Concat | Pool | Quantise) and node.output.origin is not None:
                    check_tensor(node.output, values[node.output.name][frame], context[node.output.origin])
        return graph

    return check
