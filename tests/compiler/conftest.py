"""Small ONNX models made by hand, for every test of the compiler's front half.

pytest imports test modules by path here, so what they share comes as fixtures.
"""

from __future__ import annotations

import gzip
import itertools
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

QUANT = "qonnx.custom_op.general"
QUANTISERS = ("BipolarQuant", "Quant", "Trunc")


class Builder:
    """A chain of nodes under construction; ``last`` is the tensor at its end."""

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

    def node(self, op: str, *inputs, domain: str | None = None, name: str | None = None, **attributes) -> Builder:
        """Append a node on ``last``. Inputs are tensor names, or arrays; ``...`` stands for ``last``."""
        inputs = inputs or (...,)
        names = [self.last if i is ... else i if isinstance(i, str) else self.constant(i) for i in inputs]
        if domain is None:
            domain = self.quant if op in QUANTISERS else ""
        name = name or f"{op}_{len(self.nodes)}"
        self.last = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [self.last], name=name, domain=domain, **attributes))
        return self

    def sign(self, scale=1.0, name: str | None = None) -> Builder:
        return self.node("BipolarQuant", ..., np.float32(scale), name=name)

    def weights(self, latent, scale=1.0) -> str:
        """A weight quantiser; gives its tensor's name and leaves ``last`` where it was."""
        before = self.last
        self.node("BipolarQuant", np.asarray(latent, dtype=np.float32), np.asarray(scale, dtype=np.float32))
        after, self.last = self.last, before
        return after

    def gemm(self, latent, scale=1.0, bias=None, **attributes) -> Builder:
        operands = [..., self.weights(latent, scale)]
        if bias is not None:
            operands.append(np.asarray(bias, dtype=np.float32))
        return self.node("Gemm", *operands, **{"transB": 1, **attributes})

    def norm(self, scale, bias, mean, variance, **attributes) -> Builder:
        return self.node("BatchNormalization", ...,
                         *(np.asarray(a, dtype=np.float32) for a in (scale, bias, mean, variance)), **attributes)

    def model(self, *, outputs: list[str] | None = None, inputs: list | None = None,
              ir_version: int = 10) -> onnx.ModelProto:
        infos = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(self.shape))]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs or [self.last]]
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
def network():
    return random_network


def run_integers(graph, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Interpret an integer graph at any stage of the pipeline: the integers of every value, ``[frames, elements]``."""
    values: dict = {graph.input.name: np.asarray(codes, dtype=np.int64)}
    for node in graph.nodes:
        x = values[node.input]
        match type(node).__name__:
            case "MatMul":
                y = x @ node.weights.T
            case "Elementwise":
                values[node.output] = node.chain(x)
                continue
            case "Quantise":
                y = np.where(x >= 0, 1, -1)
            case "Threshold":
                y = np.where(np.where(node.falling, x <= node.thresholds[:, 0], x >= node.thresholds[:, 0]), 1, -1)
            case "Dense":
                y = x @ node.weights.T
                if node.thresholds is not None:
                    y = np.where(y >= node.thresholds[:, 0], 1, -1)
            case "ArgMax":
                y = x.argmax(axis=-1)[:, None]
            case other:
                raise AssertionError(other)
        assert node.output.lo <= y.min()
        assert y.max() <= node.output.hi
        values[node.output.name] = y
    return values


@pytest.fixture(scope="session")
def interpret():
    return run_integers


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
