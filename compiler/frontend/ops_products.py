"""Products of data and weights: Gemm and MatMul here, and what convolutions share with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..float32 import Chain
from ..index import fits
from ..ir import Conv, IntType, MatMul, Value, Window
from .arrange import arrange, as_stream
from .codes import integers
from .dyadic import SUM_BITS, exact_product
from .flows import Data, Weights
from .ops_elementwise import elementwise
from .structure import refuse
from .weights import absorbed, channel_scale, kind_of, read_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["einsum", "gemm", "matmul", "product", "with_bias"]

_QUANTISE = "put a quantiser (Brevitas: QuantIdentity) before the layer"


def product(walk: Walk, node: NodeProto, data: Data, weights: Weights, *, window: Window | None = None,
            groups: int = 1) -> Data:
    """Emit ``y = W x``; what it gives, in the order of its own stream after a batch axis.

    ``weights`` are ``[out, in]`` in stream order or, with a window, ``[out, kh, kw, in / groups]``.
    """
    base = data.base
    assert base is not None
    weights, scale = _scaled(node, data, weights, groups)
    codes = np.ascontiguousarray(weights.codes)
    codes.flags.writeable = False
    padded = window is not None and (any(window.pads) or window.insert != (1, 1))
    low, high = (min(base.lo, 0), max(base.hi, 0)) if padded else (base.lo, base.hi)
    rows = codes.reshape(len(codes), -1)
    if max(-low, high) * int(np.abs(rows).sum(axis=1).max()) >= 1 << SUM_BITS - 1:
        raise refuse(node, f"multiplies {base.type} data by weights of up to {int(np.abs(rows).max())}: its sums would "
                     f"need more than {SUM_BITS} bits", "use fewer bits; " + _QUANTISE)
    positive, negative = np.maximum(rows, 0).sum(axis=1), np.minimum(rows, 0).sum(axis=1)
    least, greatest = int((positive * low + negative * high).min()), int((positive * high + negative * low).max())
    shape = (len(codes),) if window is None else (*window.output(*base.shape[:2]), len(codes))
    name, kind = node.output[0], kind_of(codes, weights.bipolar)
    value = Value(name, shape, IntType.spanning(least, greatest), least, greatest, origin=name)
    if window is None:
        # Moved columns or changed integers are another matrix, whose weights are stored like any.
        index = weights.index if weights.index is not None and fits(weights.index, codes) is None else None
        walk.emit(MatMul(walk.node_name(node), base.name, value, codes, kind, weights.declared, index))
    else:
        walk.emit(Conv(walk.node_name(node), base.name, value, codes, kind, window, groups, weights.declared))
    order = np.arange(value.elements, dtype=np.int64).reshape(1, *shape)
    return Data(value, Chain(scale, divisor=data.chain.divisor), order)


def _scaled(node: NodeProto, data: Data, weights: Weights, groups: int) -> tuple[Weights, np.ndarray]:
    """The weights, and what each output channel's sums are worth: the exact product of the data's scale and theirs.

    Where that differs among the products that a sum adds up, the weights' integers take the ratio in.
    """
    assert data.base is not None
    outputs, source = len(weights.codes), np.broadcast_to(data.scale, data.base.channels)
    per_group = source.reshape(groups, -1)
    channel = channel_scale(weights.scale)
    if channel is not None and (per_group == per_group[:, :1]).all():
        scale = exact_product(np.repeat(per_group[:, 0], outputs // groups), channel)
    else:
        taken = weights.codes.shape[-1]  # a vector's elements, or the channels of a group
        each = np.tile(source, taken // len(source)) if weights.codes.ndim == 2 else (
            np.repeat(per_group, outputs // groups, axis=0).reshape(outputs, 1, 1, taken))
        scale = exact_product(each, weights.scale)
        found = None if scale is None else absorbed(weights.codes, scale)
        if found is None and channel is None:
            raise refuse(node, "has weights whose scales differ within an output channel, in no simple ratio",
                         "quantise the weights with one scale for all, one for each output channel, or powers of two")
        if found is None:
            raise refuse(node, "adds up channels whose scales have no simple ratio",
                         "quantise per tensor before it, the branches of a Concat by one shared quantiser, or by "
                         "powers of two")
        weights, scale = Weights(found[0], np.ones(found[0].shape)), found[1]
    if scale is None:
        raise refuse(node, "multiplies by a third scale, and float64 does not hold the product of the three", _QUANTISE)
    return weights, (scale[:1] if (scale == scale[0]).all() else scale)


def with_bias(walk: Walk, node: NodeProto, data: Data, *steps: tuple[str, ArrayLike]) -> None:
    """Set the output: the product in its model's layout, and what the operator itself does to it afterwards."""
    assert data.base is not None
    value = replace(data.base, order=data.origin_order)
    walk.nodes[-1] = replace(walk.nodes[-1], output=value)
    data = replace(data, base=value)
    walk.set(node, data)
    if steps:
        elementwise(walk, node, data, *steps)


def gemm(walk: Walk, node: NodeProto) -> None:
    """alpha x W + beta C."""
    if walk.attribute(node, "transA", "INT", 0):
        raise refuse(node, "transposes its data (transA=1); supported is transA=0", "export torch.nn.Linear layers")
    data = _linear(walk, node, transposed=bool(walk.attribute(node, "transB", "INT", 0)))
    alpha, beta = (np.float32(walk.attribute(node, name, "FLOAT", 1.0)) for name in ("alpha", "beta"))
    steps: list[tuple[str, ArrayLike]] = [("mul", alpha)] if alpha != 1 else []
    if walk.has_input(node, 2):
        bias = walk.floats(node, 2)
        steps.append(("add", bias if beta == 1 else beta * bias))
    with_bias(walk, node, data, *steps)


def matmul(walk: Walk, node: NodeProto) -> None:
    """x W, on the last axis."""
    with_bias(walk, node, _linear(walk, node, transposed=False))


def einsum(walk: Walk, node: NodeProto) -> None:
    """A matrix product of data and weights on the last axis, in Einstein's notation: "bij,jk->bik", "bi,oi->bo"."""
    if len(node.input) == 2 and all(isinstance(walk.flow(node, position), Data) for position in (0, 1)):
        raise refuse(node, "multiplies two streams of data; supported are layers with constant weights",
                     "compute attention and other products of activations outside the accelerator")
    equation = walk.attribute(node, "equation", "STRING", "").replace(" ", "")
    terms, _, result = equation.partition("->")
    data, _, weights = terms.partition(",")
    batch, inner, outer = data[:-1], data[-1:], result[-1:]
    letters = batch.replace("...", "") + inner + outer
    if (weights not in (inner + outer, outer + inner) or result != batch + outer or len(inner + outer) < 2
            or not letters.isalpha() or len(set(letters)) < len(letters)):
        raise refuse(node, f"computes {equation!r}; supported are products of data and a matrix of weights on the "
                     "data's last axis, such as 'bi,io->bo' or 'bi,oi->bo'",
                     "write it as MatMul, or as Conv, with constant weights")
    with_bias(walk, node, _linear(walk, node, transposed=weights == outer + inner))


def _linear(walk: Walk, node: NodeProto, transposed: bool) -> Data:
    if not isinstance(walk.flow(node, 0), Data):
        raise refuse(node, "has the weights on the left; supported is data times weights",
                     "compute x @ W, as torch.nn.Linear does")
    weights = _matrix(walk, node, transposed)
    data = integers(walk, node, 0, "multiplies")
    outputs, inputs = weights.shape
    if data.shape[-1] != inputs or (node.op_type == "Gemm" and len(data.shape) != 2):
        raise refuse(node, f"multiplies a tensor of shape {list(data.shape)} by weights for {inputs} features",
                     "flatten the data before the layer, or repair the layer's size")
    pixels = data.order.size // inputs
    if pixels == 1:
        result = product(walk, node, *_absorbed(walk, node, data, weights))
        return replace(result, order=result.order.reshape(*data.shape[:-1], outputs))
    # The same product for each pixel: a convolution of one tap on the image whose channels are the features.
    rows = data.shape[1] if len(data.shape) == 4 else 1
    shape = (rows, pixels // rows, inputs)
    image = as_stream(walk, node, data, shape, data.order.reshape(-1))
    tap = replace(weights, codes=weights.codes[:, None, None], scale=weights.scale[:, None, None])
    result = product(walk, node, image, tap, window=Window((1, 1)))
    return replace(result, order=result.order.reshape(*data.shape[:-1], outputs))


def _matrix(walk: Walk, node: NodeProto, transposed: bool) -> Weights:
    """The second operand as ``[out, in]`` weights."""
    weights = read_weights(walk, node, 1, axis=0 if transposed else 1)
    if len(weights.shape) != 2:
        raise refuse(node, f"has weights of shape {list(weights.shape)}; supported are matrices", "use linear layers")
    return weights if transposed else replace(weights, codes=weights.codes.T, scale=weights.scale.T)


def _absorbed(walk: Walk, node: NodeProto, data: Data, weights: Weights) -> tuple[Data, Weights]:
    """The product of a vector in whatever order its elements come: the weights' columns are put in that order."""
    assert data.base is not None
    flat = data.order.reshape(-1)
    if not np.array_equal(np.sort(flat), np.arange(data.base.elements)):
        data = arrange(walk, node, data)
        flat = data.order.reshape(-1)
    columns = np.argsort(flat)
    return data, replace(weights, codes=weights.codes[:, columns], scale=weights.scale[:, columns])
