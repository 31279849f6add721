"""The exported file: the nodes that the compiler reads, the same bytes every time, and nothing of the machine."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from gatewright.errors import UserError
from gatewright.quant import boundaries, export, metadata, recipes
from gatewright.quant.layers import relu
from gatewright.quant.networks import BinaryMLP


def network(seed=0):
    """A small network whose norms have seen some data; left in training mode."""
    torch.manual_seed(seed)
    module = BinaryMLP((12, 8, 8, 5), dropout=0.1, input_dropout=0.1)
    with torch.no_grad():
        for norm in (block.norm for block in module.layers):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-1, 1)
        for _ in range(3):
            module(torch.rand(20, 12))
    return module


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(network(), tmp_path_factory.mktemp("export") / "net.onnx", (1, 12), {"b": "2", "a": "1"})


def test_the_nodes_are_those_of_the_network_under_its_names(exported):
    model = onnx.load(exported)
    assert [(node.op_type, node.name) for node in model.graph.node] == [
        ("Mul", "mul"),
        ("Sub", "sub"),
        ("BipolarQuant", "input_sign"),
        ("BipolarQuant", "layers.0.linear.weight"),
        ("Gemm", "layers.0.linear"),
        ("BatchNormalization", "layers.0.norm"),
        ("BipolarQuant", "layers.0.sign"),
        ("BipolarQuant", "layers.1.linear.weight"),
        ("Gemm", "layers.1.linear"),
        ("BatchNormalization", "layers.1.norm"),
        ("BipolarQuant", "layers.1.sign"),
        ("BipolarQuant", "layers.2.linear.weight"),
        ("Gemm", "layers.2.linear"),
        ("Sub", "layers.2.norm.sub"),
        ("Div", "layers.2.norm.div"),
        ("Mul", "layers.2.norm.mul"),
        ("Add", "layers.2.norm.add"),
    ]
    assert {node.domain for node in model.graph.node} == {"", "qonnx.custom_op.general"}
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["input", "output"]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    # The last norm is four scalars, its root folded.
    for kind in ("sub", "div", "mul", "add"):
        assert constants[f"layers.2.norm.{kind}.constant"].size == 1
    values = set(constants) | {"input"} | {output for node in model.graph.node for output in node.output}
    assert all(value in values for node in model.graph.node for value in node.input)


def test_latent_weights_and_statistics_arrive_as_they_are(exported):
    constants = {t.name: numpy_helper.to_array(t) for t in onnx.load(exported).graph.initializer}
    module = network()
    for index, block in enumerate(module.layers):
        assert np.array_equal(constants[f"layers.{index}.linear.weight.latent"], block.linear.weight.detach().numpy())
    assert np.array_equal(constants["layers.1.norm.mean"], module.layers[1].norm.running_mean.numpy())
    assert np.array_equal(constants["layers.1.norm.variance"], module.layers[1].norm.running_var.numpy())
    assert np.array_equal(constants["layers.2.norm.add.constant"], module.layers[2].norm.bias.detach().numpy())


def test_qonnx_and_torch_differ_from_exact_accumulation_by_ties_alone(exported):
    from gatewright.compiler import frontend, reference

    x = np.random.default_rng(3).random((200, 12), dtype=np.float32)
    model = frontend.import_model(exported).model
    exact, plain = reference.run_exact(model, x), reference.run_plain(model, x)
    reference.explain(exact, plain.codes, plain.output)
    run = boundaries(network().eval(), torch.from_numpy(x))
    explained = reference.explain(exact, run.codes, run.outputs)
    assert explained.outputs_compared > 0


def test_the_file_says_nothing_of_the_machine(exported):
    content = exported.read_bytes()
    for word in (b"stack_trace", b"site-packages", b".py", b"fx_node", os.fsencode(Path.home())):
        assert word not in content
    model = onnx.load(exported)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    assert b"/" not in model.SerializeToString()
    assert {entry.key: entry.value for entry in model.metadata_props} == {"a": "1", "b": "2"}
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert sorted(path.name for path in exported.parent.iterdir()) == [exported.name]  # no external data


def test_two_exports_are_the_same_bytes(exported, tmp_path):
    again = export(network(), tmp_path / "other.onnx", (1, 12), {"a": "1", "b": "2"})
    assert again.read_bytes() == exported.read_bytes()
    script = (
        "import sys, torch; sys.path.insert(0, sys.argv[1]); torch.set_num_threads(1)\n"
        "from test_exporting import network\nfrom gatewright.quant import export\n"
        "export(network(), sys.argv[2], (1, 12), {'a': '1', 'b': '2'})")
    run = subprocess.run([sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path / "third.onnx")],
                         cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
    assert (tmp_path / "third.onnx").read_bytes() == exported.read_bytes()


def test_exporting_changes_nothing_and_says_nothing(tmp_path, capfd):
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.random.get_rng_state()
    export(module, tmp_path / "net.onnx", (1, 12))
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert tuple(capfd.readouterr()) == ("", "")


def test_the_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"the previous result")

    def refuse(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(UserError) as error:
            export(network(), path, (1, 12))
    assert str(error.value) == f"{path}: it cannot be written (No space left on device)"
    assert path.read_bytes() == b"the previous result"
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.onnx"]
    with pytest.raises(UserError, match=r"there is no folder '.*nowhere' to write to; make it first"):
        export(network(), tmp_path / "nowhere" / "net.onnx", (1, 12))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.join = relu(3)

    def forward(self, x):
        return self.join(x) + self.join(2 * x)


def test_a_quantiser_called_twice_keeps_its_name_and_order(tmp_path):
    graph = onnx.load(export(Twice(), tmp_path / "net.onnx", (1, 4))).graph
    assert [(node.op_type, node.name, node.output[0]) for node in graph.node] == [
        ("Relu", "join.function", "join.function.out"),
        ("Quant", "join", "join.out"),
        ("Mul", "mul", "mul.out"),
        ("Relu", "join.function_2", "join.function_2.out"),
        ("Quant", "join_2", "join_2.out"),
        ("Add", "add", "output"),
    ]
    assert list(graph.node[1].input) == ["join.function.out", "join.scale", "join.zero_point", "join.bits"]


def test_what_a_recipe_says_of_its_input():
    assert metadata(recipes.get("tfc-w1a1")) == {
        "gatewright.input": "uint8", "gatewright.input_scale": "1/255", "gatewright.recipe": "tfc-w1a1"}
    assert metadata(recipes.get("unsw-nb15-mlp-w2a2")) == {
        "gatewright.input": "bipolar", "gatewright.input_scale": "1", "gatewright.recipe": "unsw-nb15-mlp-w2a2"}
