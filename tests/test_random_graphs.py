"""Random networks, whole: QONNX with exact accumulation = golden = RTL at every boundary, cycles as predicted.

A network is drawn as a :class:`Plan`, a few readable lines that hypothesis shrinks; ``str(plan)`` is what a failure
shows. `make test` runs 100 of them, `make test-full` 2,000 more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
from hypothesis import given, note, seed, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import gatewright
from gatewright.compiler.engine import obstacle
from gatewright.compiler.folding import ENGINES, Blocks, Elements, Fold, depthwise_folds, divisors, work_of
from gatewright.hdl.pipeline import DEGREES

QUANT = "qonnx.custom_op.general"
ACTIVATIONS = ("none", "Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "HardSigmoid", "norm")
WEIGHTS = ("bipolar", "ternary", "int2", "int3", "int4", "int8", "power", "levels")
QUANTISERS = ("bipolar", "uint1", "uint2", "int2", "narrow2", "uint3", "int4", "narrow4", "uint4", "int5", "uint8")


@dataclass
class Plan:
    """A network in words: what it takes, its blocks in order, and the random numbers behind weights and folding."""

    shape: tuple[int, ...]
    input: str
    scale: str
    blocks: list[tuple] = field(default_factory=list)
    seed: int = 0
    memory: str = "rom"
    density: float = 1.0  # of weights; where some are pruned away, layers are on any engine

    def __str__(self):
        lines = [f"input {self.input} x {self.scale} of {self.shape}, seed {self.seed}, {self.memory} weights, "
                 f"{self.density:.0%} of them kept"]
        return "\n".join(lines + [f"  {' '.join(map(str, block))}" for block in self.blocks])


class Net:
    """A QONNX graph under construction; tensors are names, ``shapes`` without the batch axis."""

    def __init__(self, plan: Plan):
        self.rng, self.density = np.random.default_rng(plan.seed), plan.density
        self.nodes, self.constants = [], []
        self.shapes = {"x": plan.shape}
        self.spread = {"x": 1.0}  # roughly how far a tensor's values lie from 0

    def constant(self, array, dtype=np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype=dtype), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def op(self, kind, inputs, shape, spread, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}" + (f"_{k}" if k else "") for k in range(outputs)]
        domain = QUANT if kind in ("Quant", "BipolarQuant") else ""
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"{kind}_{len(self.nodes)}", domain=domain,
                                           **attributes))
        for name in names:
            self.shapes[name], self.spread[name] = shape, spread
        return names[0] if outputs == 1 else names

    def scale(self) -> float:
        """A power of two, or any number: both are common."""
        exact = 2.0 ** self.rng.integers(-4, 1)
        return float(exact if self.rng.random() < 0.5 else np.float32(exact * self.rng.uniform(0.6, 1.0)))

    def weights(self, kind: str, shape) -> str:
        """Quantised weights; the tensor's name and a rough magnitude."""
        rng = self.rng
        if kind == "levels":  # two magnitudes, as trained ternary quantisation has them
            return self.constant(rng.choice(np.float32([-0.375, 0, 0.625]), size=shape))
        if kind == "bipolar":
            latent = self.constant(rng.normal(size=shape))
            return self.op("BipolarQuant", [latent, self.constant(self.scale())], shape, 1.0)
        bits, narrow = {"ternary": (2, 1), "power": (8, 1)}.get(kind, (int(kind[-1]) if kind[-1].isdigit() else 8, 0))
        per_channel = rng.random() < 0.4
        scale = np.float32([self.scale() for _ in range(shape[0])]).reshape(-1, *[1] * (len(shape) - 1)) if (
            per_channel) else np.float32(self.scale())
        if kind == "power":
            integers = rng.choice([-16, -4, -1, 0, 1, 2, 8], size=shape)
        else:
            integers = rng.integers(-(1 << bits - 1) + narrow, 1 << bits - 1, size=shape)
        if self.density < 1:
            integers = np.where(rng.random(shape) < self.density, integers, 0)
        latent = self.constant(integers * scale)
        return self.op("Quant", [latent, self.constant(scale), self.constant(0), self.constant(bits)], shape, 1.0,
                       signed=1, narrow=narrow, rounding_mode="ROUND")

    def quantise(self, x: str, kind: str, scale=None) -> str:
        shape, spread = self.shapes[x], self.spread[x]
        if kind == "bipolar":
            return self.op("BipolarQuant", [x, self.constant(1.0)], shape, 1.0)
        bits, signed = int(kind[-1]), not kind.startswith("uint")
        scale = scale or float(np.float32(max(spread, 1e-3) * self.scale() * 4 / (1 << bits)))
        mode = "FLOOR" if self.rng.random() < 0.1 else "ROUND"
        return self.op("Quant", [x, self.constant(scale), self.constant(0), self.constant(bits)], shape,
                       scale * (1 << bits) / 2, signed=int(signed), narrow=int(kind.startswith("narrow")),
                       rounding_mode=mode)

    def activate(self, x: str, kind: str) -> str:
        shape, spread = self.shapes[x], self.spread[x]
        channels = shape[0]
        match kind:
            case "none":
                return x
            case "Clip":
                return self.op("Clip", [x, self.constant(-spread), self.constant(spread / 2)], shape, spread)
            case "LeakyRelu":
                return self.op(kind, [x], shape, spread, alpha=0.125)
            case "PRelu":
                slope = self.rng.uniform(0, 0.5, size=(channels, *[1] * (len(shape) - 1)))
                return self.op(kind, [x, self.constant(slope)], shape, spread)
            case "norm":
                rows = [self.rng.normal(size=channels), self.rng.normal(size=channels),
                        self.rng.normal(size=channels) * spread, self.rng.uniform(0.3, 2, channels) * spread**2]
                return self.op("BatchNormalization", [x, *map(self.constant, rows)], shape, 1.5)
            case _:
                return self.op(kind, [x], shape, 1.0 if kind in ("Sigmoid", "Tanh", "HardSigmoid") else spread)

    def conv(self, x, outputs, kernel, weights, stride=1, pads=(0, 0, 0, 0), dilation=1, groups=1, bias=False) -> str:
        channels, *size = self.shapes[x]
        axes = len(size)
        kernels = list(kernel[:axes])
        pads = list(pads) if axes == 2 else [pads[0], pads[2]]
        out = [(n + pads[a] + pads[a + axes] - dilation * (kernels[a] - 1) - 1) // stride + 1
               for a, n in enumerate(size)]
        fan = channels // groups * int(np.prod(kernels))
        inputs = [x, self.weights(weights, (outputs, channels // groups, *kernels))]
        spread = self.spread[x] * fan**0.5
        if bias:
            inputs.append(self.constant(self.rng.normal(size=outputs) * spread))
        return self.op("Conv", inputs, (outputs, *out), spread, kernel_shape=kernels, strides=[stride] * axes,
                       pads=pads, dilations=[dilation] * axes, group=groups)

    def model(self, output: str) -> onnx.ModelProto:
        take = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *self.shapes["x"]])
        give = helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, *self.shapes[output]])
        graph = helper.make_graph(self.nodes, "random", [take], [give], self.constants)
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QUANT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def grow(plan: Plan) -> onnx.ModelProto:
    """The plan's network; a block that does not fit the shape that it meets is left out."""
    net, x = Net(plan), "x"
    for kind, *choices in plan.blocks:
        x = BLOCKS[kind](net, x, *choices)
    shape = net.shapes[x]
    if len(shape) > 1:
        x = net.op("Flatten", [x], (int(np.prod(shape)),), net.spread[x], axis=1)
    features, classes = net.shapes[x][0], int(net.rng.integers(2, 6))
    kind = WEIGHTS[int(net.rng.integers(len(WEIGHTS)))]
    inputs = [x, net.weights(kind, (classes, features))]
    if net.rng.random() < 0.5:
        inputs.append(net.constant(net.rng.normal(size=classes)))
    x = net.op("Gemm", inputs, (classes,), net.spread[x] * features**0.5, transB=1)
    return net.model(x)


def _sees(size, kernel, before, after, stride, dilation) -> bool:
    """Whether any tap of any window along an axis falls on the image."""
    starts = range(-before, size + after - dilation * (kernel - 1), stride)
    return any(0 <= start + dilation * tap < size for start in starts for tap in range(kernel))


def _layer(net, x, outputs, kernel, weights, stride, pads, dilation, groups, bias, activation, quantiser):
    """Convolution (or dense layer), activation, quantiser."""
    channels, *size = net.shapes[x]
    if not size:
        inputs = [x, net.weights(weights, (outputs, channels))]
        x = net.op("Gemm", inputs, (outputs,), net.spread[x] * channels**0.5, transB=1)
    else:
        groups = {"one": 1, "two": 2, "depthwise": channels}[groups]
        outputs = channels if groups == channels else outputs + outputs % groups
        reach = [dilation * (k - 1) + 1 for k in kernel[:len(size)]]
        room = [n + pads[a] + pads[a + 2] for a, n in enumerate(size)]
        if channels % groups or any(r > n for r, n in zip(reach, room, strict=True)):
            return x
        if not all(_sees(*axis, stride, dilation) for axis in zip(size, kernel, pads, pads[2:], strict=False)):
            return x  # a layer that sees nothing but padding is refused
        x = net.conv(x, outputs, kernel, weights, stride, pads, dilation, groups, bias)
    return net.quantise(net.activate(x, activation), quantiser)


def _residual(net, x, kernel, weights, quantiser, same):
    """x + layer(x), then a quantiser; ``same`` shares the operands' scale."""
    if len(net.shapes[x]) != 3:
        return x
    scale = net.scale()
    left = net.quantise(x, "int4", scale)
    pads = (kernel[0] // 2, kernel[1] // 2, (kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
    right = net.conv(left, net.shapes[x][0], kernel, weights, pads=pads)
    right = net.quantise(right, "int4", scale if same else None)
    total = net.op("Add", [right, left], net.shapes[x], net.spread[left] + net.spread[right])
    return net.quantise(net.activate(total, "Relu"), quantiser)


def _concat(net, x, weights, quantiser):
    """Two layers side by side (a fire module's expansion)."""
    if len(net.shapes[x]) != 3:
        return x
    scale = net.scale()
    left = net.quantise(net.conv(x, 2, (1, 1), weights), quantiser, scale)
    right = net.quantise(net.conv(x, 4, (3, 3), weights, pads=(1, 1, 1, 1)), quantiser, scale)
    return net.op("Concat", [left, right], (6, *net.shapes[x][1:]), net.spread[left], axis=1)


def _pool(net, x, kind, kernel, stride, padded, quantiser):
    channels, *size = net.shapes[x]
    if not size or any(n < k for n, k in zip(size, kernel, strict=False)):
        return x
    kernel = list(kernel[:len(size)])
    pads = [int(padded and kind == "MaxPool" and k > 1) for k in kernel]
    out = [(n + 2 * p - k) // stride + 1 for n, k, p in zip(size, kernel, pads, strict=True)]
    x = net.op(kind, [x], (channels, *out), net.spread[x], kernel_shape=kernel, strides=[stride] * len(size),
               pads=pads * 2)
    return net.quantise(x, quantiser) if kind == "AveragePool" else x


def _global(net, x, quantiser):
    channels, *size = net.shapes[x]
    if not size:
        return x
    x = net.op("GlobalAveragePool", [x], (channels, *[1] * len(size)), net.spread[x])
    return net.quantise(x, quantiser)


def _shuffle(net, x):
    channels, *size = net.shapes[x]
    if len(size) != 2 or channels % 2:
        return x
    shape = net.constant([1, 2, channels // 2, *size], np.int64)
    x = net.op("Reshape", [x, shape], (2, channels // 2, *size), net.spread[x])
    x = net.op("Transpose", [x], (channels // 2, 2, *size), net.spread[x], perm=[0, 2, 1, 3, 4])
    return net.op("Reshape", [x, net.constant([1, channels, *size], np.int64)], (channels, *size), net.spread[x])


def _split(net, x, weights, quantiser):
    """Half of the channels pass, the other half goes through a layer (ShuffleNet v2's unit)."""
    channels, *size = net.shapes[x]
    if len(size) != 2 or channels % 2:
        return x
    x = net.quantise(x, quantiser, scale := net.scale())
    shape = (channels // 2, *size)
    left, right = net.op("Split", [x], shape, net.spread[x], outputs=2, axis=1)
    right = net.quantise(net.conv(right, channels // 2, (1, 1), weights), quantiser, scale)
    return net.op("Concat", [left, right], (channels, *size), net.spread[x], axis=1)


def _move(net, x, kind):
    channels, *size = net.shapes[x]
    if len(size) != 2 or int(np.prod(size)) > 64:
        return x
    if kind == "upsample":
        scales = net.constant([1, 1, 2, 2])
        return net.op("Resize", [x, "", scales], (channels, size[0] * 2, size[1] * 2), net.spread[x], mode="nearest",
                      coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    if kind == "depth to space" and channels % 4 == 0:
        return net.op("DepthToSpace", [x], (channels // 4, size[0] * 2, size[1] * 2), net.spread[x], blocksize=2)
    if kind == "slice" and size[0] > 2:
        bounds = [net.constant(v, np.int64) for v in ([1], [size[0]], [2])]
        return net.op("Slice", [x, *bounds], (channels, size[0] - 1, size[1]), net.spread[x])
    if kind == "transposed":
        weights = net.constant(net.rng.choice(np.float32([-0.5, 0.5]), size=(channels, 3, 2, 2)))
        x = net.op("ConvTranspose", [x, weights], (3, size[0] * 2, size[1] * 2), net.spread[x] * channels**0.5,
                   kernel_shape=[2, 2], strides=[2, 2])
        return net.quantise(x, "int4")
    return x


BLOCKS = {"layer": _layer, "residual": _residual, "concat": _concat, "pool": _pool, "global": _global,
          "shuffle": _shuffle, "split": _split, "move": _move}

_kernels = st.tuples(st.integers(1, 3), st.integers(1, 3))
_blocks = st.one_of(
    st.tuples(st.just("layer"), st.integers(1, 6), _kernels, st.sampled_from(WEIGHTS), st.integers(1, 2),
              st.tuples(*[st.integers(0, 1)] * 4), st.integers(1, 2), st.sampled_from(("one", "two", "depthwise")),
              st.booleans(), st.sampled_from(ACTIVATIONS), st.sampled_from(QUANTISERS)),
    st.tuples(st.just("residual"), _kernels, st.sampled_from(WEIGHTS), st.sampled_from(QUANTISERS), st.booleans()),
    st.tuples(st.just("concat"), st.sampled_from(WEIGHTS), st.sampled_from(QUANTISERS)),
    st.tuples(st.just("pool"), st.sampled_from(("MaxPool", "AveragePool")), _kernels, st.integers(1, 2), st.booleans(),
              st.sampled_from(QUANTISERS)),
    st.tuples(st.just("global"), st.sampled_from(QUANTISERS)),
    st.tuples(st.just("shuffle")),
    st.tuples(st.just("split"), st.sampled_from(WEIGHTS), st.sampled_from(QUANTISERS)),
    st.tuples(st.just("move"), st.sampled_from(("upsample", "depth to space", "slice", "transposed"))),
)
_shapes = st.one_of(st.tuples(st.integers(1, 12)), st.tuples(st.integers(1, 3), st.integers(3, 10)),
                    st.tuples(st.integers(1, 4), st.integers(2, 6), st.integers(2, 6)))
plans = st.builds(Plan, _shapes, st.sampled_from(("bipolar", "uint1", "uint3", "uint8", "int2", "int4", "int8")),
                  st.sampled_from(("1", "1/255", "1/16", "3/7")), st.lists(_blocks, max_size=4),
                  st.integers(0, 2**32 - 1), st.just("rom"), st.sampled_from((1.0, 1.0, 0.4, 0.1)))


def on_any_engine(graph, layer, fold, rng):
    """The fold as it is, of blocks, or a sparse engine instead."""
    able = [engine for engine in ENGINES if obstacle(graph, layer, engine, "rom") is None]
    match str(rng.choice(able)):
        case "static":
            return Blocks(fold.pe, fold.simd)
        case "eie":
            rows, columns = layer.weights.shape
            elements = int(rng.integers(1, min(rows, 6) + 1))
            return Elements(elements, int(rng.integers(1, min(columns, 6) + 1)), int(rng.choice(divisors(elements))),
                            int(rng.choice([1, 2, 8])), int(rng.integers(1, 5)), bool(rng.integers(2)))
    return fold


def check(plan: Plan, folder, say=note) -> None:
    path = folder / "random.onnx"
    path.write_bytes(grow(plan).SerializeToString())
    model = gatewright.load(path, input=plan.input, input_scale=plan.scale)
    rng = np.random.default_rng(plan.seed)
    folds = []
    for layer in model.layers:
        work = work_of(model.graph, layer)
        every = depthwise_folds(work) if work.depthwise else []
        folds.append(every[int(rng.integers(len(every)))] if every else
                     Fold(int(rng.integers(1, work.rows + 1)), int(rng.integers(1, work.columns + 1))))
        if plan.density < 1:
            folds[-1] = on_any_engine(model.graph, layer, folds[-1], rng)
    degrees = np.random.default_rng(plan.seed + 1).choice(len(DEGREES), size=len(folds)).tolist()
    say(f"{plan}\nfolding {','.join(map(str, folds))}, pipeline {degrees}")
    design = gatewright.compile(model, folding=folds, memory=plan.memory, pipeline=degrees)
    kind = model.graph.spec.type
    codes = rng.integers(kind.lo, kind.hi + 1, size=(5, *plan.shape))
    verification = design.verify(np.where(codes > 0, 1, -1) if kind.bipolar else codes, seed=plan.seed)
    assert verification.mismatches == 0
    cycles = verification.cycles
    assert cycles.interval["predicted"] == cycles.interval["measured"]
    assert cycles.latency["predicted"] == cycles.latency["measured"]


def run(number: int, examples: int, folder) -> None:
    @seed(number)
    @settings(max_examples=examples, database=None, deadline=None)
    @given(plan=plans)
    def each(plan):
        check(plan, folder)

    each()


@pytest.mark.parametrize("part", range(10))
def test_a_random_network_is_proven_to_the_bit_and_to_the_cycle(part, tmp_path):
    run(part, 10, tmp_path)


FAILED_ONCE = [
    # Frames ran out before the pipeline of a fast unit in front of a slow one was full: a FIFO's peak was not reached.
    Plan((3, 3), "uint8", "3/7", [("global", "uint4"), ("split", "power", "uint4")] * 2, 31921),
]


@pytest.mark.parametrize("plan", FAILED_ONCE, ids=lambda plan: f"seed {plan.seed}")
def test_a_network_that_failed_once(plan, tmp_path):
    check(plan, tmp_path, say=print)


@pytest.mark.full
@pytest.mark.parametrize("part", range(40))
def test_two_thousand_random_networks(part, tmp_path):
    run(1000 + part, 50, tmp_path)
