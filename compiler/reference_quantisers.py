"""QONNX's quantisers under exact accumulation, and which of their codes are ties.

A code is a tie if some float32 evaluation of the quantiser's input may lie on another side of a rounding boundary. The
quantiser itself divides by its scale in float32, which is the same everywhere for the same input.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from .reference_integers import ends_of, grid
from .reference_tensor import (
    SLACK,
    TINY,
    UNIT,
    Codes,
    Fixed,
    Frames,
    Integers,
    Tensor,
    Weights,
    attribute,
    gamma,
    worth,
)

__all__ = ["QUANTISERS", "plain_codes"]

ROUNDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ROUND": np.rint, "HALF_EVEN": np.rint, "CEIL": np.ceil, "FLOOR": np.floor, "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + x.dtype.type(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - x.dtype.type(0.5)),
}
"""As ``qonnx`` computes them; up is away from zero."""


def _scale(tensor: Tensor) -> np.ndarray:
    assert isinstance(tensor, Fixed)
    return tensor.value.astype(np.float32)


def _ranked(scale: np.ndarray, rank: int) -> np.ndarray:
    """float64, of the rank of the data."""
    wide = scale.astype(np.float64)
    return wide.reshape([1] * rank) if wide.size == 1 else wide.reshape((1,) * (rank - wide.ndim) + wide.shape)


def _quantised(x: Frames, codes: np.ndarray, turns: np.ndarray, scale: np.ndarray, lo: int, hi: int,
               step: int = 1) -> Frames:
    """Codes times a scale: every executor's float32 product of them."""
    if x.raw is not None:
        codes, turns = x.raw, np.zeros(x.raw.shape, dtype=np.int64)
    integers = Integers(codes.astype(np.int64), _ranked(scale, codes.ndim), lo, hi, step=step)
    value = worth(integers).astype(np.float32)
    return Frames(value, value.astype(np.float64), np.broadcast_to(0.0, value.shape), integers,
                  codes=Codes(integers.codes, turns))


def _signs(x: Frames, seen: np.ndarray, scale: np.ndarray) -> Frames:
    """+1 where ``seen``, which is x or x / scale, is >= 0."""
    codes = np.where(seen >= 0, 1, -1)
    ties = (np.abs(x.real) <= x.bound * SLACK) & (x.bound > 0)
    return _quantised(x, codes, 2 * ties, scale, -1, 1, step=2)


def _bipolar_quant(node: onnx.NodeProto, x: Tensor, scale: Tensor) -> Tensor:
    s = _scale(scale)
    if not isinstance(x, Frames):
        codes = np.where(x.value >= 0, 1, -1)
        return Weights(codes, np.broadcast_to(s.astype(np.float64), codes.shape))
    return _signs(x, x.value, s)


def _range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    return (-(1 << bits - 1) + narrow, (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1 - narrow)


def _whole(tensor: Tensor) -> int:
    assert isinstance(tensor, Fixed)
    return int(tensor.value.reshape(-1)[0])


def _quant(node: onnx.NodeProto, x: Tensor, scale: Tensor, zero: Tensor, bits: Tensor) -> Tensor:
    """clip(round(x / scale), lo, hi); of one signed bit, the sign of x / scale."""
    s, width = _scale(scale), _whole(bits)
    signed, narrow = bool(attribute(node, "signed", 1)), bool(attribute(node, "narrow", 1))
    lo, hi = _range(width, signed, narrow)
    rounding = ROUNDINGS[attribute(node, "rounding_mode", "ROUND").upper()]

    def count(ratio: np.ndarray) -> np.ndarray:
        return np.clip(rounding(ratio).astype(np.float64), lo, hi)

    if not isinstance(x, Frames):
        codes = np.where(x.value / s >= 0, 1, -1) if signed and width == 1 else count(x.value / s)
        return Weights(codes.astype(np.int64), np.broadcast_to(s.astype(np.float64), codes.shape))
    if signed and width == 1:
        return _signs(x, x.value / s, s)
    return _uniform(x, s, count, s, lo, hi)


def _uniform(x: Frames, scale: np.ndarray, count: Callable[[np.ndarray], np.ndarray], result: np.ndarray, lo: int,
             hi: int) -> Frames:
    """Codes ``count(x / scale)``, each worth ``result``. ``count`` rises."""
    with np.errstate(over="ignore"):
        codes = count(x.value / scale)
        wide = x.real / scale.astype(np.float64)
        # The reach of the ratio over all inputs within their bound: the quotient's own rounding comes on top.
        reach = (x.bound / scale.astype(np.float64) + UNIT * np.abs(wide) + TINY) * SLACK
        turns = np.maximum(count(wide + reach) - codes, codes - count(wide - reach)) * (x.bound > 0)
    return _quantised(x, codes, turns.astype(np.int64), result, lo, hi)


def _trunc(node: onnx.NodeProto, x: Tensor, scale: Tensor, zero: Tensor, before: Tensor, *rest: Tensor) -> Tensor:
    """round(x / scale) / 2^shift, rounded as the node says; the operator's second version has an output scale and
    clips."""
    assert isinstance(x, Frames)
    s = _scale(scale)
    rounding = ROUNDINGS[attribute(node, "rounding_mode", "FLOOR").upper()]
    if len(rest) == 1:
        shift, result = float(_whole(before) - _whole(rest[0])), s
        # No clip: as far as the integers behind it reach.
        lo, hi = -(1 << 31), (1 << 31) - 1
    else:
        result = _scale(rest[0])
        shift = float(np.rint(np.log2(result / s)).reshape(-1)[0])
        lo, hi = _range(_whole(rest[1]), bool(attribute(node, "signed", 1)), bool(attribute(node, "narrow", 0)))

    def count(ratio: np.ndarray) -> np.ndarray:
        return np.clip(rounding(np.rint(ratio) / ratio.dtype.type(2.0**shift)).astype(np.float64), lo, hi)

    if len(rest) == 1:
        reached = count(ends_of(x) / s)
        lo, hi = int(reached.min()), int(reached.max())
    return _uniform(x, s, count, result, lo, hi)


def _multi_threshold(node: onnx.NodeProto, x: Tensor, thresholds: Tensor) -> Tensor:
    """out_scale * (the number of thresholds that x reaches) + out_bias, in float32.

    The values are integers times a scale: signs, if there are two of them, or counts from a multiple of the scale on,
    or what the values have in common. Else the count times the scale is rounded before the bias is added.
    """
    assert isinstance(x, Frames)
    assert isinstance(thresholds, Fixed)
    scale, bias = (np.float32(attribute(node, name, default)) for name, default in (("out_scale", 1.0),
                                                                                   ("out_bias", 0.0)))
    axis = _channel_axis(node, x.rank)
    shape = [1] * x.rank
    shape[axis] = -1
    rows = np.sort(thresholds.value.astype(np.float32), axis=1)
    levels = rows.shape[1]
    count, turns = np.zeros(x.value.shape, dtype=np.int64), np.zeros(x.value.shape, dtype=np.int64)
    for level in rows.T:
        step = level.reshape(shape)
        count += x.value >= step
        turns += (np.abs(x.real - step) <= x.bound * SLACK) & (x.bound > 0)
    values = scale * np.arange(levels + 1, dtype=np.float32) + bias
    if levels == 1 and values[0] == -values[1]:
        return _quantised(x, 2 * count - 1, 2 * turns, values[1:], -1, 1, step=2)
    lo = np.rint(bias / scale)
    if np.float32(lo * scale) == bias and abs(lo) < 1 << 16:
        result = _quantised(x, count + int(lo), turns, scale.reshape(1), int(lo), int(lo) + levels)
        if lo and np.frexp(scale)[0] != 0.5:  # others round the product and the sum
            result.bound = gamma(3) * (np.float64(scale) * levels + abs(np.float64(bias))) + np.zeros(count.shape)
        return result
    counted = _quantised(x, count, turns, scale.reshape(1), 0, levels)
    found = grid(values)
    if found is not None and np.float32(found[1]) == found[1] and np.ptp(found[0]) < 1 << 16:
        steps = found[0]
        result = _quantised(x, steps[count], turns, np.float32(found[1]).reshape(1), int(steps[0]), int(steps[-1]))
        return Frames(result.value, result.real, result.bound, result.integers, codes=counted.codes)

    def add(terms: np.ndarray) -> np.ndarray:
        return terms + bias

    value = add(counted.value)
    return Frames(value, value.astype(np.float64), counted.bound, since=counted.then(add), codes=counted.codes)


def _channel_axis(node: onnx.NodeProto, rank: int) -> int:
    """As ``qonnx`` finds it: by the layout that the node names, else by the number of axes."""
    named = attribute(node, "data_layout", "") or {3: "NWC"}.get(rank, "NC")
    return named.index("C") if "C" in named else 1


def plain_codes(node: onnx.NodeProto, value: np.ndarray, constants: dict[str, np.ndarray]) -> np.ndarray:
    """The codes (int64) that a quantiser's float32 output stands for, as the exact run counts them."""
    value = value.astype(np.float64)
    if node.op_type != "MultiThreshold":
        second = node.op_type == "Trunc" and len(node.input) > 5
        return np.rint(value / constants[node.input[4 if second else 1]]).astype(np.int64)
    scale, bias = (np.float32(attribute(node, name, default)) for name, default in (("out_scale", 1.0),
                                                                                   ("out_bias", 0.0)))
    count = np.rint((value - bias) / scale).astype(np.int64)
    if constants[node.input[1]].shape[1] == 1 and bias == -(scale + bias):
        return 2 * count - 1
    lo = np.rint(bias / scale)
    return count + int(lo) if np.float32(lo * scale) == bias and abs(lo) < 1 << 16 else count


QUANTISERS: dict[str, Callable[..., Tensor]] = {
    "BipolarQuant": _bipolar_quant, "Quant": _quant, "IntQuant": _quant, "Trunc": _trunc,
    "MultiThreshold": _multi_threshold,
}
