"""Moving elements only where a layer needs them in place, and constants to the channels that they belong to.

Reshapes, transposes, slices and the like cost nothing until then: they change the ``order`` of
:class:`~.flows.Data`. A convolution needs its image channels last; what it finds elsewhere becomes one Rearrange.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..float32 import Chain
from ..ir import IntType, Rearrange, Value, canonical_order
from .flows import Data, layout, natural
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["arrange", "arranged", "as_stream", "fit", "fit_all"]

_REMEDY = "put a quantiser (Brevitas: QuantIdentity) before the layer"


def arranged(walk: Walk, node: NodeProto, position: int) -> Data:
    """An input of ``node``, its elements channels last; readers that come later share what was moved."""
    data = arrange(walk, node, walk.data(node, position))
    walk.flows[node.input[position]] = data
    return data


def arrange(walk: Walk, node: NodeProto, data: Data) -> Data:
    """The same tensor on a base that has its shape, channels last."""
    shape, index = layout(data.order)
    return replace(as_stream(walk, node, data, shape, index), order=natural(data.shape))


def as_stream(walk: Walk, node: NodeProto, data: Data, shape: tuple[int, ...], index: np.ndarray) -> Data:
    """The elements ``index`` of the data's base as a stream of ``shape``: as it is, or by a Rearrange.

    The order of the result is that of the stream itself, of ``shape`` after a batch axis.
    """
    base = data.base
    if base is None:
        raise refuse(node, "needs the network's input in another order before anything has been quantised",
                     "put a quantiser (Brevitas: QuantIdentity) first, or declare the input with --input uint8")
    order = np.arange(index.size, dtype=np.int64).reshape(1, *shape)
    if base.shape == shape and np.array_equal(index, order.reshape(-1)):
        return replace(data, order=order)
    mover, kind = data.moves[-1] if data.moves else (node.name, "reshape")
    chain = _moved_chain(node, data.chain, base.channels, index, shape[-1])
    lo, hi, kept = base.lo, base.hi, base.type
    if (index < 0).any():
        lo, hi = min(lo, 0), max(hi, 0)
        kept = kept if kept.holds(np.zeros(1, dtype=np.int64)) else IntType.spanning(lo, hi)
    if kind != "reshape" and np.array_equal(index, np.arange(base.elements)):
        kind = "reshape"
    index = np.ascontiguousarray(index)
    index.flags.writeable = False
    value = Value(walk.tensor_name(f"{base.name}_{kind.replace(' ', '_')}"), shape, kept, lo, hi)
    walk.emit(Rearrange(walk.helper_name(mover, kind.replace(" ", "_"), node), base.name, value, index, kind))
    return replace(data, base=value, chain=chain, order=order, moves=())


def _moved_chain(node: NodeProto, chain: Chain, channels: int, index: np.ndarray, target: int) -> Chain:
    """The chain on the channels that elements come to lie in."""
    source = np.where(index < 0, -1, index % channels).reshape(-1, target)
    # For each new channel one old channel that stands in it; all others there must have the same constants.
    stands = source.max(axis=0)

    def moved(constants: np.ndarray) -> np.ndarray:
        if constants.size == 1:
            return constants
        chosen = constants[np.maximum(stands, 0)]
        if not ((constants[np.maximum(source, 0)] == chosen) | (source < 0)).all():
            raise refuse(node, "needs channels that were computed with different constants in one channel", _REMEDY)
        return chosen[:1] if (chosen == chosen[0]).all() else chosen

    return chain.moved(moved)


def fit(walk: Walk, node: NodeProto, data: Data, array: np.ndarray) -> tuple[Data, np.ndarray]:
    """Constants that broadcast to the data's shape, one for all or one for each channel of the base: ``[1]``, ``[C]``.

    The data may have to be arranged for that. Before the first quantiser, one for each element of the model's input.
    """
    try:
        shape = np.broadcast_shapes(array.shape, data.shape)
    except ValueError:
        shape = ()
    if shape != data.shape:
        raise refuse(node, f"has a constant of shape {list(array.shape)} for a tensor of shape {list(data.shape)}",
                     "use one value for all elements, or one for each channel")
    if data.base is not None and (data.order < 0).any():
        data = arrange(walk, node, data)
    if array.size == 1 or (array == array.flat[0]).all():
        return data, array.reshape(-1)[:1]
    full = np.broadcast_to(array, shape)
    constants = _by_channel(walk, data, full)
    if constants is None and data.base is not None:
        data = arrange(walk, node, data)
        constants = _by_channel(walk, data, full)
    if constants is None:
        raise refuse(node, f"has constants of shape {list(array.shape)} that differ from pixel to pixel",
                     "use one value for all elements, or one for each channel")
    return data, constants


def fit_all(walk: Walk, node: NodeProto, data: Data, arrays: Sequence[np.ndarray]) -> tuple[Data, list[np.ndarray]]:
    """As :func:`fit` for several arrays at once, all for the channels of one base."""
    while True:
        before, constants = data, []
        for array in arrays:
            data, found = fit(walk, node, data, array)
            constants.append(found)
        if data.base is before.base:
            return data, constants


def _by_channel(walk: Walk, data: Data, full: np.ndarray) -> np.ndarray | None:
    channels = walk.elements if data.base is None else data.base.channels
    place = (data.order % channels).reshape(-1)
    flat = full.reshape(-1)
    constants = np.full(channels, flat[0])
    constants[place] = flat
    if not np.array_equal(constants[place], flat):
        return None
    if data.base is None:  # the chain is applied to elements in the model's order
        constants = constants[canonical_order(walk.stream_shape)]
    return constants
