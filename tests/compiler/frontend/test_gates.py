"""Two expressions of one quantised tensor, put together element by element, are one expression of it."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.compiler import passes
from gatewright.compiler.execute import run_golden
from gatewright.compiler.float32 import Fork
from gatewright.compiler.frontend import import_proto
from gatewright.compiler.ir import Add, Dense, Table, Threshold
from gatewright.compiler.reference import explain, run_exact, run_plain
from gatewright.errors import UserError

C = np.float32


def silu(net):
    x = net.last
    return net.node("Sigmoid").node("Mul", x, ...)


def hard_swish(net):
    x = net.last
    return net.node("HardSigmoid", alpha=1 / 6, beta=0.5).node("Mul", x, ...)


def hard_swish_of_relu6(net):
    x = net.last
    return net.node("Add", ..., C(3)).node("Clip", ..., C(0), C(6)).node("Mul", x, ...).node("Div", ..., C(6))


def gelu(net):
    """As PyTorch exports it below opset 20."""
    x = net.last
    net.node("Div", ..., C(2**0.5)).node("Erf").node("Add", ..., C(1))
    return net.node("Mul", x, ...).node("Mul", ..., C(0.5))


def gelu_halved_first(net):
    x = net.last
    half = net.node("Mul", ..., C(0.5)).last
    net.at(x).node("Mul", ..., C(0.5**0.5)).node("Erf").node("Add", ..., C(1))
    return net.node("Mul", half, ...)


def gelu_tanh(net):
    x = net.last
    net.node("Pow", ..., C(3)).node("Mul", ..., C(0.044715)).node("Add", x, ...)
    net.node("Mul", ..., C((2 / np.pi) ** 0.5)).node("Tanh").node("Add", ..., C(1))
    right = net.last
    return net.at(x).node("Mul", ..., C(0.5)).node("Mul", ..., right)


def gelu_tanh_of_products(net):
    x = net.last
    net.node("Mul", x, x).node("Mul", ..., x).node("Mul", ..., C(0.044715)).node("Add", x, ...)
    net.node("Mul", ..., C((2 / np.pi) ** 0.5)).node("Tanh").node("Add", ..., C(1)).node("Mul", ..., x)
    return net.node("Mul", ..., C(0.5))


def mish(net):
    x = net.last
    return net.node("Softplus").node("Tanh").node("Mul", x, ...)


def tanh_shrink(net):
    x = net.last
    return net.node("Tanh").node("Sub", x, ...)


def square(net):
    return net.node("Mul", net.last, net.last)


def quotient(net):
    x = net.last
    return net.node("Abs").node("Add", ..., C(1)).node("Div", x, ...)


def larger_of_two(net):
    x = net.last
    return net.node("Tanh").node("Max", x, ...)


def gate_of_a_gate(net):
    return silu(silu(net))


GATES = [silu, hard_swish, hard_swish_of_relu6, gelu, gelu_halved_first, gelu_tanh, gelu_tanh_of_products, mish,
         tanh_shrink, square, quotient, larger_of_two, gate_of_a_gate]
RISING = (tanh_shrink, quotient, larger_of_two)
"""Gates that never fall: these become thresholds."""


def small(*shape):
    return np.random.default_rng(3).integers(-3, 4, size=shape)


@pytest.fixture(scope="module")
def equal(interpret_output):
    """Exact run = imported graph, compiled, layer by layer; plain qonnx parts from it by ties alone. Gives all three.
    """

    def check(net, input_type=None):
        imported = import_proto(net.model(), input_type=input_type)
        graph, spec = imported.graph, imported.graph.spec
        codes = np.random.default_rng(0).integers(spec.type.lo, spec.type.hi + 1, size=(40, graph.input.elements))
        exact = run_exact(imported.model, codes[:, spec.order], spec)
        plain = run_plain(imported.model, codes[:, spec.order], spec)
        explain(exact, plain.codes, plain.output)
        compiled = passes.run(graph)
        golden = run_golden(compiled, codes)
        compared = 0
        for value in (node.output for node in compiled.nodes):
            if value.origin is not None:
                np.testing.assert_array_equal(golden[value.name][:, value.origin_order], exact.integers(value.origin))
                compared += 1
        np.testing.assert_array_equal(interpret_output(graph, codes), exact.output)
        return graph, compiled, compared

    return check


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_of_codes_is_a_table(builder, equal, gate):
    net = builder((1, 5), opset=14).quantise(0.25, 6)
    _, compiled, compared = equal(gate(net).quantise(0.11, 5).gemm(small(3, 5), bits=4))
    assert [type(node) for node in compiled.nodes][1:] == [Dense]
    assert isinstance(compiled.nodes[0], Table | Threshold)
    assert compared == 2


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_of_accumulators_with_a_bias_and_norm_for_each_channel(builder, equal, gate):
    net = builder((1, 3, 4, 4), opset=14).quantise(0.5, 3).conv(small(4, 3, 2, 2), 0.05, [0.1, -0.3, 0.2, 0])
    net.norm([1.5, -0.7, 0.2, 1], [0, 0.1, 0.2, 0.3], [0.1, 0, 0, 0], [1, 2, 0.5, 1])
    graph, compiled, _ = equal(gate(net).quantise(0.07, 4).conv(small(2, 4, 1, 1), bits=4))
    assert any(isinstance(each, Fork) for each in graph.nodes[1].chain.operations)
    tables = [node.table for node in compiled.nodes if isinstance(node, Table)]
    assert [len(table) for table in tables] == ([] if gate in RISING else [4])


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_before_the_first_quantiser_is_the_hosts(builder, gate):
    net = gate(builder((1, 5), opset=14)).quantise(0.1, 6).gemm(small(3, 5), bits=4)
    imported = import_proto(net.model())
    x = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    spec = imported.graph.spec
    exact = run_exact(imported.model, x, spec)
    np.testing.assert_array_equal(spec.encode(x), exact.codes[imported.graph.input.origin])
    plain = run_plain(imported.model, x, spec)
    explain(exact, plain.codes, plain.output)


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_at_the_end_is_the_hosts(builder, equal, gate):
    graph, _, _ = equal(gate(builder((1, 5), opset=14).quantise(0.25, 6).gemm(small(3, 5), 0.1, bits=4)))
    assert isinstance(graph.final.operations[0], Fork) or graph.final.size > 1


@pytest.mark.parametrize("rounding", ["ROUND", "FLOOR", "CEIL"])
def test_a_gate_that_is_quantised_itself(builder, equal, rounding):
    """As Brevitas' QuantSigmoid makes it: its codes are integers of the same integers."""
    net = builder((1, 3, 2, 2)).quantise(0.5, 3).conv(small(4, 3, 1, 1), 0.05, [0.1, -0.3, 0.2, 0]).quantise(0.1, 7)
    x = net.last
    scales = np.float32([0.1, 0.2, 0.05, 0.3]).reshape(1, 4, 1, 1)
    net.node("Sigmoid").quantise(scales, 5, signed=False, rounding=rounding).node("Mul", x, ...)
    graph, _, _ = equal(net.quantise(0.07, 5).conv(small(2, 4, 1, 1), bits=4))
    assert [type(node).__name__ for node in graph.nodes] == ["Conv", *["Elementwise", "Quantise"] * 2, "Conv"]


def test_two_gates_that_are_quantised_themselves(builder, equal):
    net = builder((1, 6)).quantise(0.25, 6)
    x = net.last
    left = net.node("Tanh").quantise(0.03, 6).last
    net.at(x).node("Sigmoid").quantise(0.05, 5, signed=False).node("Relu").node("Mul", ..., left)
    graph, _, _ = equal(net.quantise(0.1, 5).gemm(small(2, 6), bits=4))
    assert [type(node).__name__ for node in graph.nodes] == ["Elementwise", "Quantise", "MatMul"]


def test_codes_that_a_gate_leaves_go_into_layers(builder, equal):
    """A square of codes is codes still; the layer behind it needs no quantiser."""
    graph, _, _ = equal(square(builder((1, 5)).quantise(0.5, 4)).gemm(small(3, 5), bits=4))
    assert graph.nodes[1].output.type.bits == 7
    np.testing.assert_array_equal(graph.final.scale, [0.25])


def test_gates_side_by_side(builder, equal):
    """Channels of the same expressions with other constants, through a Concat, keep theirs."""
    net = builder((1, 3, 2, 2)).quantise(0.5, 3)
    x = net.last
    left = silu(net.conv(small(2, 3, 1, 1), 0.05, [0.1, -0.3])).last
    right = silu(net.at(x).conv(small(1, 3, 1, 1), 0.1, [0.7])).last
    equal(net.node("Concat", left, right, axis=1).quantise(0.07, 4).conv(small(2, 3, 1, 1), bits=4))


def test_a_gate_of_moved_elements(builder, equal):
    net = builder((1, 4, 3, 3)).quantise(0.25, 5)
    x = net.node("Slice", ..., np.array([1]), np.array([3]), np.array([1])).node("Transpose", perm=[0, 1, 3, 2]).last
    equal(net.node("Sigmoid").node("Mul", x, ...).quantise(0.1, 4).conv(small(2, 2, 1, 1), bits=4))


def test_sums_of_codes_stay_sums_of_integers(builder, equal):
    """What is integers times a scale is added exactly, also where both come of one tensor."""
    net = builder((1, 5)).quantise(0.3, 4)
    x = net.last
    graph, _, _ = equal(net.node("Relu").node("Add", x, ...).gemm(small(3, 5), bits=4))
    assert any(isinstance(node, Add) for node in graph.nodes)


@pytest.mark.parametrize(("op", "kind"), [("Max", "max"), ("Min", "min")])
def test_the_larger_of_data_and_constants_is_a_clip(builder, equal, op, kind):
    net = builder((1, 3, 2, 2)).quantise(0.5, 3).conv(small(3, 3, 1, 1), 0.25, [0.5, 0, 1])
    bounds = np.float32([0.5, -0.25, 0]).reshape(3, 1, 1)
    net.node(op, bounds, ..., C(0.25) if kind == "min" else C(-0.25)).quantise(0.25, 4)
    graph, _, _ = equal(net.conv(small(2, 3, 1, 1), bits=4))
    assert [o.kind for o in graph.nodes[1].chain.operations] == ["add", kind, kind]


@pytest.mark.parametrize(("op", "attributes"), [
    ("Softplus", {}), ("Softsign", {}), ("Selu", {}), ("Selu", {"alpha": 1.5, "gamma": 0.75}), ("Celu", {}),
    ("Celu", {"alpha": 0.5}), ("Gelu", {}), ("Gelu", {"approximate": "tanh"}), ("HardSwish", {}), ("Mish", {}),
])
def test_activations_with_a_node_of_their_own(builder, equal, op, attributes):
    net = builder((1, 5), opset=20).quantise(0.25, 5).gemm(small(4, 5), 0.1, [0.1, 0.2, -0.3, 0], bits=4)
    equal(net.node(op, **attributes).quantise(0.07, 5).gemm(small(3, 4), bits=4))


def refused(net, message):
    with pytest.raises(UserError) as caught:
        passes.run(import_proto(net.model()).graph)
    assert str(caught.value) == message


def test_a_table_has_a_limit(builder):
    net = silu(builder((1, 8)).quantise(1.0, 8).gemm(np.full((4, 8), 100), bits=8)).quantise(1.0, 4)
    refused(net, "node 'Quant_5' (Quant): follows 'Mul_4', which is not monotone, on integers from -102400 to 101600; "
            "a table may have 4096 entries; put a quantiser of at most 12 bits before the activation, or use Relu")


def test_a_gate_of_two_tensors(builder):
    net = builder((1, 5)).quantise(1.0, 4)
    x = net.last
    refused(net.gemm(small(5, 5), bits=4).node("Sigmoid").node("Div", x, ...),
            "node 'Div_4' (Div): divides two branches of the network; supported are a constant on one side, or two "
            "functions of the same integers, element by element; replace the gate by an addition or a constant")


def test_what_doubles_with_every_node(builder):
    net = builder((1, 5)).quantise(1.0, 4)
    left = right = net.last
    for _ in range(12):
        left, right = net.node("Mul", left, right).last, net.node("Max", left, right).last
    refused(net.gemm(small(3, 5), bits=4),
            "node 'Mul_19' (Mul): makes an expression of 1023 operations; at most 1000 are supported; put a quantiser "
            "in between")


def test_a_quotient_that_leaves_float32(builder):
    net = builder((1, 5)).quantise(1.0, 4)
    refused(net.node("Div", net.last, net.last).quantise(1.0, 4), "node 'Div_1': leaves the range of float32 for the "
            "accumulator 0; check the scales and the normalisation before the quantiser")


def test_extremes_of_several_streams(builder):
    net = builder((1, 5)).quantise(1.0, 4)
    x = net.last
    refused(net.node("Max", x, x, C(1)), "node 'Max_1' (Max): compares 2 streams of data and 1 constants; supported "
            "are one of data and any number of constants, or two of data; write it as several nodes")
