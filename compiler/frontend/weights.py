"""The weights of a layer as integers: from their quantiser, or from the few values that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir import BIPOLAR, IntType
from .dyadic import grid
from .flows import Data, Weights
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["absorbed", "channel_scale", "kind_of", "read_weights"]

_FEW = 16
"""Distinct values that weights may have whose integers are wide, as those of ternary weights with two scales are; also
at most half as many as there are weights."""
_NARROW, _WIDE = 16, 32
"""Bits of integers that any weights may have, and of those with few values."""
_REMEDY = "quantise the weights (Brevitas: QuantConv2d and QuantLinear with a weight_quant)"


def read_weights(walk: Walk, node: NodeProto, position: int, axis: int) -> Weights:
    """The constants at an input as integers and scales; the output channels are on ``axis``.

    Floats without a quantiser are taken exactly: as integers times one scale for all or, failing that, for each output
    channel.
    """
    flow = walk.flow(node, position)
    if isinstance(flow, Data):
        raise refuse(node, "multiplies two streams of data; supported are layers with constant weights",
                     "compute attention and other products of activations outside the accelerator")
    if isinstance(flow, Weights):
        return flow
    array = walk.floats(node, position)
    found = _read(array[None])
    if found is None and axis < array.ndim:
        found = _read(np.moveaxis(array, axis, 0))
        found = found and (np.moveaxis(found[0], 0, axis), np.moveaxis(found[1], 0, axis))
    if found is None:
        raise refuse(node, f"has weights that are not quantised ({np.unique(array).size} different values)", _REMEDY)
    codes, scale = found
    codes = codes.reshape(array.shape)
    return Weights(codes, np.broadcast_to(scale if scale.ndim == array.ndim else scale[0], codes.shape))


def _read(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Codes and scales (of the rows' rank) of ``rows`` with a scale each, if the rows are not too colourful."""
    grids = [grid(row) for row in rows]
    if any(found is None for found in grids):
        return None
    codes = np.stack([found[0] for found in grids if found is not None])
    largest = int(np.abs(codes).max(initial=0))
    few = [min(_FEW, row.size // 2) for row in codes]
    if largest >= 1 << _NARROW - 1 and (largest >= 1 << _WIDE - 1 or any(
            np.unique(row).size > most for row, most in zip(codes, few, strict=True))):
        return None
    scale = np.array([found[1] for found in grids if found is not None])
    return codes, scale.reshape(-1, *[1] * (rows.ndim - 1))


def channel_scale(scale: np.ndarray) -> np.ndarray | None:
    """The scale of each output channel, float64 ``[1]`` or ``[out]``, of scales ``[out, ...]``; None if there is none.
    """
    rows = scale.reshape(len(scale), -1).astype(np.float64)
    if not (rows == rows[:, :1]).all():
        return None
    channel = rows[:, 0]
    return channel[:1] if (channel == channel[0]).all() else channel


def absorbed(codes: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Weights ``codes * scale`` (float64), both ``[out, ...]``, as integers of at most 16 bits, and their scale.

    The scale, float64 ``[1]`` or ``[out]``, is what all scales are multiples of, or else all of each output channel.
    """
    scale = np.broadcast_to(scale, codes.shape)
    for rows in (scale[None], scale):
        found = [grid(row) for row in rows]
        if any(each is None for each in found):
            continue
        factors = np.stack([each[0] for each in found if each is not None]).reshape(codes.shape)
        if (np.abs(factors) < 1 << _NARROW)[codes != 0].all():
            integers = codes * np.where(codes == 0, 0, factors)
            if np.abs(integers).max(initial=0) < 1 << _NARROW - 1:
                return integers, np.array([each[1] for each in found if each is not None])
    return None


def kind_of(codes: np.ndarray, bipolar: bool) -> IntType:
    """The narrowest type of weights; bipolar where they are -1 and +1, both or by their quantiser."""
    lo, hi = int(codes.min()), int(codes.max())
    if BIPOLAR.holds(codes) and (bipolar or (lo, hi) == (-1, 1)):
        return BIPOLAR
    return IntType.spanning(lo, hi)
