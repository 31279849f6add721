"""Float32 expressions that are integers in disguise.

A linear layer needs integers. Codes behind ``Relu``, or a bipolar input behind ``(x + 1) / 2``, have none in the file,
but all their few values are integers times one scale: this is tried on every integer that the expression may see.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..float32 import Chain, Quantiser, Uniform
from ..ir import IntType, Value
from .dyadic import grid, multiples
from .flows import Data
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["integers", "keeps", "unreadable"]

_BITS = 16
"""Bits that codes found so may have."""
_PAIRS = 1 << 20
"""The most (integer, channel) pairs that are tried."""


def integers(walk: Walk, node: NodeProto, position: int, task: str) -> Data:
    """An input of a layer that computes over integers: the data, if it is integers times a scale.

    ``task`` says what the layer does to it ("multiplies", …). Later readers of the tensor share codes found here.
    """
    data = walk.data(node, position)
    if data.base is None:
        raise refuse(node, f"{task} the network's input, which is not quantised",
                     "put a quantiser (Brevitas: QuantIdentity) before the layer, or declare the input with --input "
                     "uint8")
    if data.integral:
        return data
    every, found = _found(data.base, data.chain)
    if every is None or found is None:
        last = f" after {data.nodes[-1]!r}" if data.nodes else ""
        raise refuse(node, f"{task} data that is not quantised{last}",
                     "put a quantiser before the layer (Brevitas: QuantIdentity, or QuantReLU for the activation)")
    codes, scale, quantiser = found
    if (codes == every).all():  # the same integers, perhaps worth something else
        return replace(data, chain=Chain(scale), nodes=())
    name = walk.tensor_name(f"{node.input[position]}_codes")
    value = walk.quantise(node, data, quantiser, IntType.spanning(quantiser.lo, quantiser.hi), name, None)
    data = replace(data, base=value, chain=Chain(scale), nodes=())
    walk.flows[node.input[position]] = data
    return data


def unreadable(data: Data) -> bool:
    """Whether the data is known to be no integers times a scale: all that it may be have been tried, or it has none."""
    if data.base is None or data.integral:
        return data.base is None
    every, found = _found(data.base, data.chain)
    return every is not None and found is None


def _found(base: Value, chain: Chain):
    """Every integer of the base, and the codes behind the expression of them; None for what there is not."""
    every = _every(base, chain)
    return every, None if every is None else _codes(every, chain)


def _every(base: Value, chain: Chain, quantiser: Quantiser | None = None) -> np.ndarray | None:
    """Every integer of the base, as a column, if there are few enough to try them with all constants."""
    step = 2 if base.type.bipolar else 1
    assert isinstance(chain.scale, np.ndarray)
    sizes = [constant.size for constant in chain.constants]
    sizes += [quantiser.scale.size] if isinstance(quantiser, Uniform) else []
    if max(sizes) * ((base.hi - base.lo) // step + 1) > _PAIRS:
        return None
    return np.arange(base.lo, base.hi + 1, step, dtype=np.int64)[:, None]


def _codes(every: np.ndarray, chain: Chain) -> tuple[np.ndarray, np.ndarray, Uniform] | None:
    """Codes behind the expression's values, their scale (float64 ``[1]``) and the quantiser that reads them."""
    with np.errstate(all="ignore"):
        values = chain(every)
    if not np.isfinite(values).all():
        return None
    for codes, scale in _readings(values, chain):
        quantiser = Uniform(np.float32(scale).reshape(1), int(codes.min()), int(codes.max()))
        fits = IntType.spanning(quantiser.lo, quantiser.hi).bits <= _BITS and quantiser.levels > 0
        if fits and np.array_equal(quantiser(values), codes):
            return codes, scale, quantiser
    return None


def _readings(values: np.ndarray, chain: Chain):
    """What the values may be codes of: the scale that the chain starts with, then their own common divisor."""
    assert isinstance(chain.scale, np.ndarray)
    scale = np.abs(chain.scale)
    if len(scale) == 1 and chain.divisor == 1 and scale == np.float32(scale):
        codes = multiples(values, scale)
        if codes is not None and np.array_equal((codes * scale).astype(np.float32), values):
            yield codes, scale
    found = grid(values)
    if found is not None and found[1] == np.float32(found[1]):
        yield found[0], np.array([found[1]])


def keeps(base: Value, chain: Chain, quantiser: Quantiser) -> bool:
    """Whether the quantiser gives back the very integers that its input is an expression of."""
    every = _every(base, chain, quantiser)
    if every is None or quantiser.levels >= 1 << _BITS or not quantiser.lo <= base.lo <= base.hi <= quantiser.hi:
        return False
    with np.errstate(all="ignore"):
        values = chain(every)
    return bool(np.isfinite(values).all() and (quantiser(values) == every).all())
