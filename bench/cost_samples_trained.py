"""Random units that hold what was trained, for ``bench.cost_samples``; and what all samples are drawn with."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from gatewright.boards.family import Family
from gatewright.hdl.depthwise import DepthwiseParameters
from gatewright.hdl.mvu import MatrixVectorParameters
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.requantise import RequantiseParameters
from gatewright.hdl.table import TableParameters
from gatewright.hdl.threshold import ThresholdParameters
from gatewright.hdl.weights import WeightStreamerParameters

__all__ = ["depthwise", "logs", "matrix_vector", "random_type", "requantise", "streamer", "table", "threshold", "whole"]


def random_type(rng: Random, low: int, high: int) -> IntType:
    return IntType(rng.randint(low, high), rng.random() < 0.5)


def logs(rng: Random, low: int, high: int) -> int:
    """An integer whose logarithm is uniform."""
    return round(2 ** rng.uniform(np.log2(low), np.log2(high)))


def _weights(rng: Random, shape: tuple[int, int], kind: str) -> np.ndarray:
    numbers = np.random.default_rng(rng.getrandbits(32))
    match kind:
        case "sign":
            return numbers.choice([-1, 1], shape)
        case "ternary":
            return numbers.choice([-1, 0, 1], shape)
        case "power":
            return numbers.choice([0, 1, -1, 2, -2, 4, -4, 8, -8], shape)
        case "level":
            return numbers.choice([0, -23, 37], shape)
        case _:
            bits = int(kind)
            return numbers.integers(-(1 << bits - 1), 1 << bits - 1, shape)


def matrix_vector(kind: str, bipolar: bool, lane: str | None, rng: Random, family: Family) -> Any:
    """A unit for weights of a ``kind``; ``lane`` is forced, unless None."""
    activation = BIPOLAR if bipolar else random_type(rng, 1 if kind in ("sign", "ternary") else 2, 8)
    if kind == "few bits":
        activation = BIPOLAR if bipolar else random_type(rng, 2, 4)
        kind = str(rng.randint(2, 16 // activation.bits if not bipolar else 4))
    elif kind == "pairs":  # two of which fit into ports of 18 bits
        activation = random_type(rng, 4, 5)
        kind = str(rng.randint(4, 5))
    elif kind == "many bits":
        activation = random_type(rng, 4, 8)
        kind = str(rng.randint(16 // activation.bits + 1, 8))
    each = {"sign": 1, "ternary": 1.5, "power": 6, "level": 4}.get(kind) or int(kind)
    lanes = max(1, min(256, rng.uniform(60, 2500) / (each * activation.bits)))
    simd = max(1, round(2 ** rng.uniform(0, np.log2(lanes + 1))))
    pe = min(32, max(1, round(lanes / simd / rng.uniform(1, 2))))
    groups = rng.choice([1, 1, 1, 2])
    rows, columns = pe * logs(rng, 1, 8) - rng.choice([0, 0, pe // 3]), simd * logs(rng, 1, 20)
    rows, columns = max(pe, rows), max(simd, columns - rng.choice([0, 0, simd // 2]))
    weights = _weights(rng, (rows * groups, columns), kind)
    levels = rng.choice([0, 1, 1, 3])
    memory = rng.choice(["rom"] * 6 + (["rom", "loadable"] if lane == "serial" else ["streamed", "loadable"]))
    plain = MatrixVectorParameters(weights, pe, simd, lut=family.lut_inputs, input=activation, groups=groups, lane=lane,
                                   memory=memory, multiplier=family.multiplier)
    if not levels:
        return plain
    thresholds, output = _thresholds(rng, plain.accumulator, rows * groups, levels)
    return MatrixVectorParameters(weights, pe, simd, thresholds, family.lut_inputs, input=activation, output=output,
                                  groups=groups, lane=lane, memory=memory, multiplier=family.multiplier)


def whole(rng: Random, family: Family) -> Any:
    """A matrix that is worked on all at once: its weights are constants in the gates."""
    kind, bipolar, lane = rng.choice([
        ("sign", True, None), ("sign", True, None), ("ternary", True, None), ("sign", False, None),
        ("2", False, "planes"), ("4", False, "planes"), ("2", True, "planes"), ("8", False, "multiply")])
    activation = BIPOLAR if bipolar else random_type(rng, 2, 4) if lane != "multiply" else random_type(rng, 4, 8)
    each = {"sign": 1, "ternary": 1.5}.get(kind) or int(kind)
    columns = logs(rng, 8, 128)
    rows = max(2, round(rng.uniform(200, 4000) / (each * activation.bits) / columns))
    weights = _weights(rng, (rows, columns), kind)
    plain = MatrixVectorParameters(weights, rows, columns, lut=family.lut_inputs, input=activation, lane=lane,
                                   multiplier=family.multiplier)
    levels = rng.choice([0, 1, 1, 3])
    if not levels:
        return plain
    thresholds, output = _thresholds(rng, plain.accumulator, rows, levels)
    return MatrixVectorParameters(weights, rows, columns, thresholds, family.lut_inputs, input=activation,
                                  output=output, lane=lane, multiplier=family.multiplier)


def _thresholds(rng: Random, accumulator: IntType | None, rows: int, levels: int) -> tuple[np.ndarray, IntType]:
    assert accumulator is not None
    numbers = np.random.default_rng(rng.getrandbits(32))
    spread = max(2, accumulator.hi // 4)
    return (np.sort(numbers.integers(-spread, spread, (rows, levels)), axis=1),
            BIPOLAR if levels == 1 else IntType(2))


def depthwise(rng: Random, family: Family) -> Any:
    kind = rng.choice(["sign", "ternary", "2", "4", "4", "8"])
    activation = random_type(rng, 2, 8)
    lanes = logs(rng, 1, 24)
    channels = lanes * logs(rng, 1, 6)
    weights = _weights(rng, (channels, rng.choice([3, 4, 9, 9, 25])), kind)
    plain = DepthwiseParameters(weights, lanes, activation, lut=family.lut_inputs)
    levels = rng.choice([0, 0, 1, 3])
    if not levels:
        return plain
    thresholds, output = _thresholds(rng, plain.accumulator, channels, levels)
    return DepthwiseParameters(weights, lanes, activation, thresholds, output, lut=family.lut_inputs)


def threshold(rng: Random, family: Family) -> Any:
    kind = random_type(rng, 4, 14)
    bits = rng.choice([1, 1, 2, 3, 4, 4, 8])
    channels, lanes = logs(rng, 1, 64), logs(rng, 1, 16 if bits < 4 else 6)
    lanes = min(lanes, channels)
    levels = min((1 << bits) - 1, (1 << kind.bits) - 1)
    numbers = np.random.default_rng(rng.getrandbits(32))
    thresholds = np.sort(numbers.integers(kind.lo, kind.hi + 1, (channels, levels)), axis=1)
    falling = numbers.random(channels) < rng.choice([0, 0, 0.3])
    if rng.random() < 0.25:
        thresholds, falling = np.repeat(thresholds[:1], channels, axis=0), falling[:1].repeat(channels)
    return ThresholdParameters(thresholds, falling, lanes, kind, BIPOLAR if levels == 1 else IntType(bits))


def requantise(rng: Random, family: Family) -> Any:
    kind = random_type(rng, 8, 20)
    channels = logs(rng, 1, 40)
    lanes = min(channels, logs(rng, 1, 6))
    numbers = np.random.default_rng(rng.getrandbits(32))
    size = 1 if rng.random() < 0.3 else channels
    multiplier = numbers.integers(1, 1 << rng.randint(4, 14), size).repeat(channels // size)
    offset = numbers.integers(0, 1 << 12, size).repeat(channels // size)
    bits = rng.randint(6, 12)
    return RequantiseParameters(multiplier, offset, rng.randint(4, 16), 0, (1 << bits) - 1, lanes, kind, IntType(bits))


def table(rng: Random, family: Family) -> Any:
    channels = logs(rng, 1, 16)
    lanes = min(channels, logs(rng, 1, 8))
    kind, output = random_type(rng, 3, 8), random_type(rng, 1, 8)
    numbers = np.random.default_rng(rng.getrandbits(32))
    table = numbers.integers(output.lo, output.hi + 1, (rng.choice([1, 1, channels]), 1 << kind.bits))
    return TableParameters(table, kind.lo, channels, lanes, kind, output)


def streamer(rng: Random, family: Family) -> Any:
    lanes, bits = logs(rng, 1, 32), rng.randint(1, 8)
    words = tuple(rng.getrandbits(lanes * bits) for _ in range(logs(rng, 2, 200)))
    return WeightStreamerParameters(words, lanes, bits)
