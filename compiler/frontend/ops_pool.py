"""Pooling: the largest integer of a window, or the sum, whose mean is only a matter of the scale."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..ir import Conv, IntType, MatMul, Pool, Value, Window
from .arrange import arrange, as_stream
from .codes import integers
from .flows import Data, natural
from .structure import refuse
from .windows import size_of, spatial, window_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["average_pool", "global_average_pool", "global_max_pool", "max_pool", "reduce"]


def max_pool(walk: Walk, node: NodeProto) -> None:
    if any(node.output[1:]):
        raise refuse(node, "gives the places of the largest values, too", "use its first output only")
    if walk.attribute(node, "storage_order", "INT", 0):
        raise refuse(node, "is stored column by column (storage_order=1)", "export it row by row")
    spatial(node, walk.data(node).shape)
    data = arrange(walk, node, _rising(walk, node, _known(walk, node)))
    window = _window(walk, node, data)
    _check_padding(node, window, data)
    _emit(walk, node, data, "max", window)


def average_pool(walk: Walk, node: NodeProto) -> None:
    spatial(node, walk.data(node).shape)
    data = arrange(walk, node, integers(walk, node, 0, "averages"))
    walk.flows[node.input[0]] = data
    window = _window(walk, node, data)
    given = window_of(walk, node, size_of(data.shape))
    _check_padding(node, window, data)
    (height, width), counted = size_of(data.shape), window
    padded = bool(walk.attribute(node, "count_include_pad", "INT", 0))
    if padded:  # the pads are pixels; what ceil_mode reaches beyond them is none
        top, left, bottom, right = given.pads
        height, width = height + top + bottom, width + left + right
        counted = replace(window, pads=(0, 0, window.pads[2] - bottom, window.pads[3] - right))
    counts = np.unique((counted.sources(height, width) >= 0).sum(axis=1))
    if len(counts) > 1:
        raise refuse(node, f"divides by {', '.join(map(str, counts))} from place to place, as it has fewer pixels at "
                     "the edge; supported is one divisor", "pool without ceil_mode" if padded else
                     "pool without padding and ceil_mode, or use count_include_pad=True")
    _emit(walk, node, _divided(data, int(counts[0])), "sum", window)


def global_average_pool(walk: Walk, node: NodeProto) -> None:
    data = walk.data(node)
    _over(walk, node, tuple(range(2, len(data.shape))), "mean", keep=True)


def global_max_pool(walk: Walk, node: NodeProto) -> None:
    data = walk.data(node)
    _over(walk, node, tuple(range(2, len(data.shape))), "max", keep=True)


def reduce(kind: str):
    """ReduceMean, ReduceSum or ReduceMax over any axes but the batch."""

    def read(walk: Walk, node: NodeProto) -> None:
        rank = len(walk.data(node).shape)
        axes = walk.integers(node, 1, "axes")
        if axes is None:
            axes = [] if walk.attribute(node, "noop_with_empty_axes", "INT", 0) else list(range(rank))
        places = tuple(sorted({axis + rank * (axis < 0) for axis in axes}))
        if not places:
            walk.set(node, walk.data(node))
            return
        if places[0] < 0 or places[-1] >= rank or 0 in places or len(places) < len(axes):
            raise refuse(node, f"reduces the axes {axes} of a tensor of {rank} axes; the batch axis must stay",
                         "reduce the pixels' axes, 2 and 3")
        _over(walk, node, places, kind, keep=bool(walk.attribute(node, "keepdims", "INT", 1)))

    return read


def _over(walk: Walk, node: NodeProto, axes: tuple[int, ...], kind: str, keep: bool) -> None:
    """One window over all pixels of the image whose channels are the axes that stay."""
    if not axes:
        raise refuse(node, "has no pixels to pool", "remove the layer")
    data = _rising(walk, node, _known(walk, node)) if kind == "max" else integers(walk, node, 0, "averages")
    kept = [axis for axis in range(len(data.shape)) if axis not in axes]
    pixels = math.prod(data.shape[axis] for axis in axes)
    index = data.order.transpose(*axes, *kept).reshape(pixels, -1)
    rows = data.shape[axes[0]] if len(axes) == 2 else 1
    image = as_stream(walk, node, data, (rows, pixels // rows, index.shape[1]), index.reshape(-1))
    image = _divided(image, pixels if kind == "mean" else 1)
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(data.shape) if keep or axis not in axes)
    order = np.arange(index.shape[1], dtype=np.int64).reshape(shape)
    _emit(walk, node, image, "max" if kind == "max" else "sum", Window((rows, pixels // rows)), order)


def _known(walk: Walk, node: NodeProto) -> Data:
    """The data, whose integers the largest is sought of."""
    data = walk.data(node)
    if data.base is None:
        raise refuse(node, "pools the network's input, which is not quantised",
                     "put a quantiser (Brevitas: QuantIdentity) before it, or declare the input with --input uint8")
    return data


def _divided(data: Data, count: int) -> Data:
    common = math.gcd(count, 1 << 30)  # a power of two goes into the scale, exactly
    chain = replace(data.chain, scale=data.scale / common, divisor=data.chain.divisor * (count // common))
    return replace(data, chain=chain)


def _window(walk: Walk, node: NodeProto, data: Data) -> Window:
    """The node's window; with ``ceil_mode``, padded so that the last windows, which reach beyond the image, are there.

    A window that would start beyond the image and its first padding is left out, as PyTorch and ONNX do.
    """
    size = size_of(data.shape)
    window = window_of(walk, node, size)
    if walk.attribute(node, "ceil_mode", "INT", 0):
        after = list(window.pads[2:])
        for axis in (0, 1):
            before, stride = window.pads[axis], window.stride[axis]
            reach = window.dilation[axis] * (window.kernel[axis] - 1) + 1
            count = -(-(size[axis] + before + after[axis] - reach) // stride) + 1
            if (count - 1) * stride >= size[axis] + before:
                count -= 1
            after[axis] = max(after[axis], (count - 1) * stride + reach - size[axis] - before)
        window = replace(window, pads=(*window.pads[:2], after[0], after[1]))
    if min(window.output(*size)) < 1:
        raise refuse(node, f"has a kernel of {list(window.kernel)} that is larger than the image, {list(size)} with "
                     "its padding", "use a smaller kernel, or more padding")
    return window


def _check_padding(node: NodeProto, window: Window, data: Data) -> None:
    if not (window.sources(*size_of(data.shape)) >= 0).any(axis=1).all():
        raise refuse(node, f"has a window that sees padding alone (pads {list(window.pads)}, kernel "
                     f"{list(window.kernel)})", "use less padding than half the kernel")


def _emit(walk: Walk, node: NodeProto, data: Data, kind: str, window: Window, order: np.ndarray | None = None) -> None:
    base = data.base
    assert base is not None
    rows, columns = window.output(*base.shape[:2])
    if order is None:
        order = natural((1, base.channels, rows, columns))
        order = order if len(data.shape) == 4 else order[:, :, 0]
    lo, hi, held = base.lo, base.hi, base.type
    if kind == "sum":
        lo, hi = min(lo, lo * window.taps), max(hi, hi * window.taps)
        if any(window.pads):
            lo, hi = min(lo, 0), max(hi, 0)
        held = IntType.spanning(lo, hi)
    name = node.output[0]
    value = Value(name, (rows, columns, base.channels), held, lo, hi, name if data.integral else None)
    data = replace(data, base=value, order=order, moves=())
    value = replace(value, order=data.origin_order)
    walk.emit(Pool(walk.node_name(node), base.name, value, kind, window))
    walk.set(node, replace(data, base=value))


def _rising(walk: Walk, node: NodeProto, data: Data) -> Data:
    """Data whose expression rises in every channel, so that its largest value is that of its largest integer.

    Where it falls, and a product made the integers, the product's weights change sign, and the scale with them.
    """
    assert data.base is not None
    if not data.chain.monotone:
        raise refuse(node, f"looks for the largest of values that are not monotone, after {data.nodes[-1]!r}",
                     "put the quantiser before the pooling")
    falling = data.chain.slope() < 0
    if not falling.any():
        return data
    makers = {each.output.name: each for each in walk.nodes if isinstance(each, MatMul | Conv)}
    maker = makers.get(data.base.name)
    if maker is None:
        raise refuse(node, "looks for the largest of values that fall as their integers rise",
                     "put a quantiser before the pooling, or make the factors before it positive")
    rows = np.broadcast_to(falling, data.base.channels)
    weights = maker.weights * np.where(rows, -1, 1).reshape(-1, *[1] * (maker.weights.ndim - 1))
    kind = maker.weight_type if maker.weight_type.holds(weights) else (
        IntType.spanning(int(weights.min()), int(weights.max())))
    lo, hi = min(data.base.lo, -data.base.hi), max(data.base.hi, -data.base.lo)
    value = Value(walk.tensor_name(f"{data.base.name}_negated"), data.base.shape, IntType.spanning(lo, hi), lo, hi)
    twin = replace(maker, name=walk.helper_name(maker.name, "negated"), weights=weights, weight_type=kind, output=value)
    walk.nodes.insert(walk.nodes.index(maker) + 1, twin)
    walk.twins[twin.name] = maker.name
    scale = data.scale * np.where(falling, -1.0, 1.0)
    return replace(data, base=value, chain=replace(data.chain, scale=scale))
