"""The units that the cost model is fitted on: random parameters of every kind, of the sizes that designs have.

Sample ``k`` of a kind is the same whenever it is drawn, so that measurements can be kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gatewright.boards import memory as memories
from gatewright.boards.family import Family
from gatewright.boards.features import describe
from gatewright.boards.numbers import Unit
from gatewright.compiler.stream import Edge
from gatewright.compiler.units import make
from gatewright.hdl.argmax import ArgMaxParameters
from gatewright.hdl.block_sparse import BlockSparseParameters
from gatewright.hdl.concat import ConcatParameters
from gatewright.hdl.depthwise import DepthwiseParameters
from gatewright.hdl.fifo import FifoParameters
from gatewright.hdl.fork import ForkParameters
from gatewright.hdl.join import AddParameters
from gatewright.hdl.mvu import MatrixVectorParameters
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.pool import PoolParameters
from gatewright.hdl.reorder import ReorderParameters
from gatewright.hdl.requantise import RequantiseParameters
from gatewright.hdl.rom import add_rom
from gatewright.hdl.shuffle import ShuffleParameters
from gatewright.hdl.sparse_hash import HashParameters
from gatewright.hdl.sparse_lfsr import LfsrParameters
from gatewright.hdl.sparse_matrix import SparseParameters
from gatewright.hdl.table import TableParameters
from gatewright.hdl.threshold import ThresholdParameters
from gatewright.hdl.upsample import UpsampleParameters
from gatewright.hdl.weights import WeightStreamerParameters
from gatewright.hdl.width import WidthParameters
from gatewright.hdl.window import WindowParameters
from gatewright.hdl.window_parallel import ParallelWindowParameters

from .cost_samples_sparse import blocks, engine, unstored
from .cost_samples_trained import (
    depthwise,
    logs,
    matrix_vector,
    random_type,
    requantise,
    streamer,
    table,
    threshold,
    whole,
)

__all__ = ["MOST", "SAMPLES", "Sample", "count", "draw"]


class Sample:
    """A component to synthesise, and what the model is told of it."""

    def __init__(self, component: Callable[[], Any], unit: Unit, text: str):
        self.component, self.unit, self.text = component, unit, text


class _Store(wiring.Component):
    """A memory alone: a table, or words written and read."""

    def __init__(self, depth: int, width: int, written: bool, clocked: bool, rng: Random):
        self._shape, self._written, self._clocked = (depth, width), written, clocked
        self._words = [rng.getrandbits(width) for _ in range(depth)]
        address = max(1, (depth - 1).bit_length())
        super().__init__({"read": In(address), "enable": In(1), "data": Out(width), "write": In(address),
                          "new": In(width), "now": In(1)})

    def elaborate(self, platform):
        m = Module()
        depth, width = self._shape
        if not self._written:
            m.d.comb += self.data.eq(add_rom(m, platform, self._words, width, self.read, self.enable, name="table"))
            return m
        m.submodules.store = memory = Memory(shape=width, depth=depth, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="sync" if self._clocked else "comb")
        m.d.comb += [write.addr.eq(self.write), write.data.eq(self.new), write.en.eq(self.now),
                     read.addr.eq(self.read), self.data.eq(read.data)]
        if self._clocked:
            m.d.comb += read.en.eq(self.enable)
        return m


def _memory(rng: Random, family: Family) -> Sample:
    written = rng.random() < 0.5
    clocked = not written or rng.random() < 0.7
    depth = round(2 ** rng.uniform(2, 10 if clocked else 6))
    width = round(2 ** rng.uniform(1, min(6.5, 13 - np.log2(depth))))
    held = memories.Memory(depth, width, written, clocked)
    state = rng.getrandbits(32)
    return Sample(lambda: _Store(depth, width, written, clocked, Random(state)), Unit("memory", {}, (held,)),
                  f"{depth}x{width} written={written} clocked={clocked}")


def _fifo(rng: Random, family: Family) -> Any:
    depth = rng.choice([2, 2, 3, 4, logs(rng, 5, 60), logs(rng, 5, 400)])
    return FifoParameters(depth, logs(rng, 2, 128))


def _width(rng: Random, family: Family) -> Any:
    channels = logs(rng, 8, 400)
    a, b = (logs(rng, 1, min(64, channels)) for _ in range(2))
    if rng.random() < 0.5:
        a = b * max(2, a // b)
    a = a + 1 if a == b else a
    if rng.random() < 0.5:
        a, b = b, a
    return WidthParameters(channels, a, b)


def _pool(rng: Random, family: Family) -> Any:
    kind, bipolar = rng.choice(["max", "sum"]), rng.random() < 0.25
    entering = BIPOLAR if bipolar else random_type(rng, 2, 8)
    taps = rng.choice([4, 4, 9, 49, 64])
    output = entering if kind == "max" else IntType.spanning(entering.lo * taps, entering.hi * taps)
    order = rng.choice(["inner", "inner", "outer"])
    return PoolParameters(kind, taps, logs(rng, 1, 32), logs(rng, 1, 24), entering, output, 2, order)


def _add(rng: Random, family: Family) -> Any:
    kinds = tuple(random_type(rng, 2, 8) for _ in range(rng.choice([2, 2, 2, 3])))
    multipliers = tuple(rng.choice([1, 1, 1, 3, 5, 11, -1, -7]) for _ in kinds)
    ends = [(kind.lo * m, kind.hi * m) for kind, m in zip(kinds, multipliers, strict=True)]
    output = IntType.spanning(sum(min(end) for end in ends), sum(max(end) for end in ends))
    return AddParameters(kinds, multipliers, logs(rng, 1, 16), output, 16)


def _concat(rng: Random, family: Family) -> Any:
    lanes = logs(rng, 1, 16)
    channels = tuple(lanes * rng.randint(1, 4) for _ in range(rng.randint(2, 4)))
    return ConcatParameters(channels, rng.choice([lanes, lanes, None]), 4)


def _reorder(rng: Random, family: Family) -> Any:
    words, lanes = logs(rng, 16, 300), logs(rng, 1, 16)
    side = math.isqrt(words)
    index = np.arange(side * side).reshape(side, side)
    match rng.choice(["transpose", "slice", "pad", "blocks"]):
        case "transpose":
            index = index.T
        case "slice":
            index = index[1:-1:2, 1:]
        case "pad":
            index = np.pad(index, 1, constant_values=-1)
        case _:
            half = side // 2
            index = index[: 2 * half].reshape(2, half, side).transpose(1, 0, 2)
    return ReorderParameters(index.reshape(-1), side * side, lanes)


def _upsample(rng: Random, family: Family) -> Any:
    return UpsampleParameters(rng.randint(2, 8), logs(rng, 4, 32), logs(rng, 1, 16), logs(rng, 1, 16),
                              rng.choice([(2, 2), (1, 2), (3, 3), (2, 1)]))


def _image(rng: Random) -> dict[str, Any]:
    """A kernel on an image."""
    size = rng.choice([1, 2, 3, 3, 3, 3, 5, 5])
    kernel = (1, size) if rng.random() < 0.2 else (size, size)
    pad = rng.choice([0, size // 2])
    pads = (pad if kernel[0] > 1 else 0, pad, pad if kernel[0] > 1 else 0, pad)
    stride = rng.choice([1, 1, 2])
    side = logs(rng, max(4, size), 40)
    return {"height": 1 if kernel[0] == 1 else side, "width": side, "kernel": kernel, "pads": pads,
            "stride": (1 if kernel[0] == 1 else stride, stride),
            "input": BIPOLAR if rng.random() < 0.2 else random_type(rng, 2, 8)}


def _window(rng: Random, family: Family) -> Any:
    image = _image(rng)
    lanes = logs(rng, 1, 32)
    words = logs(rng, 1, 12)
    insert = (2, 2) if rng.random() < 0.15 and image["kernel"][0] > 1 else (1, 1)
    if insert == (2, 2):
        image["stride"] = (1, 1)
    groups = words if rng.random() < 0.4 else 1
    return WindowParameters(channels=lanes * words, lanes=lanes, insert=insert, groups=groups, **image)


def _parallel_window(rng: Random, family: Family) -> Any:
    image = _image(rng)
    image["width"] = min(image["width"], 24)
    if image["kernel"] == (1, 1):
        image["kernel"], image["pads"] = (2, 2), (0, 0, 0, 0)
    image["height"] = max(image["height"], image["kernel"][0])
    return ParallelWindowParameters(channels=logs(rng, 1, 12), **image)


SAMPLES: dict[str, tuple[int, Callable[[Random, Family], Any]]] = {
    "memory": (32, _memory),
    "xnor": (14, partial(matrix_vector, "sign", True, None)),
    "gated xnor": (10, partial(matrix_vector, "ternary", True, None)),
    "signs": (14, partial(matrix_vector, "sign", False, None)),
    "ternary": (12, partial(matrix_vector, "ternary", False, None)),
    "planes": (14, partial(matrix_vector, "few bits", False, "planes")),
    "bipolar planes": (8, partial(matrix_vector, "few bits", True, "planes")),
    "multiply": (14, partial(matrix_vector, "many bits", False, "multiply")),
    "packed": (8, partial(matrix_vector, "pairs", False, "multiply")),
    "shift": (8, partial(matrix_vector, "power", False, "shift")),
    "add": (8, partial(matrix_vector, "ternary", False, "add")),
    "bipolar add": (6, partial(matrix_vector, "few bits", True, "add")),
    "levels": (8, partial(matrix_vector, "level", False, "levels")),
    "serial": (8, partial(matrix_vector, "few bits", False, "serial")),
    "fifo": (14, _fifo),
    "width": (32, _width),
    "threshold": (24, threshold),
    "requantise": (14, requantise),
    "table": (8, table),
    "depthwise": (14, depthwise),
    "window": (20, _window),
    "parallel window": (14, _parallel_window),
    "pool": (10, _pool),
    "sum": (10, _add),
    "concat": (6, _concat),
    "reorder": (10, _reorder),
    "upsample": (8, _upsample),
    "shuffle": (4, lambda rng, family: ShuffleParameters(np.arange(8)[::-1], 8, rng.randint(2, 50))),
    "fork": (4, lambda rng, family: ForkParameters(rng.randint(2, 4), logs(rng, 1, 16), 4)),
    "arg_max": (8, lambda rng, family: ArgMaxParameters(logs(rng, 2, 100), logs(rng, 1, 10), random_type(rng, 4, 12))),
    "weights": (6, streamer),
    "whole": (24, whole),
    "block sparse": (16, blocks),
    "sparse engine": (24, engine),
    "engine without index": (8, unstored),
}
"""How many of each kind, and how one is drawn for a family."""


MOST = "ecp5"
"""The family with most samples: synthesis for all would take hours."""


def count(kind: str, family: Family) -> int:
    """How many samples of a kind are for a family: all for one, three of ten for the others, which learn from it."""
    return SAMPLES[kind][0] if family.name == MOST else -(-3 * SAMPLES[kind][0] // 10)


def _lane(parameters: Any, rng: Random) -> tuple[IntType, int]:
    """Type of a lane and lanes at the first input."""
    match parameters:
        case FifoParameters():
            return IntType(1), parameters.bits
        case AddParameters():
            return parameters.inputs[0], 1
        case MatrixVectorParameters():
            return parameters.input, parameters.simd
        case BlockSparseParameters():
            return parameters.input, parameters.matrix.simd
        case _:
            kind = getattr(parameters, "input", None)
            return kind if isinstance(kind, IntType) else IntType(rng.choice([1, 1, 2, 4, 8])), 1


def draw(kind: str, number: int, family: Family) -> Sample:
    """Sample ``number`` of a kind, for a family."""
    rng = Random(f"{kind} {number}")
    drawn = SAMPLES[kind][1](rng, family)
    if isinstance(drawn, Sample):
        return drawn
    lane, lanes = _lane(drawn, rng)
    edge = Edge("i", "x", lane, np.zeros((1, lanes), dtype=np.int32), lanes, lanes)
    return Sample(lambda: make(drawn, edge), describe(drawn, lane.bits), f"{lane} {_text(drawn)}")


def _text(parameters: Any) -> str:
    """Parameters without their contents."""
    match parameters:
        case MatrixVectorParameters() as p:
            levels = 0 if p.thresholds is None else p.thresholds.shape[1]
            return (f"{p.rows}x{p.columns} in {p.groups} by {p.pe}x{p.simd} {p.arithmetic.kind} of {p.arithmetic.bits} "
                    f"bits, {levels} levels, {p.memory}")
        case DepthwiseParameters() as p:
            levels = 0 if p.thresholds is None else p.thresholds.shape[1]
            return f"{p.channels}x{p.taps} by {p.lanes} {p.arithmetic.kind} of {p.weight_bits} bits, {levels} levels"
        case BlockSparseParameters() as p:
            return (f"{p.phases} blocks of {p.matrix.pe}x{p.matrix.simd} in {p.matrix.rows}x{p.matrix.columns}, "
                    f"{p.arithmetic.kind} of {p.arithmetic.bits} bits")
        case SparseParameters() as p:
            return (f"{p.elements} elements, {p.rows}x{p.columns}, {p.csc.entries} entries of {p.value_bits} + "
                    f"{p.run_bits} bits, {p.lanes} lanes, {p.lanes_out} out, depth {p.depth}")
        case HashParameters() | LfsrParameters() as p:
            return f"{p.elements} elements, {p.rows}x{p.columns}, {p.index}"
        case ReorderParameters() as p:
            return f"{p.words_in} to {len(p.index)} words of {p.lanes}, depth {p.depth}"
        case ThresholdParameters() as p:
            return f"{p.channels} by {p.lanes}, {p.levels} levels, constant={p.constant}"
        case TableParameters() | RequantiseParameters() as p:
            return f"{p.channels} by {p.lanes}"
        case WeightStreamerParameters() as p:
            return f"{len(p.words)} of {p.lanes}x{p.bits}"
        case _:
            return str(parameters)
