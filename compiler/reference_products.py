"""Products of data and weights under exact accumulation: over integers, and rounded to float32 once.

Convolutions are sums over the kernel's taps of products of the pixels under each, straight from ONNX's definition;
transposed ones put each product where it belongs in the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import onnx

from .reference_integers import integers_of, weights_of
from .reference_sliding import Sliding
from .reference_tensor import TINY, Frames, Integers, Tensor, Weights, attribute, gamma, worth

__all__ = ["PRODUCTS"]

Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Layer:
    """A product ``[frames, ...]`` of data ``[frames, ...]`` and weights, which does in floats what it does in integers.

    ``weights`` are ``[groups, out / groups, terms]``; ``terms`` counts what a sum adds up at most.
    """

    apply: Product
    weights: Weights
    channel_axis: int
    pads: bool


def _exact(apply: Product, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A product of integers, int64: in floats where no partial sum needs more bits than they have."""
    rows = np.abs(w).reshape(w.shape[0] * w.shape[1], -1)
    largest = int(np.abs(x).max(initial=0)) * int(rows.sum(axis=1).max(initial=0))
    kind = np.float32 if largest < 1 << 24 else np.float64 if largest < 1 << 53 else np.int64
    return apply(x.astype(kind), w.astype(kind)).astype(np.int64)


def _product(x: Tensor, layer: _Layer, alpha: np.float32, bias: np.ndarray | None) -> Frames:
    """alpha * (x W) + bias, rounded to float32 before alpha, and after each of the two."""
    assert isinstance(x, Frames)
    read = integers_of(x)
    weights, scale = _counted(read, layer)
    groups, per_group, terms = weights.codes.shape
    accumulators = _exact(layer.apply, read.codes, weights.codes)
    rank = accumulators.ndim
    ranked = [1] * rank
    ranked[layer.channel_axis] = -1
    scale = scale.reshape(ranked)
    if (scale == scale.reshape(-1)[0]).all():
        scale = scale.reshape(-1)[:1].reshape([1] * rank)
    low, high = (min(read.lo, 0), max(read.hi, 0)) if layer.pads else (read.lo, read.hi)
    rows = weights.codes.reshape(groups * per_group, -1)
    positive, negative = np.maximum(rows, 0).sum(axis=1), np.minimum(rows, 0).sum(axis=1)
    integers = Integers(accumulators, scale, int((positive * low + negative * high).min()),
                        int((positive * high + negative * low).max()), read.divisor)
    real = worth(integers)
    bound = _bound(x, read, layer, weights, integers, rows, bias is None and alpha == 1)
    value = real.astype(np.float32)
    if bias is None and alpha == 1:
        return Frames(value, real, bound, integers, accumulators=accumulators)
    wide = np.float64(alpha)
    offset = np.zeros(1, dtype=np.float32) if bias is None else bias

    def finish(terms: np.ndarray) -> np.ndarray:
        terms = terms if alpha == 1 else terms * alpha
        return terms if bias is None else terms + bias

    bound = bound * abs(wide) * (1 + gamma(2)) + gamma(terms + 3) * np.abs(offset.astype(np.float64)) + TINY
    return Frames(finish(value), real * wide + offset.astype(np.float64), bound, since=(integers, (finish,)),
                  accumulators=accumulators)


def _counted(read: Integers, layer: _Layer) -> tuple[Weights, np.ndarray]:
    """The weights as they are counted with, and what a sum of each output channel is worth, float64 ``[out]``.

    Every scale is a fraction. Where those that a sum adds up differ, it counts in a unit that all are multiples of: one
    for all sums if weights then have 16 bits, else one for each output channel.
    """
    weights, shape = layer.weights, layer.weights.codes.shape
    per_channel = np.moveaxis(np.broadcast_to(read.scale, (1, *read.codes.shape[1:])), layer.channel_axis, 0)
    per_channel = per_channel.reshape(per_channel.shape[0], -1)
    if not (per_channel == per_channel[:, :1]).all():
        raise NotImplementedError("a sum over pixels of different scales")
    of_data = per_channel[:, 0].reshape(shape[0], 1, -1)
    of_data = np.broadcast_to(of_data.repeat(shape[2] // of_data.shape[2], axis=2), shape).reshape(-1, shape[2])
    of_weights = weights.scale.reshape(-1, shape[2])
    if (of_data == of_data[:, :1]).all() and (of_weights == of_weights[:, :1]).all():
        return weights, of_data[:, 0] * of_weights[:, 0]
    codes = weights.codes.reshape(-1, shape[2])
    rows = [[Fraction(d) * Fraction(w) for d, w in zip(*pair, strict=True)]
            for pair in zip(of_data.tolist(), of_weights.tolist(), strict=True)]
    for units in ([_unit([each for row in rows for each in row])] * len(rows), [_unit(row) for row in rows]):
        counted = [[int(code) * int(each / unit) for code, each in zip(line, row, strict=True)]
                   for line, row, unit in zip(codes, rows, units, strict=True)]
        if max(abs(code) for line in counted for code in line) < 1 << 15:
            found = np.array(counted, dtype=np.int64).reshape(shape)
            return Weights(found, np.ones(shape)), np.array([float(unit) for unit in units])
    raise NotImplementedError("a sum of products of scales without a simple ratio")


def _unit(numbers: list[Fraction]) -> Fraction:
    """The largest number that all are whole multiples of."""
    whole = math.lcm(*(each.denominator for each in numbers))
    return Fraction(math.gcd(*(int(each * whole) for each in numbers)), whole)


def _bound(x: Frames, read: Integers, layer: _Layer, weights: Weights, integers: Integers, rows: np.ndarray,
           alone: bool) -> np.ndarray:
    """How far any float32 evaluation of the sums, which count with ``weights``, lies from them."""
    terms = layer.weights.codes.shape[2]
    powers = bool((np.frexp(integers.scale)[0] == 0.5).all()) and integers.divisor == 1
    reach = int(np.abs(read.codes).max(initial=0)) * int(np.abs(rows).sum(axis=1).max())
    inherits = bool(np.any(x.bound))
    if alone and powers and reach < 1 << 24 and not inherits:
        return np.broadcast_to(0.0, integers.codes.shape)  # every partial sum is a float32
    sizes = np.abs(weights.codes).astype(np.float32)
    magnitude = layer.apply(np.abs(read.codes).astype(np.float32), sizes) * (integers.scale / integers.divisor)
    bound = gamma(terms + 3) * magnitude * (1 + 2.0**-10) + (terms + 3) * TINY  # magnitudes were added up in float32
    if inherits:
        worths = np.abs(layer.weights.codes * layer.weights.scale)
        bound = bound + layer.apply(np.asarray(x.bound, dtype=np.float64), worths) * (1 + gamma(terms + 3))
    return bound


def _bias(tensor: Tensor | None, beta: np.float32, rank: int, axis: int) -> np.ndarray | None:
    if tensor is None:
        return None
    assert not isinstance(tensor, Frames)
    c = tensor.value.astype(np.float32)
    c = c if beta == 1 else beta * c
    if axis == 1 and c.ndim == 1:
        c = c.reshape(-1, *[1] * (rank - 2))
    return c


def _gemm(node: onnx.NodeProto, x: Tensor, w: Tensor, c: Tensor | None = None) -> Tensor:
    """alpha x W + beta C, and MatMul or its like of Einsum on the last axis."""
    turned = node.op_type == "Gemm" and attribute(node, "transB", 0)
    if node.op_type == "Einsum":  # the weights' second axis is the one that is summed over, or their first
        data, weighing = attribute(node, "equation").replace(" ", "").split("->")[0].split(",")
        turned = weighing[1] == data[-1]
    weights = weights_of(w, 0 if turned else 1)
    codes, scale = (weights.codes, weights.scale) if turned else (weights.codes.T, weights.scale.T)
    alpha, beta = (np.float32(attribute(node, name, 1.0)) for name in ("alpha", "beta"))
    assert isinstance(x, Frames)
    layer = _Layer(lambda v, m: v @ m[0].T, Weights(codes[None], scale[None]), x.rank - 1, False)
    return _product(x, layer, alpha, _bias(c, beta, x.rank, x.rank - 1))


def _tap_first(kernels: np.ndarray) -> np.ndarray:
    """``[kh, kw, groups, out / groups, in / groups]``, each tap's matrices in one piece."""
    return np.ascontiguousarray(np.moveaxis(kernels, (3, 4), (0, 1)))


def _convolution(node: onnx.NodeProto, x: Tensor, w: Tensor, c: Tensor | None = None) -> Tensor:
    assert isinstance(x, Frames)
    groups = attribute(node, "group", 1)
    weights = weights_of(w, 0)
    window = Sliding.of(node, x.value.shape[2:], weights.codes.shape[2:])
    flat, taps = x.rank == 3, (window.kernel[0], window.kernel[1])

    def apply(image: np.ndarray, kernels: np.ndarray) -> np.ndarray:
        """``kernels`` ``[groups, out / groups, (in / groups) kh kw]``."""
        image = window.padded(image[:, :, None] if flat else image)
        frames, depth = len(image), image.shape[1] // groups
        kernels = _tap_first(kernels.reshape(groups, -1, depth, *taps))
        rows, columns = window.positions(*image.shape[-2:])
        # Channels first of all: one product of matrices for each tap, all frames side by side.
        image = np.ascontiguousarray(image.swapaxes(0, 1))
        total = np.zeros((groups, kernels.shape[3], frames * rows * columns), dtype=image.dtype)
        for i, j in np.ndindex(*taps):
            total += kernels[i, j] @ window.tap(image, i, j).reshape(groups, depth, -1)
        sums = total.reshape(groups * kernels.shape[3], frames, rows, columns).swapaxes(0, 1)
        return sums[:, :, 0] if flat else sums

    shape = (groups, len(weights.codes) // groups, -1)
    pads = any(window.before) or any(window.after)
    layer = _Layer(apply, Weights(weights.codes.reshape(shape), weights.scale.reshape(shape)), 1, pads)
    return _product(x, layer, np.float32(1), _bias(c, np.float32(1), x.rank, 1))


def _transposed(node: onnx.NodeProto, x: Tensor, w: Tensor, c: Tensor | None = None) -> Tensor:
    """ConvTranspose: each pixel times the kernel, added up where the kernels overlap; then the pads are cut off."""
    assert isinstance(x, Frames)
    groups = attribute(node, "group", 1)
    weights = weights_of(w, 1)
    window = Sliding.of(node, x.value.shape[2:], weights.codes.shape[2:])
    flat, (kh, kw) = x.rank == 3, window.kernel
    depth, per_group = x.value.shape[1] // groups, weights.codes.shape[1]
    size = (1, x.value.shape[2]) if flat else (x.value.shape[2], x.value.shape[3])
    before, result = _extent(node, window, size, flat)
    whole = [(s - 1) * stride + d * (k - 1) + 1 for s, stride, d, k in zip(
        size, window.stride, window.dilation, window.kernel, strict=True)]

    def apply(image: np.ndarray, kernels: np.ndarray) -> np.ndarray:
        """``kernels`` ``[groups, out / groups, (in / groups) kh kw]``."""
        frames = len(image)
        image = np.ascontiguousarray(image.swapaxes(0, 1)).reshape(groups, depth, -1)
        kernels = _tap_first(kernels.reshape(groups, per_group, depth, kh, kw))
        canvas = np.zeros((groups * per_group, frames, max(whole[0], before[0] + result[0]),
                           max(whole[1], before[1] + result[1])), dtype=image.dtype)
        for i, j in np.ndindex(kh, kw):
            top, left = i * window.dilation[0], j * window.dilation[1]
            here = canvas[:, :, top : top + (size[0] - 1) * window.stride[0] + 1 : window.stride[0],
                          left : left + (size[1] - 1) * window.stride[1] + 1 : window.stride[1]]
            here += (kernels[i, j] @ image).reshape(here.shape)
        cut = canvas[:, :, before[0] : before[0] + result[0], before[1] : before[1] + result[1]].swapaxes(0, 1)
        return cut[:, :, 0] if flat else cut

    def grouped(array: np.ndarray) -> np.ndarray:
        """``[in, out / groups, kh, kw]`` as kernels."""
        split = array.reshape(groups, depth, per_group, kh * kw)
        return np.moveaxis(split, 1, 2).reshape(groups, per_group, -1)

    layer = _Layer(apply, Weights(grouped(weights.codes), grouped(weights.scale)), 1, True)
    return _product(x, layer, np.float32(1), _bias(c, np.float32(1), x.rank, 1))


def _extent(node: onnx.NodeProto, window: Sliding, size: tuple[int, int],
            flat: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    """What ConvTranspose cuts off before, and the size of what it leaves, as ONNX says."""
    axes = 1 if flat else 2

    def pair(name: str) -> list[int] | None:
        given = attribute(node, name)
        return None if given is None else [1] * (2 - axes) + list(given)[-axes:]

    extra = [0] * (2 - axes) + list(attribute(node, "output_padding", [0] * axes))
    wanted, mode = pair("output_shape"), attribute(node, "auto_pad", "NOTSET")
    if wanted is None and mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [s * stride for s, stride in zip(size, window.stride, strict=True)]
    before, result = [], []
    for axis in (0, 1):
        whole = ((size[axis] - 1) * window.stride[axis] + extra[axis]
                 + (window.kernel[axis] - 1) * window.dilation[axis] + 1)
        if wanted is None:
            pads = (window.before[axis], window.after[axis]) if mode == "NOTSET" else (0, 0)
        else:
            total = max(whole - wanted[axis], 0)
            pads = (total // 2, total - total // 2) if mode == "SAME_UPPER" else (total - total // 2, total // 2)
        before.append(pads[0])
        result.append(whole - sum(pads))
    return (before[0], before[1]), (result[0], result[1])


PRODUCTS: dict[str, Callable[..., Tensor]] = {
    "Gemm": _gemm, "MatMul": _gemm, "Einsum": _gemm, "Conv": _convolution, "ConvTranspose": _transposed,
}
