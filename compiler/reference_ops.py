"""QONNX operators under exact accumulation, each with what is known of its rounding.

Written on tensors, straight from the operators' specifications; nothing is shared with the integer graph, its float32
chains or its thresholds. Every tensor that depends on the data carries three things:

``value``
    what the model means: integer dot products, then float32 operations one by one (numpy's, IEEE 754, to nearest);
``real``
    the same expression over the reals (computed in float64);
``bound``
    how far *any* float32 evaluation of it may lie from ``real``, whatever the order of a sum and in both orders of
    BatchNormalization that are in use.

Bounds (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002), u = 2^-24 and
gamma(n) = n u / (1 - n u):

- one operation (section 2.2, eqs. 2.4 and 2.8): fl(a op b) = (a op b)(1 + d) + e, |d| <= u, |e| <= 2^-149. With an
  operand known to within E: sums keep E, a product by c gives |c| E, and u times the result's magnitude is added;
- an inner product of n terms in any order (section 3.1, eqs. 3.4, 3.5): |fl(x.y) - x.y| <= gamma(n) |x|.|y|. The exact
  accumulator rounded once lies within this, too. Where the scales' product is a power of two and |x|.|y| stays below
  2^24 of it, every partial sum is a float32, and the bound is 0;
- BatchNormalization, a = scale / sqrt(variance + epsilon): both ((x - mean) / sqrt(..)) * scale + bias and
  x * a + (bias - mean * a), with a computed by division or by reciprocal, make at most eight roundings on each of the
  three terms (section 3.4, lemma 3.1: products of (1 + d) factors): |a| E (1 + gamma(8)) + gamma(8) (|x| |a| +
  |mean| |a| + |bias|);
- max and min are exact and do not spread errors.

float64 is not the reals: ``SLACK`` widens every comparison by more than its rounding errors can add up to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

__all__ = ["OPERATORS", "SLACK", "Fixed", "Frames", "Tensor", "Weights", "gamma", "quantised"]

UNIT = 2.0**-24
TINY = 2.0**-149
SLACK = 1 + 2.0**-20


def gamma(n: int) -> float:
    return n * UNIT / (1 - n * UNIT)


@dataclass(eq=False)
class Fixed:
    """A constant."""

    value: np.ndarray


@dataclass(eq=False)
class Weights:
    """A constant behind a quantiser: ``codes`` int64 and ``scale`` float64, of one shape."""

    codes: np.ndarray
    scale: np.ndarray


@dataclass(eq=False)
class Frames:
    """A tensor of all frames, ``[frames, ...]``; ``codes`` (int64) and ``scale`` (float64) where it is quantised.

    ``accumulators`` are those that the tensor was just made of, where a matrix product made it.
    """

    value: np.ndarray
    real: np.ndarray
    bound: np.ndarray
    codes: np.ndarray | None = None
    scale: np.ndarray | None = None
    accumulators: np.ndarray | None = None
    ties: np.ndarray | None = None


Tensor = Fixed | Weights | Frames


def _attribute(node: onnx.NodeProto, name: str, default):
    found = [a for a in node.attribute if a.name == name]
    return onnx.helper.get_attribute_value(found[0]) if found else default


def _rounded(value, real: np.ndarray, inherited: np.ndarray) -> Frames:
    """A result of one float32 operation whose operands' errors alone move it by ``inherited``."""
    return Frames(np.asarray(value, dtype=np.float32), real, inherited + UNIT * (np.abs(real) + inherited) + TINY)


def _arithmetic(node: onnx.NodeProto, left: Tensor, right: Tensor) -> Tensor:
    functions = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
    function = functions[node.op_type]
    if isinstance(left, Frames) and isinstance(right, Fixed):
        c = right.value.astype(np.float64)
        factor = np.abs(c) if node.op_type == "Mul" else 1 / np.abs(c) if node.op_type == "Div" else np.ones_like(c)
        return _rounded(function(left.value, right.value), function(left.real, c), left.bound * factor)
    if isinstance(left, Fixed) and isinstance(right, Frames) and node.op_type != "Div":
        c = left.value.astype(np.float64)
        factor = np.abs(c) if node.op_type == "Mul" else np.ones_like(c)
        return _rounded(function(left.value, right.value), function(c, right.real), right.bound * factor)
    raise NotImplementedError(f"{node.op_type} of {type(left).__name__} and {type(right).__name__}")


def _clip(node: onnx.NodeProto, x: Tensor, *bounds: Tensor | None) -> Tensor:
    assert isinstance(x, Frames)
    limits = [_attribute(node, name, None) for name in ("min", "max")]
    for place, bound in enumerate(bounds):
        if bound is not None:
            assert isinstance(bound, Fixed)
            limits[place] = bound.value
    if node.op_type == "Relu":
        limits = [np.float32(0), None]
    value, real = x.value, x.real
    if limits[0] is not None:
        value, real = np.maximum(value, np.float32(limits[0])), np.maximum(real, np.float64(np.float32(limits[0])))
    if limits[1] is not None:
        value, real = np.minimum(value, np.float32(limits[1])), np.minimum(real, np.float64(np.float32(limits[1])))
    return Frames(value, real, x.bound)


def _neg(node: onnx.NodeProto, x: Tensor) -> Tensor:
    assert isinstance(x, Frames)
    return Frames(-x.value, -x.real, x.bound)


def _batch_normalization(node: onnx.NodeProto, x: Tensor, *parameters: Tensor) -> Tensor:
    """Y = (X - mean) / sqrt(var + epsilon) * scale + B, of ONNX's specification, each operation in float32."""
    assert isinstance(x, Frames)
    axes = (1, -1, *[1] * (x.value.ndim - 2))
    scale, bias, mean, variance = (p.value.reshape(axes) for p in parameters if isinstance(p, Fixed))
    epsilon = np.float32(_attribute(node, "epsilon", 1e-5))
    value = x.value - mean
    value = value / np.sqrt(variance + epsilon)
    value = value * scale
    value = value + bias
    wide = [p.astype(np.float64) for p in (scale, bias, mean, variance)]
    slope = wide[0] / np.sqrt(wide[3] + np.float64(epsilon))
    real = (x.real - wide[2]) * slope + wide[1]
    terms = (np.abs(x.real) + x.bound + np.abs(wide[2])) * np.abs(slope) + np.abs(wide[1])
    return Frames(value.astype(np.float32), real,
                  np.abs(slope) * x.bound * (1 + gamma(8)) + gamma(8) * terms + 8 * TINY)


def _bipolar_quant(node: onnx.NodeProto, x: Tensor, scale: Tensor) -> Tensor:
    """+scale where x >= 0, else -scale. A tie is an x within rounding of 0."""
    assert isinstance(scale, Fixed)
    s = scale.value.astype(np.float32)
    if isinstance(x, Fixed):
        codes = np.where(x.value >= 0, 1, -1)
        return Weights(codes, np.broadcast_to(s.astype(np.float64), codes.shape))
    assert isinstance(x, Frames)
    frames = quantised(np.where(x.value >= 0, 1, -1), s)
    frames.ties = np.abs(x.real) <= x.bound * SLACK
    return frames


def quantised(codes: np.ndarray, scale: np.ndarray) -> Frames:
    """Codes with a float32 scale of one element."""
    wide = np.float64(scale.reshape(-1)[0])
    real = codes * wide
    return Frames((codes * np.float32(wide)).astype(np.float32), real, np.zeros(codes.shape),
                  codes=codes.astype(np.int64), scale=np.array(wide))


def _integer_product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The exact product of integer matrices. A BLAS of floats is exact as long as no partial sum needs more bits."""
    largest = x.shape[1] * int(np.abs(x).max(initial=0)) * int(np.abs(w).max(initial=0))
    if largest < 1 << 24:
        return (x.astype(np.float32) @ w.astype(np.float32)).astype(np.int64)
    if largest < 1 << 53:
        return (x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)
    return x.astype(np.int64) @ w.astype(np.int64)


def _gemm(node: onnx.NodeProto, x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """alpha * (x W) + beta * bias: the dot product over integers, rounded to float32 once, then float32 operations."""
    assert isinstance(x, Frames)
    assert x.codes is not None
    assert x.scale is not None
    if isinstance(w, Fixed):  # constants that are +-scale already
        w = Weights(np.sign(w.value).astype(np.int64), np.abs(w.value).astype(np.float64))
    assert isinstance(w, Weights)
    if _attribute(node, "transB", 0):
        w = Weights(w.codes.T, w.scale.T)
    alpha, beta = (np.float32(_attribute(node, name, 1.0)) for name in ("alpha", "beta"))
    codes = x.codes.reshape(len(x.codes), -1)
    terms = codes.shape[1]
    scale = x.scale * w.scale[0]  # exact: two float32 significands fit a float64
    accumulators = _integer_product(codes, w.codes)
    sizes = np.abs(codes), np.abs(w.codes)
    bipolar = all((size == 1).all() for size in sizes)
    total = np.full(accumulators.shape, terms) if bipolar else _integer_product(*sizes)
    magnitude = total * scale
    value = (accumulators * scale).astype(np.float32)
    real = accumulators * scale
    shape = (*x.codes.shape[:-1], w.codes.shape[1])
    if alpha != 1:
        value, real, magnitude = alpha * value, real * np.float64(alpha), magnitude * abs(np.float64(alpha))
    if bias is not None:
        assert isinstance(bias, Fixed)
        c = bias.value.astype(np.float32)
        offset = np.float64(beta) * c.astype(np.float64)
        value, real, magnitude = value + (c if beta == 1 else beta * c), real + offset, magnitude + np.abs(offset)
    bound = gamma(terms + 3) * magnitude + (terms + 3) * TINY
    if bias is None and alpha == 1:
        bound = np.where((np.frexp(scale)[0] == 0.5) & (total < 1 << 24), 0.0, bound)
    return Frames(value.astype(np.float32).reshape(shape), real.reshape(shape), bound.reshape(shape),
                  accumulators=accumulators.reshape(shape))


def _same(node: onnx.NodeProto, x: Tensor, *rest: Tensor) -> Tensor:
    return x


def _moved(x: Tensor, shape_of: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """Data movement: one function on every array of the tensor."""
    if isinstance(x, Fixed):
        return Fixed(shape_of(x.value))
    if isinstance(x, Weights):
        return Weights(shape_of(x.codes), shape_of(x.scale))
    return Frames(shape_of(x.value), shape_of(x.real), shape_of(x.bound),
                  None if x.codes is None else shape_of(x.codes), x.scale)


def _reshape(node: onnx.NodeProto, x: Tensor, target: Tensor | None = None) -> Tensor:
    """Reshape, Flatten, Squeeze and Unsqueeze, as they act on one frame; the frames stay the first axis."""
    array = x.codes if isinstance(x, Weights) else x.value
    one = np.empty((1, *array.shape[1:]) if isinstance(x, Frames) else array.shape, dtype=np.bool_)
    numbers: Any = target.value.reshape(-1).tolist() if isinstance(target, Fixed) else _attribute(node, "axes", None)
    if node.op_type == "Reshape":
        zero = _attribute(node, "allowzero", 0)
        one = one.reshape([one.shape[i] if d == 0 and not zero else d for i, d in enumerate(numbers)])
    elif node.op_type == "Flatten":
        axis = _attribute(node, "axis", 1)
        one = one.reshape(int(np.prod(one.shape[:axis])), -1)
    elif node.op_type == "Squeeze":
        one = one.squeeze() if numbers is None else one.squeeze(tuple(numbers))
    else:
        one = np.expand_dims(one, tuple(numbers))
    if isinstance(x, Frames):
        return _moved(x, lambda a: a.reshape(len(a), *one.shape[1:]))
    return _moved(x, lambda a: a.reshape(one.shape))


def _transpose(node: onnx.NodeProto, x: Tensor) -> Tensor:
    axes = _attribute(node, "perm", None)
    return _moved(x, lambda a: a.transpose(axes))


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": _arithmetic, "Sub": _arithmetic, "Mul": _arithmetic, "Div": _arithmetic, "Neg": _neg,
    "Relu": _clip, "Clip": _clip, "BatchNormalization": _batch_normalization, "BipolarQuant": _bipolar_quant,
    "MatMul": _gemm, "Gemm": _gemm, "Identity": _same, "Dropout": _same,
    "Reshape": _reshape, "Flatten": _reshape, "Squeeze": _reshape, "Unsqueeze": _reshape, "Transpose": _transpose,
}
