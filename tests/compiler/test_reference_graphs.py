"""Random models of every operator: exact run = imported graph = compiled graph, and qonnx parts from it by ties alone.

The exact run is the meaning, written from the operators' specifications; plain qonnx (onnxruntime, mostly) holds each
operator's specification against it, and the integer graph its arithmetic.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from gatewright.compiler import passes
from gatewright.compiler.execute import run_golden
from gatewright.compiler.frontend import import_proto
from gatewright.compiler.reference import explain, run_exact, run_plain
from gatewright.errors import UserError

ACTIVATIONS = [
    ("Relu", {}), ("LeakyRelu", {"alpha": 0.1}), ("Sigmoid", {}), ("Tanh", {}), ("HardSigmoid", {}), ("Elu", {}),
    ("Softsign", {}), ("Abs", {}), ("HardSwish", {}), ("Erf", {}), ("Floor", {}), ("Round", {}), ("Sign", {}),
    ("Ceil", {}), ("Neg", {}), ("Sin", {}), ("Mish", {}), ("Cos", {}), ("Softplus", {}), ("Selu", {}), ("Celu", {}),
]
MOVES = ("transpose", "slice", "split", "gather", "upsample", "depth", "space", "pad", "shuffle", "flatten", "tile")


class Model:
    """A model under construction: a builder, and the shape of its last tensor."""

    def __init__(self, builder, rng, shape):
        self.net, self.rng, self.shape = builder((1, *shape), opset=18), rng, tuple(shape)

    def choose(self, options):
        return options[int(self.rng.integers(len(options)))]

    def quantise(self) -> None:
        rng, kind = self.rng, self.choose(["sign", "quant", "quant", "channels", "multi", "trunc"])
        scale = np.float32(self.choose([0.25, 0.5, 0.1, 0.37, 1.0]))
        if kind == "sign":
            self.net.sign(scale)
            return
        bits, signed = int(rng.integers(1, 7)), bool(rng.integers(2))
        if kind == "multi":
            steps = np.sort(rng.normal(size=(self.shape[0], 3)), axis=1).astype(np.float32)
            bias = self.choose([0.0, -1.0, 0.3])
            layout = {} if len(self.shape) != 2 else {"data_layout": "NCW"}
            self.net.node("MultiThreshold", ..., steps, out_dtype="INT4", out_scale=float(scale),
                          out_bias=float(np.float32(bias) * scale), **layout)
            return
        if kind == "channels" and bits > 1:
            factors = rng.choice([0.5, 0.25, 1.0, 2.0], size=(1, self.shape[0], *[1] * (len(self.shape) - 1)))
            scale = scale * factors.astype(np.float32)
        self.net.quantise(scale, max(bits, 2) if kind == "channels" else bits, signed=signed or bits == 1,
                          narrow=bool(rng.integers(2)) and bits > 2,
                          rounding=self.choose(["ROUND", "ROUND", "FLOOR", "CEIL", "HALF_UP", "DOWN"]))
        if kind == "trunc" and bits > 2 and signed:
            self.net.node("Trunc", ..., scale, np.float32(0), np.float32(bits), np.float32(bits - 1),
                          rounding_mode="FLOOR")

    def conv(self) -> None:
        rng, channels = self.rng, self.shape[0]
        axes = len(self.shape) - 1
        if not axes:
            out = int(rng.integers(2, 6))
            bias = rng.normal(size=out) if rng.random() < 0.5 else None
            self.net.gemm(rng.integers(-3, 4, size=(out, channels)), self.scales(out, 2), bias, bits=3)
            self.shape = (out,)
            return
        kernel = [int(rng.integers(1, min(3, size) + 1)) for size in self.shape[1:]]
        strides = [int(rng.integers(1, 3)) for _ in kernel]
        pads = [int(rng.integers(0, k)) for k in (*kernel, *kernel)]
        groups = channels if rng.random() < 0.3 else 1
        each = int(rng.integers(1, 3 if groups > 1 else 5))
        options = {"strides": strides, "pads": pads, "group": groups}
        if rng.random() < 0.25:
            weights = rng.integers(-3, 4, size=(channels, each, *kernel))
            extra = [int(rng.integers(0, stride)) for stride in strides]
            size = [(s - 1) * stride + k + e - a - b for s, stride, k, e, a, b in zip(
                self.shape[1:], strides, kernel, extra, pads[:axes], pads[axes:], strict=True)]
            if min(size) > 0:
                self.net.conv(weights, 0.25, bits=3, op="ConvTranspose", output_padding=extra, **options)
                self.shape = (each * groups, *size)
                return
        dilations = [int(rng.integers(1, 3)) if (k - 1) * 2 < s else 1 for k, s in zip(
            kernel, self.shape[1:], strict=True)]
        size = [(s + a + b - d * (k - 1) - 1) // stride + 1 for s, stride, k, d, a, b in zip(
            self.shape[1:], strides, kernel, dilations, pads[:axes], pads[axes:], strict=True)]
        weights = rng.integers(-3, 4, size=(each * groups, channels // groups, *kernel))
        if rng.random() < 0.2:
            weights = np.where(weights >= 0, 1, -1)
            bits = None
        else:
            bits = 3
        bias = rng.normal(size=each * groups) if rng.random() < 0.4 else None
        self.net.conv(weights, self.scales(each * groups, axes + 2), bias, bits=bits, dilations=dilations, **options)
        self.shape = (each * groups, *size)

    def scales(self, out: int, rank: int):
        if self.rng.random() < 0.5:
            return np.float32(self.choose([0.5, 0.1]))
        return self.rng.uniform(0.1, 1, size=(out, *[1] * (rank - 1))).astype(np.float32)

    def pool(self) -> None:
        rng, axes = self.rng, len(self.shape) - 1
        if not axes:
            return
        kind = self.choose(["MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "GlobalMaxPool"])
        if kind in ("GlobalAveragePool", "GlobalMaxPool"):
            self.net.node(kind)
            self.shape = (self.shape[0], *[1] * axes)
        elif kind == "ReduceMean":
            self.net.node(kind, ..., np.arange(2, 2 + axes), keepdims=0)
            self.shape = self.shape[:1]
        else:
            kernel = [min(2, size) for size in self.shape[1:]]
            strides = [int(rng.integers(1, 3)) for _ in kernel]
            options = {"ceil_mode": int(rng.integers(2))} if kind == "MaxPool" else {}
            self.net.node(kind, kernel_shape=kernel, strides=strides, **options)
            sizes = []
            for size, k, s in zip(self.shape[1:], kernel, strides, strict=True):
                count = (-(-(size - k) // s) if options.get("ceil_mode") else (size - k) // s) + 1
                sizes.append(count - 1 if (count - 1) * s >= size else count)
            self.shape = (self.shape[0], *sizes)

    def activate(self) -> None:
        rng, kind = self.rng, self.rng.integers(7)
        channels, tail = self.shape[0], [1] * (len(self.shape) - 1)
        if kind == 0:
            self.net.norm(*rng.normal(size=(3, channels)), rng.uniform(0.1, 4, size=channels))
        elif kind == 1:
            op = self.choose(["Add", "Sub", "Mul", "Div"])
            number = rng.uniform(0.2, 2, size=(1, channels, *tail) if rng.random() < 0.5 else 1).astype(np.float32)
            self.net.node(op, ..., number)
        elif kind == 2:
            self.net.node("Clip", ..., np.float32(-0.7), np.float32(1.3))
        elif kind == 3:
            self.net.node("PRelu", ..., rng.uniform(0, 0.5, size=(channels, *tail)).astype(np.float32))
        elif kind == 4:
            before = self.net.last
            op, attributes = self.choose(ACTIVATIONS)
            self.net.node(op, **attributes).node(self.choose(["Mul", "Add", "Sub", "Max", "Min"]), before, ...)
        else:
            op, attributes = self.choose(ACTIVATIONS)
            self.net.node(op, **attributes)

    def move(self) -> None:
        rng, shape, kind = self.rng, self.shape, self.choose(MOVES)
        if kind == "flatten" or len(shape) == 1:
            self.net.node("Flatten")
            self.shape = (int(np.prod(shape)),)
        elif kind == "transpose":
            axes = [0, *(int(a) for a in rng.permutation(len(shape)) + 1)]
            self.net.node("Transpose", perm=axes)
            self.shape = tuple(shape[a - 1] for a in axes[1:])
        elif kind == "slice":
            self.net.node("Slice", ..., np.array([-1]), np.array([-shape[0] - 1]), np.array([1]), np.array([-1]))
        elif kind == "split" and shape[0] > 1:
            self.net.node("Split", ..., np.array([1, shape[0] - 1]), outputs=2, axis=1)
            self.net.at(f"{self.net.last}_1")
            self.shape = (shape[0] - 1, *shape[1:])
        elif kind == "gather":
            places = rng.integers(0, shape[-1], size=3)
            self.net.node("Gather", ..., places, axis=len(shape))
            self.shape = (*shape[:-1], 3)
        elif kind == "tile":
            self.net.node("Tile", ..., np.array([1, 1, *[1] * (len(shape) - 2), 2]))
            self.shape = (*shape[:-1], 2 * shape[-1])
        elif kind == "shuffle" and shape[0] % 2 == 0:
            self.net.node("Reshape", ..., np.array([0, 2, shape[0] // 2, *shape[1:]]))
            self.net.node("Transpose", perm=[0, 2, 1, *range(3, len(shape) + 2)])
            self.net.node("Reshape", ..., np.array([0, shape[0], *shape[1:]]))
        elif kind == "pad":
            self.net.node("Pad", ..., np.array([0, 0, *[1] * (len(shape) - 1), 0, 0, *[0] * (len(shape) - 1)]))
            self.shape = (shape[0], *(size + 1 for size in shape[1:]))
        elif len(shape) == 3 and kind == "upsample":
            self.net.node("Resize", ..., "", np.array([1, 1, 2, 3], dtype=np.float32), mode="nearest",
                          coordinate_transformation_mode="asymmetric", nearest_mode="floor")
            self.shape = (shape[0], 2 * shape[1], 3 * shape[2])
        elif len(shape) == 3 and kind == "depth" and shape[0] % 4 == 0:
            self.net.node("DepthToSpace", blocksize=2, mode=self.choose(["DCR", "CRD"]))
            self.shape = (shape[0] // 4, 2 * shape[1], 2 * shape[2])
        elif len(shape) == 3 and kind == "space" and shape[1] % 2 == shape[2] % 2 == 0:
            self.net.node("SpaceToDepth", blocksize=2)
            self.shape = (shape[0] * 4, shape[1] // 2, shape[2] // 2)

    def join(self) -> None:
        """A branch and what it branches from, added or side by side."""
        trunk, shape = self.net.last, self.shape
        self.activate()
        self.quantise()
        branch = self.net.last
        kind = self.choose(["Add", "Sub", "Concat"])
        if kind == "Concat":
            self.net.node("Concat", branch, trunk, axis=1)
            self.shape = (shape[0] * 2, *shape[1:])
        else:
            self.net.node(kind, branch, trunk)


def model_of(builder, seed: int, blocks: list[str]):
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(0, 3))
    model = Model(builder, rng, [int(rng.integers(1, 5)), *(int(rng.integers(2, 6)) for _ in range(axes))])
    model.quantise()
    for block in blocks:
        getattr(model, block)()
        if block in ("conv", "join", "activate") or rng.random() < 0.5:
            if rng.random() < 0.6:
                model.activate()
            model.quantise()
    model.conv()
    return model


def compared(graph, values, exact) -> int:
    """Hold the integers of every tensor that both have against each other; how many there were."""
    count = 0
    for value in [graph.input, *(node.output for node in graph.nodes)]:
        if not isinstance(value, str) and value.origin is not None:
            expected = exact.integers(value.origin)
            np.testing.assert_array_equal(values[value.name][:, value.origin_order], expected, value.name)
            count += 1
    return count


BLOCKS = st.lists(st.sampled_from(["conv", "pool", "activate", "move", "join"]), min_size=0, max_size=5)


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), blocks=BLOCKS, declared=st.booleans())
def test_any_model(builder, interpret, interpret_output, seed, blocks, declared):
    model = model_of(builder, seed, blocks)
    for node in model.net.nodes:
        note(f"{node.op_type} {', '.join(node.input)} -> {', '.join(node.output)}")
    options = {"input_type": "int5", "input_scale": Fraction(1, 7)} if declared else {}
    try:
        imported = import_proto(model.net.model(), **options)
        graph = passes.run(imported.graph)
    except UserError as error:
        event("refused: " + str(error).split(":")[1][:40])
        return
    spec = imported.graph.spec
    x = np.random.default_rng(seed).normal(size=(6, *model.net.shape[1:])).astype(np.float32)
    codes = spec.encode(np.round(x * 7).clip(-16, 15) / 7 if declared else x)
    exact = run_exact(imported.model, codes[:, spec.order], spec)
    assert compared(imported.graph, interpret(imported.graph, codes), exact) >= 1
    golden = run_golden(graph, codes)
    compared(graph, golden, exact)
    np.testing.assert_array_equal(interpret_output(imported.graph, codes), exact.output)
    plain = run_plain(imported.model, codes[:, spec.order], spec)
    found = explain(exact, plain.codes, plain.output)
    event(f"parted frames: {len(found.differing)}")
    for node in imported.model.graph.node:
        event(node.op_type)
