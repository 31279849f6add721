"""Where branches meet: sums and differences of two streams, and channels side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..float32 import Chain
from ..ir import BIPOLAR, Add, Concat, IntType, Value
from .arrange import arrange, as_stream
from .codes import integers
from .dyadic import SUM_BITS, common_unit
from .flows import Constant, Data
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["combine", "concat", "sum_of"]

_SHARE = "let the branches share one quantiser (Brevitas: the same QuantIdentity on each)"


def combine(walk: Walk, node: NodeProto, signs: Sequence[int]) -> None:
    """Sums of integers times a sign each, of all inputs: over integers, whatever their scales."""
    parts = [integers(walk, node, position, "adds") for position in range(len(signs))]
    shapes = [part.shape for part in parts]
    if len(set(shapes)) > 1:
        raise refuse(node, f"adds branches of the shapes {' and '.join(str(list(s)) for s in shapes)}; supported are "
                     "equal ones", "bring the branches to one shape first")
    first = parts[0]
    if any(p.base is None or first.base is None or p.base.shape != first.base.shape or (p.order < 0).any()
           or not np.array_equal(p.order, first.order) for p in parts):
        parts = [arrange(walk, node, part) for part in parts]
        for name, part in zip(node.input, parts, strict=True):
            walk.flows[name] = part
    unit = common_unit([part.scale for part in parts], [part.chain.divisor for part in parts])
    if unit is None:
        raise refuse(node, "adds branches whose scales differ by other factors from channel to channel",
                     "quantise each branch per tensor before the addition, or " + _SHARE)
    scale, divisor, factors = unit
    multipliers: dict[Value, int] = {}
    for part, factor, sign in zip(parts, factors, signs, strict=True):
        assert part.base is not None
        multipliers[part.base] = multipliers.get(part.base, 0) + sign * factor
    order, chain = parts[0].order, Chain(scale, divisor=divisor)
    if len(multipliers) == 1:  # x + x: the same integers, worth more
        (base, factor), = multipliers.items()
        if not factor:
            raise refuse(node, "subtracts a tensor from itself", "remove the branch")
        walk.set(node, replace(parts[0], chain=replace(chain, scale=scale * factor)))
        return
    bounds = [sorted((m * base.lo, m * base.hi)) for base, m in multipliers.items()]
    lo, hi = (sum(bound[end] for bound in bounds) for end in (0, 1))
    if max(-lo, hi, *map(abs, multipliers.values())) >= 1 << SUM_BITS - 1:
        raise refuse(node, f"adds branches whose scales have no simple ratio: {_ratio(parts)}; their sum would need "
                     f"{IntType.spanning(lo, hi).bits} bits, and at most {SUM_BITS} are supported", _SHARE)
    base = next(iter(multipliers))
    value = Value(node.output[0], base.shape, IntType.spanning(lo, hi), lo, hi, origin=node.output[0])
    data = Data(value, chain, order)
    value = replace(value, order=data.origin_order)
    walk.emit(Add(walk.node_name(node), tuple(b.name for b in multipliers), value, tuple(multipliers.values())))
    walk.set(node, replace(data, base=value))


def _ratio(parts: Sequence[Data]) -> str:
    return " to ".join(f"{float(p.scale[0]) / p.chain.divisor:g}" for p in parts)


def sum_of(walk: Walk, node: NodeProto) -> None:
    """ONNX's Sum, of any number of inputs."""
    flows = [walk.flow(node, position) for position in range(len(node.input))]
    if len(flows) == 1 or not all(isinstance(flow, Data) for flow in flows):
        raise refuse(node, "sums constants, or a single tensor", "write it as Add")
    combine(walk, node, (1,) * len(flows))


def concat(walk: Walk, node: NodeProto) -> None:
    """Tensors side by side; on the channels, the streams are."""
    flows = [walk.flow(node, position) for position in range(len(node.input))]
    if not any(isinstance(flow, Data) for flow in flows):
        walk.set(node, Constant(np.concatenate([walk.constant(node, i) for i in range(len(flows))],
                                               axis=walk.attribute(node, "axis", "INT"))))
        return
    parts = [walk.data(node, position) for position in range(len(flows))]
    rank, axis = len(parts[0].shape), walk.attribute(node, "axis", "INT")
    others = {tuple(d for i, d in enumerate(p.shape) if i != axis % rank) for p in parts if len(p.shape) == rank}
    if not -rank <= axis < rank or len(others) != 1 or any(len(p.shape) != rank for p in parts):
        raise refuse(node, f"joins tensors of the shapes {', '.join(str(list(p.shape)) for p in parts)} on axis {axis}",
                     "bring the branches to one size first")
    if axis % rank == 0:
        raise refuse(node, "joins frames", "join on the channels, axis 1")
    if len(parts) == 1:
        walk.set(node, parts[0])
        return
    if any(part.base is None for part in parts):
        raise refuse(node, "joins the network's input, which is not quantised",
                     "put a quantiser (Brevitas: QuantIdentity) before the branches, or declare the input with "
                     "--input uint8")
    parts = _side_by_side(walk, node, parts, axis % rank)
    for name, part in zip(node.input, parts, strict=True):
        if axis % rank == 1:
            walk.flows[name] = part
    chain = _joined_chain(node, parts)
    bases = [part.base for part in parts if part.base is not None]
    lo, hi = min(base.lo for base in bases), max(base.hi for base in bases)
    kind = BIPOLAR if all(base.type == BIPOLAR for base in bases) else IntType.spanning(lo, hi)
    channels = [base.channels for base in bases]
    shape = (*bases[0].shape[:-1], sum(channels))
    starts = np.cumsum([0, *channels])
    order = np.concatenate([part.order // width * shape[-1] + part.order % width + start
                            for part, width, start in zip(parts, channels, starts, strict=False)], axis=axis)
    origin = node.output[0] if not chain.operations else None
    data = Data(Value(node.output[0], shape, kind, lo, hi, origin), chain, order)
    nodes = tuple(dict.fromkeys(name for part in parts for name in part.nodes))
    value = Value(node.output[0], shape, kind, lo, hi, origin, data.origin_order)
    walk.emit(Concat(walk.node_name(node), tuple(base.name for base in bases), value))
    walk.set(node, replace(data, base=value, nodes=nodes))


def _side_by_side(walk: Walk, node: NodeProto, parts: Sequence[Data], axis: int) -> list[Data]:
    """The parts on streams that differ in their channels only: images, or else vectors."""
    if axis == 1 and len(parts[0].shape) in (3, 4):
        return [arrange(walk, node, part) for part in parts]
    shapes = {part.base.shape[:-1] for part in parts if part.base is not None}
    if len(shapes) == 1 and math.prod(shapes.pop()) == 1 and not any((part.order < 0).any() for part in parts):
        return list(parts)
    result = []
    for part in parts:
        assert part.base is not None
        if (part.order < 0).any():
            part = arrange(walk, node, part)
            assert part.base is not None
        flat = as_stream(walk, node, part, (part.base.elements,), np.arange(part.base.elements))
        result.append(replace(flat, order=part.order))
    return result


def _joined_chain(node: NodeProto, parts: Sequence[Data]) -> Chain:
    """The parts' expressions, each on its own channels: the same operations, with constants for each channel."""
    if len({tuple(operation.form for operation in part.chain.operations) for part in parts}) > 1:
        raise refuse(node, "joins branches that are computed differently, and not all quantised",
                     f"quantise each branch before the Concat: {_SHARE}")
    channels = [part.base.channels for part in parts if part.base is not None]

    def side_by_side(rows: Sequence[np.ndarray]) -> np.ndarray:
        full = np.concatenate([np.broadcast_to(row, width) for row, width in zip(rows, channels, strict=True)])
        return full[:1] if (full == full[0]).all() else full

    divisor = math.lcm(*(part.chain.divisor for part in parts))
    scales = [part.scale * (divisor // part.chain.divisor) for part in parts]
    if any(Fraction(float(new)) != Fraction(float(old)) * (divisor // part.chain.divisor)
           for part, row in zip(parts, scales, strict=True) for new, old in zip(row, part.scale, strict=True)):
        raise refuse(node, "joins branches whose scales have no common unit", _SHARE)
    rows = iter(zip(*([constant for operation in part.chain.operations for constant in operation.constants]
                      for part in parts), strict=True))
    operations = tuple(operation.moved(lambda _: side_by_side(next(rows))) for operation in parts[0].chain.operations)
    return Chain(side_by_side(scales), operations, divisor)
