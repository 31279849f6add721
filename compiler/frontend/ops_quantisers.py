"""Quantisers: where floats become integers. QONNX's BipolarQuant, Quant, Trunc and MultiThreshold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..float32 import ROUNDINGS, SIGN, Chain, Quantiser, Steps, Uniform
from ..index import KEY, Index, fits, read_index
from ..ir import BIPOLAR, IntType
from .arrange import fit, fit_all
from .codes import keeps
from .dyadic import grid
from .flows import Constant, Data, Weights
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["bipolar_quant", "multi_threshold", "quant", "trunc"]

_BITS = 16
"""Bits that codes between layers may have; those of the network's input may have twice as many."""


def bipolar_quant(walk: Walk, node: NodeProto) -> None:
    """+1 where x >= 0, else -1, times the scale."""
    scale = _scale(walk, node, 1)
    flow = walk.flow(node, 0)
    if isinstance(flow, Constant | Weights):
        latent, scale = _latent(walk, node, scale)
        walk.set(node, Weights(np.where(latent >= 0, 1, -1).astype(np.int64), scale, bipolar=True))
        return
    _read(walk, node, walk.data(node), SIGN, BIPOLAR, scale)


def quant(walk: Walk, node: NodeProto) -> None:
    """clip(round(x / scale), lo, hi) times the scale. Of one bit with a sign: BipolarQuant of x / scale."""
    scale = _scale(walk, node, 1)
    _no_zero_point(walk, node)
    flow = walk.flow(node, 0)
    constant = isinstance(flow, Constant | Weights)
    bits = _bits(walk, node, 3, 32 if constant or (isinstance(flow, Data) and flow.base is None) else _BITS)
    signed, narrow = (bool(walk.attribute(node, name, "INT", 1)) for name in ("signed", "narrow"))
    rounding = _rounding(walk, node, "ROUND")
    if constant:
        latent, scale = _latent(walk, node, scale)
        if signed and bits == 1:
            codes = np.where(latent / scale >= 0, 1, -1).astype(np.int64)
            walk.set(node, Weights(codes, scale, bipolar=True))
            return
        declared = _range(bits, signed, narrow)
        codes = Uniform(scale, *declared, rounding)(latent)
        walk.set(node, Weights(codes, scale, declared=declared, index=_index(node, codes)))
        return
    data, divisor = fit(walk, node, walk.data(node), scale)
    if signed and bits == 1:
        if (divisor != 1).any():
            data = replace(data, chain=data.chain.then("div", divisor), nodes=(*data.nodes, node.name))
        _read(walk, node, data, SIGN, BIPOLAR, scale)
        return
    lo, hi = _range(bits, signed, narrow)
    if lo == hi:
        raise refuse(node, f"quantises everything to {lo}", "use more bits")
    _read(walk, node, data, Uniform(divisor, lo, hi, rounding), IntType(bits, signed), scale)


def _index(node: NodeProto, codes: np.ndarray) -> Index | None:
    """What the node's metadata says of where weights ``[out, ...]`` come from."""
    text = next((entry.value for entry in node.metadata_props if entry.key == KEY), None)
    if text is None:
        return None
    matrix = codes.reshape(len(codes), -1)
    try:
        index = read_index(text, matrix.shape)
    except ValueError as error:
        raise refuse(node, f"has a note {KEY!r} that cannot be used: {error}", "export it anew, or take the note out"
                     ) from None
    why = fits(index, matrix)
    if why is not None:
        raise refuse(node, f"has weights that are not those of its note {KEY!r}: {why}",
                     "export the layer with the index that it was trained with, or take the note out")
    return index


def trunc(walk: Walk, node: NodeProto) -> None:
    """Codes with their lowest bits cut off: round(x / scale) / 2^shift, rounded as the node says.

    The first version of the operator (5 inputs) keeps the scale; the second (6) gives another, and clips. There the
    shift may be negative, as where Brevitas' TruncAvgPool2d is asked for more bits than its sums have.
    """
    scale = _scale(walk, node, 1)
    _no_zero_point(walk, node)
    result = _scale(walk, node, 4) if len(node.input) > 5 else scale
    data, (divisor, _) = fit_all(walk, node, walk.data(node), [scale, result])
    rounding = _rounding(walk, node, "FLOOR")
    if data.base is None:
        raise refuse(node, "cuts bits off the network's input, which is not quantised", "put a Quant before it")
    if len(node.input) > 5:
        bits = _bits(walk, node, 5, _BITS)
        exponents = np.unique(np.rint(np.log2(result / scale)))
        if len(exponents) != 1 or not -_BITS <= exponents[0] <= 32:
            raise refuse(node, f"has an output scale that is 2^{exponents.tolist()} times its scale; supported is one "
                         f"power of two from 2^-{_BITS} to 2^32", "use another output scale")
        shift = int(exponents[0])
        signed, narrow = (bool(walk.attribute(node, name, "INT", default)) for name, default in
                          (("signed", 1), ("narrow", 0)))
        quantiser = Uniform(divisor, *_range(bits, signed, narrow), rounding, shift)
        kind = IntType(bits, signed)
    else:
        before, after = (_bits(walk, node, position, 32) for position in (3, 4))
        shift = before - after
        if shift < 0:
            raise refuse(node, f"truncates {before} bits to {after}", "use fewer bits after than before")
        wide = Uniform(divisor, -(1 << 31), (1 << 31) - 1, rounding, shift)
        ends = wide(data.chain(np.array([[data.base.lo], [data.base.hi]])))
        quantiser = Uniform(divisor, int(ends.min()), int(ends.max()), rounding, shift)
        kind = IntType.spanning(quantiser.lo, quantiser.hi)
        if kind.bits > _BITS or not data.chain.monotone:
            raise refuse(node, f"leaves {kind.bits} bits; an activation may have at most {_BITS}", "cut off more bits")
    _read(walk, node, data, quantiser, kind, result)


def multi_threshold(walk: Walk, node: NodeProto) -> None:
    """out_scale * (the number of thresholds that x reaches) + out_bias."""
    thresholds = walk.floats(node, 1)
    data = walk.data(node)
    scale, bias = (np.float32(walk.attribute(node, name, "FLOAT", default)) for name, default in
                   (("out_scale", 1.0), ("out_bias", 0.0)))
    axis = _channel_axis(walk, node, len(data.shape))
    if thresholds.ndim != 2 or thresholds.shape[0] not in (1, data.shape[axis]) or not thresholds.shape[1]:
        raise refuse(node, f"has thresholds of shape {list(thresholds.shape)} for a tensor of shape "
                     f"{list(data.shape)}", "give one row of thresholds for all channels, or one for each")
    if not scale > 0:
        raise refuse(node, f"has an out_scale of {float(scale)!r}; a scale must be positive", "repair the scale")
    shape = [1] * len(data.shape)
    shape[axis] = -1
    data, columns = fit_all(walk, node, data, [column.reshape(shape) for column in np.sort(thresholds, axis=1).T])
    size = max(len(column) for column in columns)
    rows = np.stack([np.broadcast_to(column, size) for column in columns], axis=1)
    with np.errstate(all="ignore"):
        values = scale * np.arange(len(columns) + 1, dtype=np.float32) + bias
    if len(values) == 2 and values[0] == -values[1]:  # x >= t is x - t >= 0, for floats too
        data = replace(data, chain=data.chain.then("sub", rows[:, 0]), nodes=(*data.nodes, node.name))
        _read(walk, node, data, SIGN, BIPOLAR, values[1:])
        return
    if not np.isfinite(values).all() or values[0] == values[-1]:
        raise refuse(node, f"gives codes from {float(values[0])!r} to {float(values[-1])!r}", "repair the scale")
    lo = np.rint(np.float64(bias) / np.float64(scale))
    if abs(lo) < 1 << _BITS and np.float32(lo) * scale == bias:
        _threshold(walk, node, data, rows, int(lo), scale.reshape(1))
        return
    found = grid(values)
    step = np.float32(found[1] if found else 0)
    if found is None or step != found[1] or np.abs(found[0]).max() >= 1 << _BITS:
        # No scale makes integers of these values: the number of thresholds is the code, the rest an expression.
        value = _threshold(walk, node, data, rows, 0, scale.reshape(1), exact=False)
        assert value.base is not None
        walk.set(node, replace(value, chain=value.chain.then("add", bias), nodes=(node.name,)))
        return
    _threshold(walk, node, data, np.repeat(rows, np.diff(found[0]), axis=1), int(found[0][0]), step.reshape(1),
               exact=False)


def _threshold(walk: Walk, node: NodeProto, data: Data, rows: np.ndarray, lo: int, scale: np.ndarray,
               exact: bool = True) -> Data:
    quantiser = Steps(np.ascontiguousarray(rows), lo)
    kind = IntType.spanning(quantiser.lo, quantiser.hi)
    if kind.bits > _BITS:
        raise refuse(node, f"gives codes of {kind.bits} bits; an activation may have at most {_BITS}",
                     "use fewer thresholds")
    return _read(walk, node, data, quantiser, kind, scale, exact)


def _read(walk: Walk, node: NodeProto, data: Data, quantiser: Quantiser, kind: IntType, scale: np.ndarray,
          exact: bool = True) -> Data:
    """Set the node's output: codes of ``kind``, each worth ``scale`` (float32, of a shape that fits the data's).

    ``exact`` tells that the codes are those that the operator itself counts in.
    """
    data, _ = fit(walk, node, data, scale)
    if not (data.base is not None and keeps(data.base, data.chain, quantiser)):
        _few_integers(node, data)
        name = node.output[0]
        data = replace(data, base=walk.quantise(node, data, quantiser, kind, name, name if exact else None))
    data, scale = fit(walk, node, replace(data, chain=Chain(np.ones(1)), nodes=()), scale)
    data = replace(data, chain=Chain(scale.astype(np.float64)))
    walk.set(node, data)
    return data


def _few_integers(node: NodeProto, data: Data) -> None:
    """What is not monotone becomes a table of all integers that it may see."""
    if data.base is not None and not data.chain.monotone and data.base.hi - data.base.lo >= 1 << 12:
        bent = data.nodes[-1] if data.nodes else "an operation"
        raise refuse(node, f"follows {bent!r}, which is not monotone, on integers from {data.base.lo} to "
                     f"{data.base.hi}; a table may have 4096 entries",
                     "put a quantiser of at most 12 bits before the activation, or use Relu")


def _scale(walk: Walk, node: NodeProto, position: int) -> np.ndarray:
    scale = walk.floats(node, position)
    if not scale.size or not (scale > 0).all():
        found = float(scale.min()) if scale.size else []
        raise refuse(node, f"has a scale of {found!r}; a scale must be positive", "train again, or repair the scale")
    return scale


def _no_zero_point(walk: Walk, node: NodeProto) -> None:
    zero = walk.floats(node, 2)
    if zero.size != 1 and zero.shape != walk.floats(node, 1).shape:
        raise refuse(node, f"has a zero point of shape {list(zero.shape)}", "export it as a scalar")
    if (zero != 0).any():
        raise refuse(node, f"has a zero point of {float(zero.flat[np.abs(zero).argmax()]):g}; supported is 0",
                     "use Brevitas' symmetric quantisers (Int8WeightPerTensorFloat, Int8ActPerTensorFloat, "
                     "Uint8ActPerTensorFloat), not the Shifted ones")


def _bits(walk: Walk, node: NodeProto, position: int, limit: int) -> int:
    bits = walk.floats(node, position)
    if bits.size != 1:
        raise refuse(node, f"has {bits.size} bit widths; supported is one for all channels", "use one bit width, or "
                     "store such weights as the constants that they are: their integers are found")
    width = float(bits.flat[0])
    if width != int(width) or not 1 <= width <= limit:
        raise refuse(node, f"quantises to {width:g} bits; supported are whole numbers from 1 to {limit}",
                     "use fewer bits" if width > limit else "use a whole number of bits")
    return int(width)


def _rounding(walk: Walk, node: NodeProto, default: str) -> str:
    rounding = walk.attribute(node, "rounding_mode", "STRING", default).upper()
    if rounding not in ROUNDINGS:
        raise refuse(node, f"rounds by {rounding!r}; supported are {', '.join(ROUNDINGS)}", "use one of these")
    return rounding


def _range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(1 << bits - 1) + narrow, (1 << bits - 1) - 1
    return 0, (1 << bits) - 1 - narrow


def _latent(walk: Walk, node: NodeProto, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The float32 weights before a quantiser, and its scale of the same shape."""
    latent = walk.floats(node, 0)
    try:
        return latent, np.broadcast_to(scale, latent.shape)
    except ValueError:
        raise refuse(node, f"has a scale of shape {list(scale.shape)} for weights of shape {list(latent.shape)}",
                     "use one scale for all weights, or one for each output channel") from None


def _channel_axis(walk: Walk, node: NodeProto, rank: int) -> int:
    """As ``qonnx`` finds it: by the layout that the node names, else by the number of axes."""
    named = walk.attribute(node, "data_layout", "STRING", "") or {3: "NWC"}.get(rank, "NC")
    axis = named.index("C") if "C" in named else 1
    if not 1 <= axis < rank:
        raise refuse(node, f"has the layout {named!r} for a tensor of {rank} axes", "repair the layout")
    return axis
