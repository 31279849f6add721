"""Operators that look at one value at a time: arithmetic with constants, activations, normalisation.

Each takes float32 to float32 as the model does; functions beyond arithmetic are evaluated in float64 and rounded once.
Here that is NumPy's float64, whose last bit may differ from that of ``functions``: where this ever moved a float32
result, ``verify`` would stop, so nothing is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf as erf_of_one

import numpy as np
import onnx

from .reference_tensor import TINY, UNIT, Fixed, Frames, Tensor, attribute, gamma

__all__ = ["POINTWISE", "arithmetic"]

APPROXIMATION = 64 * UNIT
"""What runtimes' own approximations of transcendental functions may add, times the larger of 1 and the magnitude.

They are rational functions or exponentials put together from some ten float32 operations each, on terms of about that
magnitude; their authors measure 1 to 4 units in the last place.
"""

Function = Callable[[np.ndarray], np.ndarray]


def _frames(x: Tensor) -> Frames:
    if not isinstance(x, Frames):
        raise NotImplementedError("an operator on quantised constants")
    return x


def _result(x: Frames, function: Function, real: np.ndarray, bound: np.ndarray) -> Frames:
    with np.errstate(over="ignore"):
        value = function(x.value)
    raw = None if x.raw is None else np.broadcast_to(x.raw, value.shape)
    return Frames(value, real, bound, since=x.then(function), raw=raw)


def _rounded(real: np.ndarray, inherited: np.ndarray) -> np.ndarray:
    """The bound of one float32 operation whose operands' errors alone move it by ``inherited``."""
    return inherited + UNIT * (np.abs(real) + inherited) + TINY


def arithmetic(node: onnx.NodeProto, left: Tensor, right: Tensor) -> Tensor:
    """Add, Sub, Mul and Div in float32, of data and a constant or of two tensors of data, in the order of the node."""
    functions: dict[str, Callable] = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
    function = functions[node.op_type]
    if isinstance(left, Frames):
        x, c, turned = left, right, False
    else:
        x, c, turned = _frames(right), left, True
    if isinstance(left, Frames) and isinstance(right, Frames):
        return _of_both(node, left, right, function)
    if isinstance(c, Frames) or (turned and node.op_type == "Div"):
        raise NotImplementedError(f"{node.op_type} of {type(left).__name__} and {type(right).__name__}")
    constant, wide = c.value, c.value.astype(np.float64)

    def apply(values: np.ndarray) -> np.ndarray:
        return function(constant, values) if turned else function(values, constant)

    real = function(wide, x.real) if turned else function(x.real, wide)
    factor = np.abs(wide) if node.op_type == "Mul" else 1 / np.abs(wide) if node.op_type == "Div" else 1.0
    return _result(x, apply, real, _rounded(real, x.bound * factor))


def _of_both(node: onnx.NodeProto, left: Frames, right: Frames, function: Callable) -> Frames:
    """An operation of two tensors of data, each known to within its bound; no sum of integers, which is exact."""
    if left.value.shape != right.value.shape:
        raise NotImplementedError(f"{node.op_type} of two tensors of different shapes")
    with np.errstate(all="ignore"):  # a division by 0 is refused by the importer, and met here on the way to it
        value, real = function(left.value, right.value), function(left.real, right.real)
        if node.op_type == "Mul":
            inherited = np.abs(left.real) * right.bound + np.abs(right.real) * left.bound + left.bound * right.bound
        elif node.op_type == "Div":
            least = np.abs(right.real) - right.bound
            inherited = np.where(least > 0, (left.bound + np.abs(real) * right.bound) / least, np.inf)
        else:
            inherited = left.bound + right.bound
        bound = inherited if node.op_type in ("Max", "Min") else _rounded(real, inherited)
    return Frames(value, real, bound, since=_since_both(left, right, function),
                  raw=left.raw if left.raw is not None else right.raw)


def _since_both(left: Frames, right: Frames, function: Callable):
    """How both were computed from the same integers, if they were."""
    (start, first), (other, second) = (
        (x.integers, ()) if x.integers is not None else x.since or (None, ()) for x in (left, right))
    if start is None or start is not other:
        return None

    def both(values: np.ndarray) -> np.ndarray:
        sides = []
        for functions in (first, second):
            side = values
            for each in functions:
                side = each(side)
            sides.append(side)
        return function(*sides)

    return start, (both,)


def _extreme(node: onnx.NodeProto, *inputs: Tensor) -> Tensor:
    """Max and Min of data and constants, or of two tensors of data: exact."""
    function = np.maximum if node.op_type == "Max" else np.minimum
    data = [x for x in inputs if isinstance(x, Frames)]
    if len(data) == len(inputs) == 2:
        return _of_both(node, data[0], data[1], function)
    if len(data) != 1:
        raise NotImplementedError(f"{node.op_type} of {len(data)} tensors of data and {len(inputs) - len(data)} others")

    def apply(values: np.ndarray) -> np.ndarray:
        for x in inputs:
            values = values if isinstance(x, Frames) else function(values, x.value)
        return values

    return _result(data[0], apply, apply(data[0].real), data[0].bound)


def _power(node: onnx.NodeProto, x: Tensor, given: Tensor) -> Tensor:
    """A square or cube: of float64, which holds the square exactly, rounded once."""
    x = _frames(x)
    exponent = int(given.value.flat[0])

    def power(values: np.ndarray) -> np.ndarray:
        wide = values.astype(np.float64)
        result = wide
        for _ in range(exponent - 1):
            result = result * wide
        return result.astype(values.dtype)

    most = np.abs(x.real) + x.bound
    bound = exponent * most ** (exponent - 1) * x.bound + (gamma(8) * most**exponent + TINY if exponent > 1 else 0.0)
    return _result(x, power, power(x.real), bound)


def _limits(node: onnx.NodeProto, *bounds: Tensor | None) -> tuple:
    if node.op_type == "Relu":
        return np.float32(0), None
    limits = [attribute(node, name) for name in ("min", "max")]
    for place, bound in enumerate(bounds):
        if isinstance(bound, Fixed):
            limits[place] = bound.value
    return tuple(None if limit is None else np.float32(limit) for limit in limits)


def _clip(node: onnx.NodeProto, x: Tensor, *bounds: Tensor | None) -> Tensor:
    x, (low, high) = _frames(x), _limits(node, *bounds)

    def clip(values: np.ndarray) -> np.ndarray:
        values = values if low is None else np.maximum(values, low)
        return values if high is None else np.minimum(values, high)

    return _result(x, clip, clip(x.real), x.bound)


def _leaky(node: onnx.NodeProto, x: Tensor, slope: Tensor | None = None) -> Tensor:
    """LeakyRelu and PRelu: x c below 0."""
    x = _frames(x)
    c = np.float32(attribute(node, "alpha", 0.01))
    if isinstance(slope, Fixed):
        c = slope.value
        if c.ndim == 1 and c.size > 1 and x.rank > 2:  # older exporters leave the pixels' axes out
            c = c.reshape(-1, *[1] * (x.rank - 2))
    steepest = np.maximum(1.0, np.abs(c))
    real = np.where(x.real < 0, x.real * c.astype(np.float64), x.real)
    return _result(x, lambda v: np.where(v < 0, v * c, v), real, _rounded(real, x.bound * steepest))


def _smooth(function: Callable[[np.ndarray], np.ndarray], steepest: float):
    """A function of float64 whose slope is nowhere more than ``steepest``."""

    def apply(node: onnx.NodeProto, x: Tensor) -> Tensor:
        x = _frames(x)
        real = function(x.real)
        size = np.maximum(1.0, np.maximum(np.abs(real), np.abs(x.real)))
        return _result(x, lambda v: function(v.astype(np.float64)).astype(np.float32), real,
                       steepest * x.bound + APPROXIMATION * size)

    return apply


def _elu(node: onnx.NodeProto, x: Tensor) -> Tensor:
    alpha = np.float32(attribute(node, "alpha", 1.0))

    def elu(values: np.ndarray) -> np.ndarray:
        return np.where(values < 0, alpha * np.expm1(np.minimum(values, 0)), values)

    return _smooth(elu, max(1.0, abs(float(alpha))))(node, x)


def _selu(node: onnx.NodeProto, x: Tensor) -> Tensor:
    """gamma Elu(x), each of the two in float32."""
    x = _frames(x)
    alpha, steep = (np.float32(attribute(node, name, default)) for name, default in
                    (("alpha", 1.6732632423543772), ("gamma", 1.0507009873554805)))

    def elu(values: np.ndarray) -> np.ndarray:
        return np.where(values < 0, np.float64(alpha) * np.expm1(np.minimum(values, 0)), values)

    inner = _smooth(elu, max(1.0, abs(float(alpha))))(node, x)
    real = elu(x.real) * np.float64(steep)
    return _result(x, lambda v: elu(v.astype(np.float64)).astype(np.float32) * steep, real,
                   _rounded(real, inner.bound * abs(np.float64(steep))))


def _celu(node: onnx.NodeProto, x: Tensor) -> Tensor:
    alpha = np.float64(np.float32(attribute(node, "alpha", 1.0)))
    return _smooth(lambda v: np.where(v < 0, alpha * np.expm1(np.minimum(v, 0) / alpha), v), 1.0)(node, x)


def _swish(node: onnx.NodeProto, x: Tensor) -> Tensor:
    alpha = np.float64(np.float32(attribute(node, "alpha", 1.0)))
    return _smooth(lambda v: v * _sigmoid(alpha * v), 1.2)(node, x)


def _gelu(node: onnx.NodeProto, x: Tensor) -> Tensor:
    if attribute(node, "approximate", "none") == "tanh":
        return _smooth(lambda v: 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v * v * v))), 1.2)(node, x)
    return _smooth(lambda v: 0.5 * v * (1 + _erf(v / np.sqrt(2))), 1.2)(node, x)


def _hard_sigmoid(node: onnx.NodeProto, x: Tensor) -> Tensor:
    """max(0, min(1, alpha x + beta)), each operation in float32."""
    x = _frames(x)
    alpha, beta = (np.float32(attribute(node, name, default)) for name, default in (("alpha", 0.2), ("beta", 0.5)))
    product = np.abs(np.float64(alpha) * x.real)
    real = np.clip(np.float64(alpha) * x.real + np.float64(beta), 0, 1)
    bound = abs(np.float64(alpha)) * x.bound * (1 + gamma(2)) + gamma(2) * (product + abs(np.float64(beta))) + TINY
    return _result(x, lambda v: np.minimum(np.maximum(v * alpha + beta, np.float32(0)), np.float32(1)), real, bound)


def _step(function: Callable[[np.ndarray], np.ndarray]):
    """Floor and the like: exact, and within a step where the operand's error may take it over an edge."""

    def apply(node: onnx.NodeProto, x: Tensor) -> Tensor:
        x = _frames(x)
        reach = x.bound * (1 + 2.0**-20)
        real = function(x.real)
        bound = np.maximum(np.abs(function(x.real + reach) - real), np.abs(function(x.real - reach) - real))
        # At an edge itself, float64 may stand on either side.
        edge = (np.abs(x.real * 2 - np.rint(x.real * 2)) <= 2 * reach) & (reach > 0)
        return _result(x, function, real, np.where(edge, np.maximum(bound, 1.0), bound))

    return apply


def _batch_normalization(node: onnx.NodeProto, x: Tensor, *parameters: Tensor) -> Tensor:
    """Y = (X - mean) / sqrt(var + epsilon) * scale + B, of ONNX's specification, each operation in float32."""
    x = _frames(x)
    axes = (1, -1, *[1] * (x.rank - 2))
    scale, bias, mean, variance = (p.value.reshape(axes) for p in parameters if not isinstance(p, Frames))
    epsilon = np.float32(attribute(node, "epsilon", 1e-5))
    spread = np.sqrt(variance + epsilon)
    wide = [p.astype(np.float64) for p in (scale, bias, mean, variance)]
    slope = wide[0] / np.sqrt(wide[3] + np.float64(epsilon))
    real = (x.real - wide[2]) * slope + wide[1]
    terms = (np.abs(x.real) + x.bound + np.abs(wide[2])) * np.abs(slope) + np.abs(wide[1])
    return _result(x, lambda v: (v - mean) / spread * scale + bias, real,
                   np.abs(slope) * x.bound * (1 + gamma(8)) + gamma(8) * terms + 8 * TINY)


def _exact(function: Callable[[np.ndarray], np.ndarray]):
    """Neg and Abs."""
    return lambda node, x: _result(_frames(x), function, function(_frames(x).real), _frames(x).bound)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(erf_of_one, otypes=[np.float64])(x)


def _mish(x: np.ndarray) -> np.ndarray:
    return x * np.tanh(np.logaddexp(0, x))


POINTWISE: dict[str, Callable[..., Tensor]] = {
    "Relu": _clip, "Clip": _clip, "LeakyRelu": _leaky, "PRelu": _leaky, "Neg": _exact(np.negative),
    "Abs": _exact(np.abs), "BatchNormalization": _batch_normalization, "HardSigmoid": _hard_sigmoid,
    "Floor": _step(np.floor), "Ceil": _step(np.ceil), "Round": _step(np.rint), "Sign": _step(np.sign),
    "Sigmoid": _smooth(_sigmoid, 0.25), "Tanh": _smooth(np.tanh, 1.0), "Erf": _smooth(_erf, 1.13),
    "Softsign": _smooth(lambda v: v / (1 + np.abs(v)), 1.0), "Sin": _smooth(np.sin, 1.0), "Cos": _smooth(np.cos, 1.0),
    "HardSwish": _smooth(lambda v: v * np.clip(v / 6 + 0.5, 0, 1), 1.5), "Mish": _smooth(_mish, 1.2),
    "Elu": _elu, "Selu": _selu, "Celu": _celu, "Swish": _swish, "Gelu": _gelu, "Pow": _power,
    "Softplus": _smooth(lambda v: np.logaddexp(0, v), 1.0), "Max": _extreme, "Min": _extreme,
}
"""Operators that look at one value at a time, but for arithmetic."""
