"""Small ONNX models made by hand, for every test of the compiler's front half.

pytest imports test modules by path here, so what they share comes as fixtures.
"""

from __future__ import annotations

import gzip
import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import gatewright

QUANT = "qonnx.custom_op.general"
QUANTISERS = ("BipolarQuant", "FloatQuant", "IntQuant", "MultiThreshold", "Quant", "Trunc")


class Builder:
    """Nodes under construction; ``last`` is the tensor at the end, and ``at`` goes back to another to branch off.

    ``shape`` has the batch axis first: ``(1, features)``, ``(1, channels, width)``, ``(1, channels, height, width)``.
    """

    def __init__(self, shape=(1, 8), *, opset: int = 13, quant: str = QUANT):
        self.shape, self.opset, self.quant = shape, opset, quant
        self.last = "x"
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.functions: list = []

    def constant(self, array, name: str | None = None) -> str:
        name = name or f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def floats(self, array, name: str | None = None) -> str:
        return self.constant(np.asarray(array, dtype=np.float32), name)

    def node(self, op: str, *inputs, domain: str | None = None, name: str | None = None, outputs: int = 1,
             **attributes) -> Builder:
        """Append a node on ``last``. Inputs are tensor names, or arrays; ``...`` stands for ``last``, "" for none.

        Of several outputs ``last`` is the first; the others have its name with ``_1``, ``_2`` and so on.
        """
        inputs = inputs or (...,)
        names = [self.last if i is ... else i if isinstance(i, str) else self.constant(i) for i in inputs]
        if domain is None:
            domain = self.quant if op in QUANTISERS else ""
        name = name or f"{op}_{len(self.nodes)}"
        self.last = f"t{len(self.nodes)}"
        results = [self.last, *(f"{self.last}_{place}" for place in range(1, outputs))]
        self.nodes.append(helper.make_node(op, names, results, name=name, domain=domain, **attributes))
        return self

    def at(self, tensor: str) -> Builder:
        """Go on from another tensor."""
        self.last = tensor
        return self

    def sign(self, scale=1.0, name: str | None = None) -> Builder:
        return self.node("BipolarQuant", ..., np.float32(scale), name=name)

    def weights(self, latent, scale=1.0) -> str:
        """A weight quantiser; gives its tensor's name and leaves ``last`` where it was."""
        before = self.last
        self.node("BipolarQuant", np.asarray(latent, dtype=np.float32), np.asarray(scale, dtype=np.float32))
        after, self.last = self.last, before
        return after

    def quantise(self, scale=1.0, bits=4, *, signed=True, narrow=False, zero=0, rounding="ROUND",
                 name: str | None = None) -> Builder:
        """QONNX's Quant on ``last``."""
        return self.node("Quant", ..., np.asarray(scale, dtype=np.float32), np.float32(zero), np.float32(bits),
                         name=name, signed=int(signed), narrow=int(narrow), rounding_mode=rounding)

    def integers(self, codes, scale=1.0, bits=8, **options) -> str:
        """A Quant on constants that gives exactly ``codes`` times ``scale``; its tensor's name, ``last`` stays."""
        before = self.last
        latent = np.asarray(codes, dtype=np.float32) * np.asarray(scale, dtype=np.float32)
        self.last = self.constant(latent)
        self.quantise(scale, bits, **options)
        after, self.last = self.last, before
        return after

    def gemm(self, latent, scale=1.0, bias=None, *, bits: int | None = None, narrow=False, **attributes) -> Builder:
        """``Gemm`` of ``[out, in]`` weights: their signs, or with ``bits`` the integers themselves."""
        signs = bits is None
        operands = [..., self.weights(latent, scale) if signs else self.integers(latent, scale, bits, narrow=narrow)]
        if bias is not None:
            operands.append(np.asarray(bias, dtype=np.float32))
        return self.node("Gemm", *operands, **{"transB": 1, **attributes})

    def conv(self, codes, scale=1.0, bias=None, *, bits: int | None = 8, narrow=False, op: str = "Conv",
             **attributes) -> Builder:
        """``Conv`` of integer weights ``[out, in / groups, kh, kw]`` (1-D: no ``kh``), or their signs."""
        signs = bits is None
        operands = [..., self.weights(codes, scale) if signs else self.integers(codes, scale, bits, narrow=narrow)]
        if bias is not None:
            operands.append(np.asarray(bias, dtype=np.float32))
        return self.node(op, *operands, **attributes)

    def norm(self, scale, bias, mean, variance, **attributes) -> Builder:
        return self.node("BatchNormalization", ...,
                         *(np.asarray(a, dtype=np.float32) for a in (scale, bias, mean, variance)), **attributes)

    def model(self, *, outputs: list[str] | None = None, inputs: list | None = None,
              ir_version: int = 10) -> onnx.ModelProto:
        infos = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(self.shape))]
        indices = {name for node in self.nodes for name in (
            node.output if node.op_type == "ArgMax" else node.output[1:] if node.op_type == "TopK" else ())}
        ends = [helper.make_tensor_value_info(name, TensorProto.INT64 if name in indices else TensorProto.FLOAT, None)
                for name in outputs or [self.last]]
        graph = helper.make_graph(self.nodes, "net", infos, ends, self.initializers)
        opsets = [helper.make_opsetid("", self.opset)]
        if self.quant:
            opsets.append(helper.make_opsetid(self.quant, 1))
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)

    def save(self, path: Path, **options) -> Path:
        path.write_bytes(self.model(**options).SerializeToString())
        return path


def random_network(rng: np.random.Generator, sizes=(8, 6, 4), *, gamma=None, opset: int = 13,
                   form: str = "gemm") -> Builder:
    """Binary layers with batch normalisation, the last one too; ``gamma`` gives one layer's scales of it."""
    net = Builder((1, sizes[0]), opset=opset)
    net.sign()
    for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        latent = rng.normal(size=(outputs, inputs))
        if form == "gemm":
            net.gemm(latent, scale=0.25 if place else 0.1)
        else:
            before = net.weights(latent, scale=0.1)
            net.node("MatMul", ..., _transposed(net, before))
        scale = rng.normal(size=outputs) if gamma is None else gamma(outputs)
        net.norm(scale, rng.normal(size=outputs), rng.normal(size=outputs), rng.uniform(0.1, 4, size=outputs))
        if place + 2 < len(sizes):
            net.sign(0.5)
    return net


def _transposed(net: Builder, tensor: str) -> str:
    before = net.last
    net.node("Transpose", tensor, perm=[1, 0])
    after, net.last = net.last, before
    return after


@pytest.fixture(scope="session")
def builder():
    return Builder


@pytest.fixture(scope="session")
def trained(builder, tmp_path_factory):
    """Two trainings of one small network, whose weights may be loaded."""
    folder = tmp_path_factory.mktemp("trained")

    def model(seed):
        rng = np.random.default_rng(seed)
        net = builder((1, 6)).gemm(rng.choice([-1, 0, 0, 1], (5, 6)), 0.5, bits=3)
        net.quantise(1.0, 2, signed=False).gemm(rng.choice([-2, 0, 0, 1], (4, 5)), 0.5, bits=3)
        return gatewright.load(net.save(folder / f"net{seed}.onnx"), input="uint3", name="net")

    return model(1), model(2)


@pytest.fixture(scope="session")
def network():
    return random_network


def _windows(x: np.ndarray, window, source, fill: int) -> np.ndarray:
    """What each tap of each position sees: ``[frames, positions, taps, channels]``."""
    height, width, channels = source.shape
    pixels = x.reshape(len(x), height * width, channels)
    pixels = np.concatenate([pixels, np.full((len(x), 1, channels), fill)], axis=1)
    return pixels[:, window.sources(height, width)]


def _convolve(x: np.ndarray, node, source) -> np.ndarray:
    seen = _windows(x, node.window, source, 0)
    weights = node.weights.reshape(len(node.weights), node.window.taps, -1)
    mine, theirs = len(weights) // node.groups, seen.shape[3] // node.groups
    parts = [np.einsum("fptc,otc->fpo", seen[..., g * theirs:(g + 1) * theirs], weights[g * mine:(g + 1) * mine])
             for g in range(node.groups)]
    return np.concatenate(parts, axis=2).reshape(len(x), -1)


def _compare(x: np.ndarray, node) -> np.ndarray:
    x = x.reshape(len(x), -1, len(node.thresholds))[..., None]
    falling = getattr(node, "falling", np.zeros(len(node.thresholds), dtype=np.bool_))[:, None]
    met = np.where(falling, x <= node.thresholds, x >= node.thresholds).sum(axis=-1).reshape(len(x), -1)
    return 2 * met - 1 if node.output.type.bipolar else node.base + met


def _step(node, x: np.ndarray, values: dict, known: dict) -> np.ndarray:
    """The integers that one node gives."""
    match type(node).__name__:
        case "MatMul":
            return x @ node.weights.T
        case "Conv":
            return _convolve(x, node, known[node.input])
        case "Pool":
            seen = _windows(x, node.window, known[node.input], 0 if node.kind == "sum" else -(1 << 62))
            return (seen.sum(axis=2) if node.kind == "sum" else seen.max(axis=2)).reshape(len(x), -1)
        case "Quantise":
            return node.quantiser(x).reshape(len(x), -1)
        case "Threshold":
            return _compare(x, node)
        case "Requantise":
            channels = x.reshape(len(x), -1, len(node.multiplier))
            scaled = channels * node.multiplier + node.offset
            halves = node.even & (scaled % (1 << node.shift) == 0) & (scaled >> node.shift & 1)
            return np.clip((scaled >> node.shift) - halves, node.lo, node.hi).reshape(len(x), -1)
        case "Table":
            channels = x.reshape(len(x), -1, known[node.input].channels) - node.first
            rows = np.arange(channels.shape[2]) % len(node.table)
            return node.table[rows, channels].reshape(len(x), -1)
        case "Dense":
            y = x @ node.weights.T if node.window is None else _convolve(x, node, known[node.input])
            return y if node.thresholds is None else _compare(y, node)
        case "Add":
            return sum(m * values[name] for m, name in zip(node.multipliers, node.inputs, strict=True))
        case "Concat":
            parts = [values[name].reshape(len(x), -1, known[name].channels) for name in node.inputs]
            return np.concatenate(parts, axis=2).reshape(len(x), -1)
        case "Rearrange":
            return np.concatenate([x, np.zeros((len(x), 1), np.int64)], axis=1)[:, node.index]
        case "ArgMax":
            return x.argmax(axis=-1)[:, None]
        case other:
            raise AssertionError(other)


def run_integers(graph, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Interpret an integer graph at any stage of the pipeline: every value's integers ``[frames, elements]``.

    Every integer must lie in its value's interval and type. Floats are ``[frames, pixels, channels]``.
    """
    values: dict = {graph.input.name: np.asarray(codes, dtype=np.int64)}
    known = {graph.input.name: graph.input}
    for node in graph.nodes:
        x = values[node.inputs[0]]
        if type(node).__name__ == "Elementwise":
            values[node.output] = node.chain(x.reshape(len(x), -1, known[node.input].channels))
            continue
        y = _step(node, x, values, known)
        assert y.shape == (len(codes), node.output.elements), node.name
        assert node.output.lo <= y.min(), node.name
        assert y.max() <= node.output.hi, node.name
        assert node.output.type.holds(y), node.name
        values[node.output.name], known[node.output.name] = y, node.output
    return values


def run_output(graph, codes: np.ndarray) -> np.ndarray:
    """The model's float32 output ``[frames, elements]`` for codes in stream order, before what ``graph.host`` names."""
    last = graph.value(graph.output)
    integers = run_integers(graph, codes)[graph.output]
    floats = np.broadcast_to(graph.final(integers.reshape(len(codes), -1, last.channels)),
                             (len(codes), last.pixels, last.channels)).reshape(len(codes), -1)
    return floats[:, replace(last, order=graph.order).origin_order]


@pytest.fixture(scope="session")
def interpret():
    return run_integers


@pytest.fixture(scope="session")
def interpret_output():
    return run_output


def _folder(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"set {variable} to run this (README.md says to what)")
    return Path(os.environ[variable])


@pytest.fixture(scope="session")
def zoo() -> Path:
    return _folder("GATEWRIGHT_ZOO")


@pytest.fixture(scope="session")
def mnist() -> np.ndarray:
    """The first 1,000 test images of MNIST, uint8 ``[1000, 784]``."""
    data = gzip.decompress((_folder("GATEWRIGHT_DATA") / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(data, np.uint8, count=784_000, offset=16).reshape(1000, 784)
