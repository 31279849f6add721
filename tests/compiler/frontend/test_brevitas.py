"""What Brevitas exports today, and a network fresh from initialisation, where ties abound."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from gatewright.compiler import passes
from gatewright.compiler.frontend import import_model
from gatewright.compiler.ir import Dense
from gatewright.compiler.reference import explain, run_exact, run_plain

torch = pytest.importorskip("torch", reason="pip install 'gatewright[train]'")
pytest.importorskip("brevitas", reason="pip install 'gatewright[train]'")


def stack(sizes, scale):
    """The modules of a w1a1 network, and those whose outputs are codes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import brevitas.nn as qnn
        from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

        def sign():
            return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_init=scale)

        modules = [sign()]
        for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            modules.append(qnn.QuantLinear(inputs, outputs, bias=False, weight_quant=SignedBinaryWeightPerTensorConst,
                                           scaling_init=scale))
            modules.append(torch.nn.BatchNorm1d(outputs))
            if place < len(sizes) - 2:
                modules.append(sign())
        return torch.nn.Sequential(*modules).eval()


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A 64-128-10 network as initialised, its file (weights beside it), and what it computes frame by frame."""
    torch.manual_seed(0)
    network = stack((64, 128, 10), 0.1)
    path = tmp_path_factory.mktemp("brevitas") / "untrained.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from brevitas.export import export_qonnx

        export_qonnx(network, args=torch.randn(1, 64), export_path=str(path))
        x = torch.randn(50, 64)
        taps, outputs = [[], []], []
        with torch.no_grad():
            for frame in x:
                value = frame[None]
                for module in network:
                    value = module(value)
                    value = getattr(value, "value", value)
                    if type(module).__name__ == "QuantIdentity":
                        taps[len(taps[0]) > len(taps[1])].append(np.where(value.numpy() >= 0, 1, -1)[0])
                outputs.append(value.numpy()[0])
    return path, x.numpy(), [np.array(tap) for tap in taps], np.array(outputs)


def test_export_of_today(untrained):
    imported = import_model(untrained[0])
    graph = passes.run(imported.graph)
    assert [type(node) for node in graph.nodes] == [Dense, Dense]
    assert [node.weights.shape for node in graph.nodes] == [(128, 64), (10, 128)]
    assert graph.spec.encoder is not None
    assert {d.domain for d in imported.model.graph.node} == {"", "qonnx.custom_op.general"}


def test_every_difference_on_an_untrained_network_is_a_tie(untrained, interpret):
    """Brevitas, qonnx and exact accumulation are three answers on nearly every frame, and all parts begin with ties."""
    path, x, taps, outputs = untrained
    imported = import_model(path)
    exact = run_exact(imported.model, x)
    names = list(exact.codes)
    assert len(names) == 2
    zero = np.mean(exact.accumulators[imported.graph.nodes[0].output.origin] == 0)
    assert 0.05 < zero < 0.2  # a tenth of all accumulators stand on the threshold itself
    assert exact.tie_counts()[names[1]] >= zero * exact.codes[names[1]].size

    plain = run_plain(imported.model, x)
    brevitas = dict(zip(names, taps, strict=True))
    for codes, output in ((plain.codes, plain.output), (brevitas, outputs)):
        found = explain(exact, codes, output)
        assert found.parted[names[0]] == 0
        assert found.parted[names[1]] > 40
        assert len(found.differing) == found.parted[names[1]]
        assert found.turned[names[1]] <= found.ties[names[1]]
    alone = np.array([run_plain(imported.model, frame[None]).codes[names[1]][0] for frame in x])
    assert explain(exact, {names[0]: exact.codes[names[0]], names[1]: alone}).frames == 50
    assert (alone != plain.codes[names[1]]).any() or (alone != brevitas[names[1]]).any()

    graph = passes.run(imported.graph)
    values = interpret(graph, graph.spec.encode(x))
    np.testing.assert_array_equal(values[names[1]], exact.codes[names[1]])
    np.testing.assert_array_equal(graph.final(values[graph.output]), exact.output)


class Residual(torch.nn.Module):
    """What people build: convolutions, a skip path, pooling and a transposed convolution, in powers of two."""

    def __init__(self):
        import brevitas.nn as qnn
        from brevitas.quant import (
            Int8ActPerTensorFixedPoint,
            Int8BiasPerTensorFixedPointInternalScaling,
            Int8WeightPerTensorFixedPoint,
            Uint8ActPerTensorFixedPoint,
        )

        super().__init__()
        weights = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 4}
        self.first = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=4)
        self.wide = qnn.QuantConv2d(2, 4, 3, padding=1, bias_quant=Int8BiasPerTensorFixedPointInternalScaling,
                                    **weights)
        self.relu = qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=4)
        self.deep = qnn.QuantConv2d(4, 4, 3, padding=1, groups=2, bias=False, **weights)
        self.shared = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=4)
        self.pool = torch.nn.MaxPool2d(2)
        self.up = qnn.QuantConvTranspose2d(4, 2, 2, stride=2, bias=False, **weights)
        self.last = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=6)
        self.linear = qnn.QuantLinear(2, 3, bias=False, **weights)

    def forward(self, x):
        x = self.relu(self.wide(self.first(x)))
        x = self.relu(self.shared(x) + self.shared(self.deep(x)))
        x = self.last(self.up(self.pool(x)))
        return self.linear(torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def test_a_residual_network_as_it_is_exported(tmp_path, interpret_output):
    torch.manual_seed(1)
    path = tmp_path / "residual.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from brevitas.export import export_qonnx

        network = Residual().train()
        for _ in range(5):
            network(torch.randn(4, 2, 4, 4))
        network.eval()
        export_qonnx(network, args=torch.randn(1, 2, 4, 4), export_path=str(path))
        x = torch.randn(20, 2, 4, 4)
        with torch.no_grad():
            expected = network(x).numpy()
    graph = import_model(path).graph
    layers = [type(node).__name__ for node in graph.nodes if type(node).__name__ not in ("Elementwise", "Quantise")]
    assert layers == ["Conv", "Conv", "Add", "Pool", "Conv", "Pool", "MatMul"]
    np.testing.assert_array_equal(interpret_output(graph, graph.spec.encode(x.numpy())), expected)
