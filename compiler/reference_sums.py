"""Where values meet: sums of branches, pooling, channels side by side. Sums are over integers and rounded once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx

from .reference_integers import find_integers, integers_of
from .reference_pointwise import arithmetic
from .reference_sliding import Sliding
from .reference_tensor import TINY, Fixed, Frames, Integers, Tensor, attribute, collapsed, gamma, numbers, worth

__all__ = ["SUMS"]

Move = Callable[[np.ndarray], np.ndarray]


def _add(node: onnx.NodeProto, *inputs: Tensor) -> Tensor:
    """Add, Sub and Sum: of several tensors of data over their integers; without such, or of a constant, in float32."""
    frames = [x for x in inputs if isinstance(x, Frames)]
    if len(frames) == len(inputs) > 1 and (len(inputs) > 2 or all(find_integers(x) is not None for x in frames)):
        return _branches(frames, [1, -1] if node.op_type == "Sub" else [1] * len(frames))
    if len(inputs) == 2:
        return arithmetic(node, *inputs)
    raise NotImplementedError("Sum of data and constants")


def _branches(parts: Sequence[Frames], signs: Sequence[int]) -> Frames:
    """Every scale is a fraction, so branches are multiples of one unit: the sum of multiples is exact."""
    read = [integers_of(x) for x in parts]
    units = [[Fraction(s) / each.divisor for s in each.scale.reshape(-1).tolist()] for each in read]
    size = max(len(row) for row in units)
    rows = [row * size if len(row) == 1 else row for row in units]
    ratios = [row[0] / rows[0][0] for row in rows]
    if any(one != ratio * first for row, ratio in zip(rows, ratios, strict=True)
           for one, first in zip(row, rows[0], strict=True)):
        raise NotImplementedError("a sum of branches whose scales differ by other factors from channel to channel")
    whole = math.lcm(*(ratio.denominator for ratio in ratios))
    factors = [int(ratio * whole) for ratio in ratios]
    shared = math.gcd(*factors)
    factors = [sign * factor // shared for sign, factor in zip(signs, factors, strict=True)]
    unit = [first * shared / whole for first in rows[0]]
    shape = next(each.scale.shape for each in read if each.scale.size == size)
    same = all(each.codes is read[0].codes for each in read)
    if same:  # the same integers, worth more
        unit, factors = [each * sum(factors) for each in unit], [1] + [0] * (len(read) - 1)
    # What is odd in a unit's denominator divides last.
    divisor = math.lcm(*(_odd(each.denominator) for each in unit))
    scale = np.array([float(each * divisor) for each in unit]).reshape(shape)
    total = sum(each.codes * factor for each, factor in zip(read, factors, strict=True))
    ends = [sorted((each.lo * factor, each.hi * factor)) for each, factor in zip(read, factors, strict=True)]
    integers = Integers(np.asarray(total), scale, sum(end[0] for end in ends), sum(end[1] for end in ends), divisor,
                        read[0].step if same else 1)
    real = worth(integers)
    sizes = np.sum([np.abs(worth(each)) for each in read], axis=0)
    inherited = np.sum([x.bound for x in parts], axis=0)
    reach = sum(max(-end[0], end[1]) for end in ends)
    exact = divisor == 1 and bool((np.frexp(scale)[0] == 0.5).all()) and not np.any(inherited) and reach < 1 << 24
    bound = np.broadcast_to(0.0, real.shape) if exact else (
        inherited * (1 + gamma(len(parts))) + gamma(len(parts) + 1) * sizes + TINY)
    return Frames(real.astype(np.float32), real, bound, integers, accumulators=integers.codes)


def _odd(number: int) -> int:
    return number // (number & -number)


def _image(x: np.ndarray) -> np.ndarray:
    return x[:, :, None] if x.ndim == 3 else x


def _sliding(node: onnx.NodeProto, x: Frames) -> tuple[Sliding, tuple[int, int]]:
    """The window and its positions. With ``ceil_mode`` the last ones reach beyond the pads, if they begin before."""
    window = Sliding.of(node, x.value.shape[2:], tuple(attribute(node, "kernel_shape")))
    height, width = _image(x.value).shape[2:]
    size = [s + b + a for s, b, a in zip((height, width), window.before, window.after, strict=True)]
    rows, columns = window.positions(size[0], size[1])
    if attribute(node, "ceil_mode", 0):
        after, counts = list(window.after), []
        for axis, inner in enumerate((height, width)):
            reach = window.dilation[axis] * (window.kernel[axis] - 1) + 1
            count = -(-(size[axis] - reach) // window.stride[axis]) + 1
            if (count - 1) * window.stride[axis] >= inner + window.before[axis]:
                count -= 1
            after[axis] += max(0, (count - 1) * window.stride[axis] + reach - size[axis])
            counts.append(count)
        window, (rows, columns) = replace(window, after=(after[0], after[1])), counts
    return window, (rows, columns)


def _folded(image: np.ndarray, window: Sliding, positions: tuple[int, int], fold: np.ufunc, fill: float) -> np.ndarray:
    """``fold`` over each window's taps, of ``[frames, C, H, W]``."""
    around = window.padded(image, fill)
    result: np.ndarray | None = None
    for i, j in np.ndindex(*window.kernel):
        seen = window.tap(around, i, j)[..., : positions[0], : positions[1]]
        result = seen.copy() if result is None else fold(result, seen, out=result)
    assert result is not None
    return result


def _max_pool(node: onnx.NodeProto, x: Tensor) -> Tensor:
    assert isinstance(x, Frames)
    window, positions = _sliding(node, x)

    def largest(array: np.ndarray, lowest: float) -> np.ndarray:
        found = _folded(_image(array), window, positions, np.maximum, lowest)
        return found[:, :, 0] if array.ndim == 3 else found

    return _largest(x, largest, _still(tuple(range(2, x.rank))))


def _largest(x: Frames, largest: Callable[[np.ndarray, float], np.ndarray], still: Move) -> Frames:
    integers = x.integers
    if integers is not None:
        codes = largest(integers.codes, float(np.iinfo(np.int64).min // 2))
        integers = replace(integers, codes=codes, scale=still(integers.scale))
    value = largest(x.value, -np.inf)
    return Frames(value, largest(x.real, -np.inf), largest(np.asarray(x.bound), 0.0), integers,
                  None if x.since is None else (x.since[0], (*x.since[1], still)),
                  accumulators=None if integers is None else integers.codes)


def _still(axes: tuple[int, ...], keep: bool = True) -> Move:
    """What holds for all elements on some axes holds after these have been pooled."""

    def still(values: np.ndarray) -> np.ndarray:
        for axis in axes:
            first = values.take([0], axis)
            if not (values == first).all():
                raise NotImplementedError("pooling of values that are computed differently from pixel to pixel")
            values = first
        return values if keep else values.squeeze(axes)

    return still


def _average_pool(node: onnx.NodeProto, x: Tensor) -> Tensor:
    """The sum of each window, divided by its pixels: with ``count_include_pad`` those of the pads, too."""
    assert isinstance(x, Frames)
    window, positions = _sliding(node, x)
    flat = x.rank == 3
    inside = np.ones((1, 1, *_image(x.value).shape[2:]), dtype=np.int64)
    counted = window
    if attribute(node, "count_include_pad", 0):
        given = Sliding.of(node, x.value.shape[2:], tuple(attribute(node, "kernel_shape")))
        inside = given.padded(inside, 1)
        counted = replace(window, before=(0, 0), after=(window.after[0] - given.after[0],
                                                        window.after[1] - given.after[1]))
    counts = _folded(inside, counted, positions, np.add, 0)

    def total(array: np.ndarray) -> np.ndarray:
        found = _folded(_image(array), window, positions, np.add, 0)
        return found[:, :, 0] if flat else found

    pads = any(window.before) or any(window.after)
    return _mean(x, total, counts[:, :, 0] if flat else counts, pads, _still(tuple(range(2, x.rank))))


def _mean(x: Frames, total: Move, counts: np.ndarray, pads: bool, still: Move) -> Frames:
    """Integer sums, divided by ``counts`` with the scale; a power of two in a count belongs to the scale, exactly."""
    read = integers_of(x)
    sums = total(read.codes)
    most = int(counts.max())
    lo, hi = min(read.lo, read.lo * most), max(read.hi, read.hi * most)
    lo, hi = (min(lo, 0), max(hi, 0)) if pads else (lo, hi)
    integers = Integers(sums, still(read.scale), lo, hi, read.divisor)
    if (counts == most).all():
        twos = most & -most
        integers = replace(integers, scale=integers.scale / twos, divisor=integers.divisor * (most // twos))
        real = worth(integers)
        result = integers
    else:
        real = worth(integers) / counts
        result = None
    sizes = total(np.abs(worth(read))) / counts
    inherited = total(np.asarray(x.bound)) / counts if np.any(x.bound) else 0.0
    bound = inherited * (1 + gamma(most + 2)) + gamma(most + 2) * sizes + TINY
    return Frames(real.astype(np.float32), real, bound, result, accumulators=sums)


def _reduce(node: onnx.NodeProto, x: Tensor, given: Tensor | None = None) -> Tensor:
    """Global pooling, ReduceMean, ReduceSum and ReduceMax."""
    assert isinstance(x, Frames)
    keep = True
    if node.op_type.startswith("Global"):
        axes = list(range(2, x.rank))
    else:
        axes = numbers(node, "axes", given)
        if axes is None:
            axes = [] if attribute(node, "noop_with_empty_axes", 0) else list(range(x.rank))
        keep = bool(attribute(node, "keepdims", 1))
    places = tuple(int(axis) % x.rank for axis in axes)
    if not places:
        return x
    if node.op_type in ("GlobalMaxPool", "ReduceMax"):
        return _largest(x, lambda array, lowest: array.max(axis=places, keepdims=keep), _still(places, keep))
    count = math.prod(x.value.shape[axis] for axis in places) if "Sum" not in node.op_type else 1
    ranked = [1] * (x.rank if keep else x.rank - len(places))

    def total(array: np.ndarray) -> np.ndarray:
        return np.broadcast_to(array, x.value.shape).sum(axis=places, keepdims=keep)

    return _mean(x, total, np.full(ranked, count), False, _still(places, keep))


def _concat(node: onnx.NodeProto, *inputs: Tensor) -> Tensor:
    """Side by side; integers stay what they are, each part with its own scale."""
    axis = attribute(node, "axis")
    if not any(isinstance(x, Frames) for x in inputs):
        return Fixed(np.concatenate([x.value for x in inputs], axis=axis))
    parts = [x for x in inputs if isinstance(x, Frames)]
    if len(parts) != len(inputs):
        raise NotImplementedError("Concat of data and constants")

    def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(arrays, axis=axis)

    value = joined([x.value for x in parts])
    integers = None
    if all(x.integers is not None for x in parts):
        read = [x.integers for x in parts if x.integers is not None]
        divisor = math.lcm(*(each.divisor for each in read))
        scale = joined([np.broadcast_to(each.scale * (divisor // each.divisor), (1, *each.codes.shape[1:]))
                        for each in read])
        integers = Integers(joined([each.codes for each in read]), collapsed(scale), min(each.lo for each in read),
                            max(each.hi for each in read), divisor, 2 if all(each.step == 2 for each in read) else 1)
    return Frames(value, joined([x.real for x in parts]), joined([np.asarray(x.bound) for x in parts]), integers,
                  since=_joined_since(parts, axis), accumulators=None if integers is None else integers.codes)


def _joined_since(parts: Sequence[Frames], axis: int):
    """Channels that were computed from integers are so side by side, each in its own way."""
    starts, rank = [x.since[0] for x in parts if x.since is not None], parts[0].rank
    if len(starts) < len(parts) or axis % rank != 1 or any(each.codes.ndim != rank for each in starts):
        return None
    widths = [x.value.shape[1] for x in parts]
    divisor = math.lcm(*(each.divisor for each in starts))
    scale = np.concatenate([np.broadcast_to(each.scale * (divisor // each.divisor), (1, width, *[1] * (rank - 2)))
                            for each, width in zip(starts, widths, strict=True)], axis=1)

    def apply(values: np.ndarray) -> np.ndarray:
        values = np.broadcast_to(values, (len(values), sum(widths), *values.shape[2:]))
        pieces = np.split(values, np.cumsum(widths)[:-1], axis=1)
        for place, part in enumerate(parts):
            for function in part.since[1] if part.since is not None else ():
                pieces[place] = function(pieces[place])
        return np.concatenate(pieces, axis=1)

    start = Integers(np.zeros((0, *[1] * (rank - 1)), dtype=np.int64), collapsed(scale),
                     min(each.lo for each in starts), max(each.hi for each in starts), divisor)
    return start, (apply,)


SUMS: dict[str, Callable[..., Tensor]] = {
    "Add": _add, "Sub": _add, "Sum": _add, "MaxPool": _max_pool, "AveragePool": _average_pool,
    "GlobalAveragePool": _reduce, "GlobalMaxPool": _reduce, "ReduceMean": _reduce, "ReduceSum": _reduce,
    "ReduceMax": _reduce, "Concat": _concat,
}
