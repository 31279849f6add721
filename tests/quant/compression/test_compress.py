"""Steps compose; what comes out is an ordinary file, equal to torch and to the golden integers, and says what it is."""

import copy

import numpy as np
import onnx
import pytest
import torch
from rich.console import Console

from gatewright import compiler
from gatewright.compiler import reference
from gatewright.compiler.execute import run_golden
from gatewright.quant import (
    BlockPrune,
    Hash,
    Huffman,
    LfsrMask,
    Prune,
    Share,
    boundaries,
    compress,
    entries_table,
    export,
    layers_table,
    remarks,
    steps_table,
)
from gatewright.quant.compression.constrained import integers, named

CHAINS = {
    "deep": [Prune(density=0.3, epochs=1), Share(bits=3, epochs=1), Huffman()],
    "lfsr": [LfsrMask(kept=(3, 2, 1), elements=4, epochs=1)],
    "hash": [Hash(size=(128, 64, 32), epochs=1)],
    "block": [BlockPrune(density=(0.4, 0.4, None), pe=2, simd=4, rounds=1, epochs=1), Share(bits=4, epochs=1)],
}


@pytest.mark.parametrize("name", CHAINS)
def test_file_and_golden_and_torch_are_one(trained, data, name, tmp_path):
    compressed = compress(trained, CHAINS[name], data=data)
    path = export(compressed.module, tmp_path / "net.onnx", (1, 64), notes=compressed.notes)
    model = compiler.load(path, input="uint5", input_scale="1/16")
    codes = data.split.x_test[:50].reshape(-1, 64).astype(np.int64)
    exact = reference.run_exact(model.imported.model, codes, model.imported.graph.spec)
    torch_run = boundaries(compressed.module, (codes / 16).astype(np.float32))
    assert reference.explain(exact, torch_run.codes, torch_run.outputs).outputs_compared == 50

    design = compiler.compile(model)
    golden = run_golden(design.graph, codes)
    compared = [value for value in (node.output for node in design.graph.nodes) if value.origin is not None]
    assert len(compared) >= 3
    for value in compared:
        assert np.array_equal(golden[value.name][:, value.origin_order], exact.integers(value.origin))
    layers = [node for node in model.imported.graph.nodes if hasattr(node, "weights")]
    for layer, node in zip(named(compressed.module).values(), layers, strict=True):
        assert np.array_equal(node.weights, integers(layer))


def test_notes_go_to_the_nodes_of_weights_and_survive_the_clean_up(trained, data, tmp_path):
    compressed = compress(trained, [LfsrMask(kept=(3, None, None), elements=4, seed=5, epochs=1),
                                    Hash(size=(None, 64, None), seed=9, epochs=1)], data=data)
    path = export(compressed.module, tmp_path / "net.onnx", (1, 64), notes=compressed.notes)
    said = {
        "layers.0.linear.weight": [("gatewright.index", '{"elements": 4, "kept": 3, "kind": "lfsr", "seed": 5}')],
        "layers.1.linear.weight": [("gatewright.index", '{"kind": "hash", "seed": 9, "size": 64}')],
    }
    for model in (onnx.load(path), compiler.load(path, input="uint5", input_scale="1/16").imported.model.model):
        assert {node.name: [(entry.key, entry.value) for entry in node.metadata_props]
                for node in model.graph.node if node.metadata_props} == said
    with pytest.raises(ValueError, match=r"^a note must be for a layer with quantised weights, not 'layers.0.relu'$"):
        export(compressed.module, tmp_path / "net.onnx", (1, 64), notes={"layers.0.relu": "{}"})


def test_the_network_given_is_left_alone_and_a_seed_gives_one_result(trained, data):
    before = copy.deepcopy(trained.state_dict())
    one, two = (compress(trained, CHAINS["deep"], data=data, seed=4) for _ in range(2))
    other = compress(trained, CHAINS["deep"], data=data, seed=5)
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    assert list(one.module.state_dict()) == list(before)  # plain layers again
    assert all(torch.equal(value, two.module.state_dict()[name]) for name, value in one.module.state_dict().items())
    assert one.states == two.states
    assert one.states != other.states
    assert (one.dense_test_accuracy, one.states[0].title) == (data.test(trained), "dense")
    assert one.test_accuracy == data.test(one.module)
    assert one.states[-1].validation == data.validate(one.module)


def test_the_tables_say_what_was_counted(trained, data):
    compressed = compress(trained, CHAINS["deep"], data=data)
    console = Console(width=80)
    with console.capture() as capture:
        console.print(steps_table(compressed), layers_table(compressed), entries_table(compressed), soft_wrap=False)
        console.print(*remarks(compressed), soft_wrap=True)
    text = capture.get()
    assert "…" not in text, "a plain terminal shows every figure"
    last = compressed.states[-1]
    for shown in ("Prune", "Share", "Huffman", f"{last.bits:,}", f"{last.ratio:.1f}x", "layers.2.linear", "entropy",
                  f"pointers to the columns take {last.pointers:,} bits more",
                  f"test accuracy {compressed.test_accuracy:.2f} %, dense {compressed.dense_test_accuracy:.2f} %"):
        assert shown in text


def test_a_module_without_quantised_layers_is_refused(data):
    with pytest.raises(ValueError, match=r"^the module must have Brevitas layers with quantised weights$"):
        compress(torch.nn.Linear(64, 10), [], data=data)
