"""Graphs small enough to read, before any pass, and random ones with everything that an importer may make."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gatewright.compiler.float32 import SIGN, Chain, Uniform
from gatewright.compiler.ir import (
    BIPOLAR,
    Add,
    Concat,
    Conv,
    Elementwise,
    Graph,
    InputSpec,
    IntType,
    MatMul,
    Pool,
    Quantise,
    Rearrange,
    Value,
    Window,
)


def int64(rows) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


@pytest.fixture
def small() -> Graph:
    """Three bytes to bipolar, a layer of two neurons (the second falls), a layer of two whose sums go out."""
    pixels = Value("x", (3,), IntType(8), 0, 255)
    h0 = Value("h0", (3,), BIPOLAR, -1, 1, "h0")
    acc = Value("acc", (2,), IntType(3, signed=True), -3, 3, "acc")
    h1 = Value("h1", (2,), BIPOLAR, -1, 1, "h1")
    out = Value("out", (2,), IntType(3, signed=True), -2, 2, "out")
    one = np.array([1.0])
    return Graph("small", InputSpec(IntType(8), Fraction(1, 255), (3,)), pixels, (
        Elementwise("sub", "x", "h0f", Chain(Fraction(1, 255)).then("sub", [0.5, 0.25, 0.75])),
        Quantise("q0", "h0f", h0),
        MatMul("fc0", "h0", acc, int64([[1, -1, 1], [1, 1, 1]]), BIPOLAR),
        Elementwise("bn", "acc", "h1f", Chain(0.5 * one).then("mul", [1, -1]).then("add", [-0.25, 0.75])),
        Quantise("q1", "h1f", h1),
        MatMul("fc1", "h1", out, int64([[1, 1], [-1, 1]]), BIPOLAR),
    ), "out", Chain(one).then("mul", 0.125))


class Net:
    """An integer graph under construction; each method gives the value that it made."""

    def __init__(self, shape: tuple[int, ...], kind: IntType):
        self.value = Value("x", shape, kind, kind.lo, kind.hi)
        model = (shape[-1], *shape[:-1])
        self.spec = InputSpec(kind, Fraction(1), model)
        self.input, self.nodes = self.value, []

    def _named(self, name: str, shape, lo: int, hi: int, kind: IntType | None = None) -> Value:
        return Value(name, tuple(int(d) for d in shape), kind or IntType.spanning(lo, hi), lo, hi, origin=name)

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.nodes)}"

    def conv(self, x: Value, weights, window: Window, groups: int = 1, kind: IntType | None = None) -> Value:
        weights = int64(weights)
        reach = int(np.abs(weights).reshape(len(weights), -1).sum(axis=1).max()) * max(abs(x.lo), abs(x.hi)) + 1
        name = self._name("conv")
        y = self._named(name, (*window.output(*x.shape[:2]), len(weights)), -reach, reach)
        kind = kind or IntType.spanning(int(weights.min()), int(weights.max()))
        self.nodes.append(Conv(name, x.name, y, weights, kind, window, groups))
        return y

    def matmul(self, x: Value, weights, kind: IntType | None = None) -> Value:
        weights, name = int64(weights), self._name("fc")
        reach = int(np.abs(weights).sum(axis=1).max()) * max(abs(x.lo), abs(x.hi)) + 1
        y = self._named(name, (len(weights),), -reach, reach)
        kind = kind or IntType.spanning(int(weights.min()), int(weights.max()))
        self.nodes.append(MatMul(name, x.name, y, weights, kind))
        return y

    def quantise(self, x: Value, chain: Chain, quantiser) -> Value:
        name = self._name("q")
        self.nodes.append(Elementwise(f"{name}_expr", x.name, f"{name}_float", chain))
        sign = type(quantiser).__name__ == "Sign"
        y = self._named(name, x.shape, quantiser.lo, quantiser.hi, BIPOLAR if sign else None)
        self.nodes.append(Quantise(name, f"{name}_float", y, quantiser))
        return y

    def pool(self, x: Value, kind: str, window: Window) -> Value:
        name, reach = self._name("pool"), 1 if kind == "max" else window.taps
        lo, hi = min(x.lo * reach, x.lo), max(x.hi * reach, x.hi)
        y = self._named(name, (*window.output(*x.shape[:2]), x.channels), min(lo, 0) if kind == "sum" else lo,
                        max(hi, 0) if kind == "sum" else hi, x.type if kind == "max" else None)
        self.nodes.append(Pool(name, x.name, y, kind, window))
        return y

    def add(self, inputs, multipliers) -> Value:
        name = self._name("add")
        reach = sum(abs(m) * max(abs(x.lo), abs(x.hi)) for m, x in zip(multipliers, inputs, strict=True))
        y = self._named(name, inputs[0].shape, -reach, reach)
        self.nodes.append(Add(name, tuple(x.name for x in inputs), y, tuple(multipliers)))
        return y

    def concat(self, inputs) -> Value:
        name = self._name("concat")
        kinds = {x.type for x in inputs}
        y = self._named(name, (*inputs[0].shape[:-1], sum(x.channels for x in inputs)), min(x.lo for x in inputs),
                        max(x.hi for x in inputs), inputs[0].type if len(kinds) == 1 else None)
        self.nodes.append(Concat(name, tuple(x.name for x in inputs), y))
        return y

    def rearrange(self, x: Value, shape, index, kind: str = "slice") -> Value:
        name, index = self._name("move"), int64(index)
        padded = bool((index < 0).any())
        y = self._named(name, shape, min(x.lo, 0) if padded else x.lo, max(x.hi, 0) if padded else x.hi,
                        None if padded else x.type)
        self.nodes.append(Rearrange(name, x.name, y, index, kind))
        return y

    def graph(self, output: Value, final: Chain | None = None) -> Graph:
        return Graph("net", self.spec, self.input, tuple(self.nodes), output.name, final or Chain(np.array([1.0])))


@pytest.fixture(scope="session")
def net():
    return Net


def random_chain(rng: np.random.Generator, channels: int, lo: int, hi: int) -> Chain:
    """A batch normalisation, or a scale and an activation, that uses a part of the interval."""
    scale = float(np.float32(rng.choice([0.1, 0.25, 1.0, 0.037])))
    spread = max(hi - lo, 1) * scale
    chain = Chain(np.array([scale]))
    for _ in range(rng.integers(0, 3)):
        kind = rng.choice(["bn", "relu", "mul", "sigmoid", "leaky", "abs" if hi - lo < 4096 else "tanh"])
        if kind == "bn":
            chain = chain.then("sub", rng.uniform(lo, hi, channels) * scale).then("div", spread / 4)
            chain = chain.then("mul", rng.normal(size=channels)).then("add", rng.normal(size=channels))
        elif kind == "relu":
            chain = chain.then("max", 0)
        elif kind == "mul":
            chain = chain.then("mul", rng.choice([-1.5, 0.5, 2.0], channels))
        else:
            chain = chain.then(str(kind), *([0.1] if kind == "leaky" else []))
    return chain


@pytest.fixture(scope="session")
def random_graph():
    return make_random_graph


def make_random_graph(rng: np.random.Generator, blocks: int = 4) -> Graph:
    """Convolutions, pools, branches that join again, slices and codes of 1 to 10 bits; the output is a product."""
    kind = [BIPOLAR, IntType(2), IntType(4, signed=True), IntType(8)][rng.integers(4)]
    net = Net((int(rng.integers(1, 6)), int(rng.integers(2, 6)), int(rng.integers(1, 4))), kind)
    x = net.value
    codes = [x]
    for _ in range(blocks):
        x = codes[int(rng.integers(max(0, len(codes) - 2), len(codes)))]
        height, width, channels = x.shape
        choice = rng.choice(["conv", "conv", "pool", "sum", "add", "move", "requant"])
        if choice == "conv":
            kernel = int(rng.integers(1, height + 1)), int(rng.integers(1, width + 1))
            pads = tuple(int(rng.integers(0, k)) for k in (*kernel, *kernel))
            groups = channels if rng.random() < 0.3 else 1
            out = groups * int(rng.integers(1, 4))
            weights = rng.integers(-2, 3, size=(out, *kernel, channels // groups))
            y = net.conv(x, weights, Window(kernel, (int(rng.integers(1, 3)),) * 2, pads), groups)
            if rng.random() < 0.3:
                y = net.pool(y, "max", Window((min(2, y.shape[0]), min(2, y.shape[1])), (2, 2)))
        elif choice in ("pool", "sum"):
            window = Window((min(2, height), min(3, width)), pads=(0, 0, 0, int(width > 1)))
            y = net.pool(x, "max" if choice == "pool" else "sum", window)
        elif choice == "add":
            others = [each for each in codes if each.shape == x.shape]
            y = net.add([x, others[int(rng.integers(len(others)))]],
                        [int(rng.choice([1, 3, 1000003, -70001])), int(rng.choice([1, -1, 500009]))])
        elif choice == "move":
            index = np.where(rng.random(x.elements) < 0.2, -1, rng.permutation(x.elements))
            joined = net.concat([x, net.rearrange(x, x.shape, index, "shuffle")])
            y = net.rearrange(joined, (height, width, channels),
                              np.arange(joined.elements).reshape(-1, 2 * channels)[:, channels:].reshape(-1))
        else:
            y = x
        levels = int(rng.choice([1, 2, 3, 7, 15, 255, 700]))
        chain = random_chain(rng, y.channels, y.lo, y.hi)
        low = int(rng.choice([0, -(levels // 2), -levels]))
        step = np.float32(max(1e-3, (y.hi - y.lo) * 0.1 / max(levels, 4)))
        quantiser = SIGN if rng.random() < 0.3 else Uniform(np.array([step]), low, low + levels)
        codes.append(net.quantise(y, chain, quantiser))
    x = codes[-1]
    out = net.matmul(x, rng.integers(-3, 4, size=(3, x.elements)))
    return net.graph(out)
