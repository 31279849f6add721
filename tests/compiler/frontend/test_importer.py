"""One network in the many spellings of QONNX is one integer graph."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from onnx import TensorProto, helper
from qonnx.core.onnx_exec import execute_onnx

from gatewright.compiler import passes
from gatewright.compiler.frontend import import_model, import_proto, parse_type
from gatewright.compiler.ir import BIPOLAR, Elementwise, IntType, MatMul, Quantise
from gatewright.compiler.ir_text import dump
from gatewright.compiler.reference import run_exact
from gatewright.errors import UserError

RNG = np.random.default_rng(2)
LATENT = [RNG.normal(size=(6, 8)), RNG.normal(size=(4, 6))]
NORM = [RNG.normal(size=6), RNG.normal(size=6), RNG.normal(size=6), RNG.uniform(0.1, 2, size=6)]


def two_layers(net, quant_first=True):
    if quant_first:
        net.sign()
    return net.gemm(LATENT[0], 0.1).norm(*NORM).sign(0.5).gemm(LATENT[1], 0.25)


def text(model, **options) -> str:
    return dump(import_proto(model, **options).graph)


def test_the_graph_of_two_layers(builder):
    graph = import_proto(two_layers(builder()).model(), name="net").graph
    assert [type(node) for node in graph.nodes] == [MatMul, Elementwise, Quantise, MatMul]
    assert [node.name for node in graph.nodes] == ["Gemm_2", "BatchNormalization_3", "BipolarQuant_4", "Gemm_6"]
    first, expression, quantiser, last = graph.nodes
    np.testing.assert_array_equal(first.weights, np.where(LATENT[0] >= 0, 1, -1))
    assert first.output.origin == "t2"
    assert (first.output.lo, first.output.hi) == (-8, 8)
    assert [o.kind for o in expression.chain.operations] == ["sub", "div", "mul", "add"]
    np.testing.assert_array_equal(expression.chain.scale, [np.float64(np.float32(0.1))])
    assert quantiser.output.origin == "t4"
    np.testing.assert_array_equal(graph.final.scale, [0.125])
    assert graph.final.operations == ()
    assert last.output.name == graph.output == "t6"
    assert graph.spec.type == BIPOLAR
    assert graph.spec.encoder is not None
    assert (graph.input.name, graph.input.origin) == ("t0", "t0")


def test_transposed_weights_are_the_same_network(builder):
    def with_matmul(net):
        net.sign()
        data = net.last
        weights = net.weights(LATENT[0], 0.1)
        net.node("Transpose", weights, perm=[1, 0])
        turned, net.last = net.last, data
        return net.node("MatMul", ..., turned)

    as_gemm = import_proto(builder().sign().gemm(LATENT[0], 0.1).model()).graph
    for graph in (import_proto(with_matmul(builder()).model()).graph,
                  import_proto(builder().sign().gemm(LATENT[0].T, 0.1, transB=0).model()).graph):
        np.testing.assert_array_equal(graph.nodes[0].weights, as_gemm.nodes[0].weights)
        np.testing.assert_array_equal(graph.final.scale, as_gemm.final.scale)


@pytest.mark.parametrize("domain", ["onnx.brevitas", "finn.custom_op.general"])
def test_spellings_of_the_domain(builder, domain):
    assert text(two_layers(builder(quant=domain)).model()) == text(two_layers(builder()).model())


@pytest.mark.parametrize("batch", ["N", ""])
def test_dynamic_batch(builder, batch):
    assert text(two_layers(builder((batch, 8))).model()) == text(two_layers(builder()).model())


def test_constants_listed_as_inputs(builder):
    net = two_layers(builder())
    infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])]
    infos += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in net.initializers]
    assert text(net.model(inputs=infos)) == text(two_layers(builder()).model())


def test_nodes_out_of_order_and_unused_ones(builder):
    net = two_layers(builder())
    expected = text(net.model())
    last = net.last
    net.node("Erf", "t0")  # nothing reads it
    net.nodes.reverse()
    assert text(net.model(outputs=[last])) == expected


def test_nodes_without_names(builder):
    net = two_layers(builder())
    for node in net.nodes:
        node.name = ""
    assert [n.name for n in import_proto(net.model()).graph.nodes] == [
        "Gemm_t2", "BatchNormalization_t3", "BipolarQuant_t4", "Gemm_t6"]


def test_constants_shared_and_constant_nodes(builder):
    net = builder()
    net.constant(np.float32(0.5), "s")
    for place, latent in enumerate(LATENT):
        net.node("BipolarQuant", ..., "s")
        data = net.last
        net.node("Constant", value=helper.make_tensor(f"w{place}", TensorProto.FLOAT, latent.shape, latent.ravel()))
        net.node("BipolarQuant", ..., "s")
        weights, net.last = net.last, data
        net.node("Gemm", ..., weights, transB=1)
    net.nodes[1].input[:] = []
    net.nodes[5].input[:] = []
    graph = import_proto(net.model()).graph
    for node, latent in zip((graph.nodes[0], graph.nodes[3]), LATENT, strict=True):
        np.testing.assert_array_equal(node.weights, np.where(latent.astype(np.float32) >= 0, 1, -1))
    np.testing.assert_array_equal(graph.final.scale, [0.25])
    assert text(net.model()) == text(net.model())


def test_weights_that_are_plus_or_minus_scale_already(builder):
    weights = np.where(LATENT[0] >= 0, np.float32(0.1), -np.float32(0.1))
    stored = import_proto(builder().sign().node("Gemm", ..., weights, transB=1).model()).graph
    quantised = import_proto(builder().sign().gemm(LATENT[0], 0.1).model()).graph
    np.testing.assert_array_equal(stored.nodes[0].weights, quantised.nodes[0].weights)
    np.testing.assert_array_equal(stored.final.scale, quantised.final.scale)


def test_scale_for_each_output_channel(builder):
    scales = np.float32([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6]])
    graph = import_proto(builder().sign(0.5).gemm(LATENT[0], scales).model()).graph
    np.testing.assert_array_equal(graph.final.scale, 0.5 * scales[:, 0].astype(np.float64))


def test_reshape_spelled_in_five_nodes(builder):
    """As PyTorch 1.x spelled ``x.view(x.size(0), -1)``."""
    net = builder(("N", 2, 4), opset=11).node("Shape", "x").node("Gather", ..., np.int64(0), axis=0)
    net.node("Unsqueeze", axes=[0]).node("Concat", ..., np.int64([-1]), axis=0).node("Reshape", "x", ...)
    clean = import_proto(two_layers(net).model()).model
    assert [n.op_type for n in clean.graph.node if n.op_type != "BipolarQuant"] == [
        "Reshape", "Gemm", "BatchNormalization", "Gemm"]


@pytest.mark.parametrize("op", ["Flatten", "Reshape", "Squeeze"])
def test_reshapes(builder, op):
    net = builder((1, 1, 8) if op == "Squeeze" else (1, 2, 4))
    net.node(op, ..., *([np.int64([0, 8])] if op == "Reshape" else [np.int64([1])] if op == "Squeeze" else []))
    graph = import_proto(two_layers(net).model()).graph
    assert graph.input.shape == ((1, 8, 1) if op == "Squeeze" else (1, 4, 2))
    assert graph.spec.shape == ((1, 8) if op == "Squeeze" else (2, 4))
    in_order = import_proto(two_layers(builder()).model()).graph.nodes[0].weights
    np.testing.assert_array_equal(graph.nodes[0].weights[:, graph.input.origin_order], in_order)


def test_declared_input(builder):
    net = builder().node("Mul", ..., np.float32(2)).node("Sub", ..., np.float32(np.arange(8)))
    graph = import_proto(two_layers(net).model(), input_type="uint8", input_scale=Fraction(1, 255)).graph
    assert graph.spec.type == IntType(8)
    assert graph.spec.scale == Fraction(1, 255)
    assert graph.spec.encoder is None
    expression = graph.nodes[0]
    assert (expression.name, expression.input) == ("Sub_1", "x")
    assert (expression.chain.scale.tolist(), expression.chain.divisor) == ([1], 255)
    np.testing.assert_array_equal(expression.chain.operations[1].constant, np.arange(8, dtype=np.float32))


def test_bipolar_input_without_a_quantiser(builder):
    graph = import_proto(two_layers(builder(), quant_first=False).model(), input_type="bipolar",
                         input_scale=Fraction(1, 4)).graph
    assert graph.nodes[0].input == graph.input.name == "x"
    np.testing.assert_array_equal(graph.nodes[1].chain.scale, [0.25 * np.float64(np.float32(0.1))])


def test_a_quantiser_of_codes_changes_their_scale_only(builder):
    graph = import_proto(builder().sign(0.5).sign(0.25).gemm(LATENT[0]).model()).graph
    assert graph.nodes[0].input == "t0"
    np.testing.assert_array_equal(graph.final.scale, [0.25])


def test_steps_of_the_final_expression(builder):
    bias = np.float32([1, 2, 3, 4, 5, 6])
    net = builder().sign().gemm(LATENT[0], 1.0, bias, alpha=0.5, beta=3.0)
    net.node("Sub", np.float32(1), ...).node("Neg").node("Relu").node("Clip", ..., np.float32(1), np.float32(6))
    net.node("Div", ..., np.float32(3)).node("Identity").node("Dropout")
    graph = import_proto(net.model()).graph
    assert [o.kind for o in graph.final.operations] == ["mul", "add", "rsub", "mul", "max", "max", "min", "div"]
    np.testing.assert_array_equal(graph.final.operations[1].constant, 3 * bias)


def test_clip_with_attributes(builder):
    net = builder(opset=9).sign().gemm(LATENT[0], 1.0, np.zeros(6)).node("Clip", min=-1.0, max=1.0)
    kinds = [(o.kind, float(o.constant[0])) for o in import_proto(net.model()).graph.final.operations]
    assert kinds == [("add", 0.0), ("max", -1.0), ("min", 1.0)]


def test_import_changes_nothing(builder, tmp_path, monkeypatch):
    """Not the message, not the folder, not the standard streams; and it is the same each time."""
    monkeypatch.chdir(tmp_path)
    model = two_layers(builder()).model()
    before = model.SerializeToString()
    assert text(model) == text(model)
    assert model.SerializeToString() == before
    assert list(tmp_path.iterdir()) == []


def test_name_and_source(builder, tmp_path):
    path = two_layers(builder()).save(tmp_path / "small.onnx")
    imported = import_model(path)
    assert (imported.graph.name, imported.source) == ("small", path)
    assert import_model(path, name="other").graph.name == "other"


@pytest.mark.parametrize(("name", "kind"), [("uint8", IntType(8)), ("int4", IntType(4, signed=True)),
                                            ("uint1", IntType(1)), ("int32", IntType(32, signed=True)),
                                            ("bipolar", BIPOLAR)])
def test_input_types(name, kind):
    assert parse_type(name) == kind
    assert str(kind) == name


@pytest.mark.parametrize("name", ["", "8", "uint", "int0", "uint33", "float32", "uint-8", "uint８", "UINT8"])
def test_what_is_no_input_type(name):
    with pytest.raises(UserError) as error:
        parse_type(name)
    assert str(error.value) == (f"--input: {name!r} is no input type; supported are uint1 to uint32, int1 to int32 and "
                                "bipolar; for images say uint8")


@pytest.mark.parametrize(("options", "message"), [
    ({"input_scale": Fraction(1, 2)}, "--input-scale: an input scale needs an input type; add --input uint8"),
    ({"input_type": "uint8", "input_scale": Fraction(0)}, "--input-scale: the input scale must be positive, not 0; "
     "give what one step of the input is worth, such as 1/255"),
])
def test_input_options(builder, options, message):
    with pytest.raises(UserError) as error:
        import_proto(two_layers(builder()).model(), **options)
    assert str(error.value) == message


def test_the_graph_alone_imports_quickly():
    code = "import sys; import gatewright.compiler.frontend, gatewright.compiler.passes; " \
           "print(sorted({'onnx', 'qonnx', 'torch', 'onnxruntime'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_zoo_model_of_two_bits(zoo, interpret_output):
    """UNSW-NB15: bipolar input made zeros and ones, variances of 6e-45, negative and zero gammas."""
    imported = import_model(zoo / "unsw_nb15-mlp-w2a2.onnx", input_type="bipolar")
    graph = imported.graph
    assert [str(node.weight_type) for node in graph.nodes if isinstance(node, MatMul)] == ["int2"] * 4
    assert [str(node.output.type) for node in graph.nodes if isinstance(node, Quantise)] == [
        "uint1", "uint8", "uint2", "uint2", "bipolar"]
    codes = np.random.default_rng(0).choice([-1, 1], size=(20, 600))
    plain = [execute_onnx(imported.model, {"onnx::Add_0": frame[None]})["63"][0] for frame in graph.spec.decode(codes)]
    np.testing.assert_array_equal(interpret_output(graph, codes), plain)


@pytest.mark.parametrize("declared", [True, False])
def test_zoo_model(zoo, mnist, declared, interpret):
    """TFC-w1a1 of the model zoo: the older form, with 1,000 published logits."""
    options = {"input_type": "uint8", "input_scale": Fraction(1, 255)} if declared else {}
    imported = import_model(zoo / "TFC_1W1A.onnx", **options)
    graph = passes.run(imported.graph)
    assert [type(node).__name__ for node in graph.nodes] == ["Threshold"] * declared + ["Dense"] * 4
    assert [node.name for node in graph.nodes][-4:] == ["MatMul_16", "MatMul_24", "MatMul_32", "MatMul_40"]
    codes = mnist if declared else graph.spec.encode(mnist / np.float32(255))
    logits = np.load(zoo / "TFC_1W1A.mnist-t10k-first1000.npz")["logits"]
    reference = run_exact(imported.model, codes, graph.spec)
    np.testing.assert_array_equal(reference.output, logits)
    values = interpret(graph, codes)
    np.testing.assert_array_equal(graph.final(values[graph.output]), logits)
    for node in graph.nodes:
        np.testing.assert_array_equal(values[node.output.name], reference.integers(node.output.origin))
