"""What may end a network: the class with the largest value, or a soft-max and the largest few, left to the host."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..float32 import Chain
from ..ir import ArgMax, IntType, Value
from .arrange import as_stream
from .flows import Data
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["arg_max", "softmax", "top"]

_PAIRS = 1 << 22
"""The most (integer, channel) pairs whose order is compared."""
_CHOICES = ("ArgMax", "TopK")
"""Operators that may follow a soft-max: the host goes on."""


def softmax(name: str):
    """Softmax or LogSoftmax over all that a frame gives: the host's."""

    def read(walk: Walk, node: NodeProto) -> None:
        data = _vector(walk, node, walk.attribute(node, "axis", "INT", 1 if walk.opset < 13 else -1))
        walk.set(node, replace(data, ended=repr(node.name), host=(*data.host, name)))

    return read


def arg_max(walk: Walk, node: NodeProto) -> None:
    """The index of the largest value: the hardware's to find if its integers tell, else the host's."""
    data = _vector(walk, node, walk.attribute(node, "axis", "INT", 0))
    if walk.attribute(node, "select_last_index", "INT", 0):
        raise refuse(node, "takes the last of equal values; supported is the first", "use select_last_index=0")
    keep = walk.attribute(node, "keepdims", "INT", 1)
    walk.set(node, _largest(walk, node, data, len(data.shape) if keep else len(data.shape) - 1, node.output[0]))


def top(walk: Walk, node: NodeProto) -> None:
    """The largest k values and their indices: of one, the index is an ArgMax; else the host finds them."""
    given = walk.attribute(node, "k", "INT")
    k = given if given is not None else (walk.integers(node, 1) or [0])[0]
    if not walk.attribute(node, "largest", "INT", 1) or not walk.attribute(node, "sorted", "INT", 1):
        raise refuse(node, "takes the smallest values, or leaves them unsorted", "take the largest, sorted")
    data = _vector(walk, node, walk.attribute(node, "axis", "INT", -1))
    if not 1 <= k <= data.order.size:
        raise refuse(node, f"takes the largest {k} of {data.order.size} values", "repair k")
    end = walk.graph.output[0].name
    if k == 1 and len(node.output) > 1 and end != node.output[0]:
        walk.flows[node.output[1]] = _largest(walk, node, data, len(data.shape), node.output[1])
        return
    shape = tuple(k if size > 1 else 1 for size in data.shape)
    for position, name in enumerate(node.output):
        if name:
            kind = ("top", "top_indices")[position]
            walk.flows[name] = _handed(node, data, f"{kind}:{k}", shape)


def _handed(node: NodeProto, data: Data, step: str, shape: tuple[int, ...]) -> Data:
    """The data, of which the host gives something of ``shape``."""
    return replace(data, ended=repr(node.name), host=(*data.host, step), result=shape)


def _vector(walk: Walk, node: NodeProto, axis: int) -> Data:
    """The data, all of whose elements lie on one axis, and that axis is the operator's; it may be a soft-max."""
    flow = walk.flow(node, 0)
    data = flow if isinstance(flow, Data) and flow.host and flow.result is None and node.op_type in _CHOICES else (
        walk.data(node))
    rank = len(data.shape)
    if not -rank <= axis < rank or data.shape[axis] != math.prod(data.shape):
        raise refuse(node, f"works on axis {axis} of a tensor of shape {list(data.shape)}; supported are vectors",
                     "flatten the data first, or leave it to the host")
    if data.base is None or not walk.nodes:
        raise refuse(node, "has no quantised layer before it", "export the whole network")
    return data


def _largest(walk: Walk, node: NodeProto, data: Data, rank: int, name: str) -> Data:
    """An ArgMax of the integers, if their order is that of the values in all channels; else it is left to the host."""
    shape, handed = (1,) * rank, data
    if data.order.size < 2:
        raise refuse(node, "looks for the largest of one value", "remove it")
    if data.host:
        return _handed(node, handed, "top_indices:1", shape)
    data = as_stream(walk, node, data, (data.order.size,), data.order.reshape(-1))
    base = data.base
    assert base is not None
    span = base.hi - base.lo + 1
    integers = np.arange(base.lo, base.hi + 1)[:, None] if span * base.channels <= _PAIRS else None
    values = None
    if integers is not None:
        with np.errstate(all="ignore"):
            values = np.asarray(data.chain(integers))
    if values is None or not (values == values[:, :1]).all() or not (np.diff(values[:, 0]) > 0).all():
        return _handed(node, handed, "top_indices:1", shape)
    value = Value(walk.tensor_name(f"{name}_index"), (1,), IntType.spanning(0, base.channels - 1), 0, base.channels - 1)
    walk.emit(ArgMax(walk.node_name(node), base.name, value))
    return Data(value, Chain(np.ones(1)), np.zeros(shape, dtype=np.int64), ended=repr(node.name))
