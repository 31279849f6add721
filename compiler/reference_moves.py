"""Operators that move, repeat or drop elements. Integers stay what they are, wherever they go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import onnx

from .reference_integers import integers_of
from .reference_tensor import Fixed, Frames, Tensor, Weights, attribute, numbers

__all__ = ["MOVES"]

Move = Callable[[np.ndarray], np.ndarray]


def _moved(x: Tensor, move: Move) -> Tensor:
    """One function on every array of the tensor."""
    if isinstance(x, Fixed):
        return Fixed(move(x.value))
    if isinstance(x, Weights):
        return Weights(move(x.codes), move(x.scale))
    return x.moved(move)


def _shape(x: Tensor) -> tuple[int, ...]:
    """Of one frame, with a batch axis of 1; of constants, their own."""
    array = x.codes if isinstance(x, Weights) else x.value
    return (1, *array.shape[1:]) if isinstance(x, Frames) else array.shape


def _same(node: onnx.NodeProto, x: Tensor, *rest: Tensor) -> Tensor:
    return x


def _reshape(node: onnx.NodeProto, x: Tensor, target: Tensor | None = None) -> Tensor:
    """Reshape, Flatten, Squeeze and Unsqueeze, as they act on one frame; the frames stay the first axis."""
    one = np.empty(_shape(x), dtype=np.bool_)
    if node.op_type == "Reshape":
        dims = numbers(node, "shape", target) or []
        zero = attribute(node, "allowzero", 0)
        one = one.reshape([one.shape[i] if d == 0 and not zero else d for i, d in enumerate(dims)])
    elif node.op_type == "Flatten":
        axis = attribute(node, "axis", 1)
        one = one.reshape(math.prod(one.shape[: axis if axis >= 0 else one.ndim + axis]), -1)
    else:
        axes: Any = numbers(node, "axes", target)
        if node.op_type == "Squeeze":
            one = one.squeeze() if axes is None else one.squeeze(tuple(axes))
        else:
            one = np.expand_dims(one, tuple(axes))
    if isinstance(x, Frames):
        return _moved(x, lambda a: a.reshape(len(a), *one.shape[1:]))
    return _moved(x, lambda a: a.reshape(one.shape))


def _transpose(node: onnx.NodeProto, x: Tensor) -> Tensor:
    axes = attribute(node, "perm")
    return _moved(x, lambda a: a.transpose(axes))


def _slice(node: onnx.NodeProto, x: Tensor, *given: Tensor | None) -> Tensor:
    read = [numbers(node, name, given[place] if place < len(given) else None)
            for place, name in enumerate(("starts", "ends", "axes", ""))]
    starts, ends = read[0] or [], read[1] or []
    axes, steps = read[2] or range(len(starts)), read[3] or [1] * len(starts)
    where: list[slice] = [slice(None)] * len(_shape(x))
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        where[axis] = slice(start, end, step)
    return _moved(x, lambda a: a[tuple(where)])


def _split(node: onnx.NodeProto, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = attribute(node, "axis", 0)
    size, count = _shape(x)[axis], len(node.output)
    width = -(-size // count)
    widths = numbers(node, "split", given) or [min(width, size - width * place) for place in range(count)]
    ends = np.cumsum(widths)
    return tuple(_moved(x, lambda a, part=range(end - width, end): a.take(part, axis))
                 for end, width in zip(ends.tolist(), widths, strict=True))


def _gather(node: onnx.NodeProto, x: Tensor, places: Tensor) -> Tensor:
    assert isinstance(places, Fixed)
    axis, index = attribute(node, "axis", 0), places.value
    return _moved(x, lambda a: a.take(index, axis))


def _expand(node: onnx.NodeProto, x: Tensor, given: Tensor) -> Tensor:
    shape = np.broadcast_shapes(_shape(x), tuple(numbers(node, "", given) or ()))
    if isinstance(x, Frames):
        return _moved(x, lambda a: np.broadcast_to(
            a.reshape(len(a), *[1] * (len(shape) - a.ndim), *a.shape[1:]), (len(a), *shape[1:])))
    return _moved(x, lambda a: np.broadcast_to(a, shape))


def _tile(node: onnx.NodeProto, x: Tensor, given: Tensor) -> Tensor:
    repeats = numbers(node, "", given) or []
    return _moved(x, lambda a: np.tile(a, repeats))


def _depth_to_space(node: onnx.NodeProto, x: Tensor) -> Tensor:
    """Channel block * block * deep + ... becomes a pixel of a block; in mode CRD, the block is the faster index."""
    block = attribute(node, "blocksize")
    _, channels, height, width = _shape(x)
    deep = channels // block**2
    last = attribute(node, "mode", "DCR") == "DCR"

    def move(a: np.ndarray) -> np.ndarray:
        split = a.reshape(len(a), block, block, deep, height, width) if last else (
            a.reshape(len(a), deep, block, block, height, width).transpose(0, 2, 3, 1, 4, 5))
        # Now [frames, row in block, column in block, channel, row of blocks, column of blocks].
        return split.transpose(0, 3, 4, 1, 5, 2).reshape(len(a), deep, height * block, width * block)

    return _moved(x, move)


def _space_to_depth(node: onnx.NodeProto, x: Tensor) -> Tensor:
    block = attribute(node, "blocksize")

    def move(a: np.ndarray) -> np.ndarray:
        parts = [a[:, :, i::block, j::block] for i in range(block) for j in range(block)]
        return np.concatenate(parts, axis=1)

    return _moved(x, move)


def _pad(node: onnx.NodeProto, x: Tensor, *given: Tensor | None) -> Tensor:
    """Zeros or repeated elements around; negative pads cut off."""
    rank = len(_shape(x))
    pads = numbers(node, "pads", given[0] if given else None) or []
    axes = numbers(node, "", given[2] if len(given) > 2 else None) or list(range(rank))
    mode = attribute(node, "mode", "constant")
    around, inside = [(0, 0)] * rank, [slice(None)] * rank
    for place, axis in enumerate(axes):
        before, after = int(pads[place]), int(pads[place + len(axes)])
        around[axis] = max(before, 0), max(after, 0)
        if min(before, after) < 0:
            inside[axis] = slice(max(-before, 0), _shape(x)[axis] - max(-after, 0))
    zeros = mode == "constant" and any(pair != (0, 0) for pair in around)

    def move(a: np.ndarray) -> np.ndarray:
        return np.pad(a[tuple(inside)], around, mode="constant" if mode == "constant" else mode)

    if not zeros or not isinstance(x, Frames):
        return _moved(x, move)
    read = integers_of(x)
    integers = replace(read, codes=move(read.codes), scale=read.scale, lo=min(read.lo, 0), hi=max(read.hi, 0), step=1)
    if read.scale.size > 1:  # a zero is worth nothing in any scale
        full = np.broadcast_to(read.scale, (1, *read.codes.shape[1:]))[tuple(inside)]
        integers = replace(integers, scale=np.pad(full, around, mode="edge"))
    return Frames(move(x.value), move(x.real), move(np.asarray(x.bound)), integers)


def _resize(node: onnx.NodeProto, x: Tensor, *given: Tensor | None) -> Tensor:
    """Upsample and Resize to the nearest pixel, by ONNX's formulas over exact fractions."""
    shape, rank = _shape(x), len(_shape(x))
    if attribute(node, "mode", "nearest") != "nearest":
        raise NotImplementedError("Resize by interpolation")
    # Upsample and the first Resize have (x, scales), later ones (x, roi, scales, sizes).
    old = node.op_type == "Upsample" or len(given) == 1
    scales = numbers(node, "scales", given[0 if old else 1] if len(given) > (0 if old else 1) else None)
    sizes = numbers(node, "", given[2]) if len(given) > 2 else None
    axes = [axis % rank for axis in attribute(node, "axes", list(range(rank)))]
    place = "asymmetric" if old else attribute(node, "coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else attribute(node, "nearest_mode", "round_prefer_floor")
    indices: dict[int, np.ndarray] = {}
    for number, axis in enumerate(axes):
        if sizes:
            whole = int(sizes[number])
            scale = Fraction(whole, shape[axis])
        else:
            scale = Fraction((scales or [])[number])
            whole = math.floor(shape[axis] * scale)
        if axis and whole != shape[axis]:
            indices[axis] = _nearest(shape[axis], whole, scale, place, nearest)

    def move(a: np.ndarray) -> np.ndarray:
        for axis, index in indices.items():
            a = a.take(index, axis)
        return a

    return _moved(x, move)


def _nearest(size: int, whole: int, scale: Fraction, place: str, nearest: str) -> np.ndarray:
    """The old pixel of each new one, on one axis."""
    half = Fraction(1, 2)

    def at(i: int) -> Fraction:
        if place == "asymmetric":
            return i / scale
        if place == "align_corners":
            return Fraction(i * (size - 1), whole - 1) if whole > 1 else Fraction(0)
        if place == "tf_half_pixel_for_nn":
            return (i + half) / scale
        if place == "pytorch_half_pixel" and whole == 1:
            return Fraction(0)
        return (i + half) / scale - half

    chosen = {"floor": math.floor, "ceil": math.ceil, "round_prefer_floor": lambda p: math.ceil(p - half),
              "round_prefer_ceil": lambda p: math.floor(p + half)}[nearest]
    return np.array([min(max(chosen(at(i)), 0), size - 1) for i in range(whole)])


MOVES: dict[str, Callable[..., Tensor | Sequence[Tensor]]] = {
    "Identity": _same, "Dropout": _same, "Reshape": _reshape, "Flatten": _reshape, "Squeeze": _reshape,
    "Unsqueeze": _reshape, "Transpose": _transpose, "Slice": _slice, "Split": _split, "Gather": _gather,
    "Expand": _expand, "Tile": _tile, "DepthToSpace": _depth_to_space, "SpaceToDepth": _space_to_depth, "Pad": _pad,
    "Resize": _resize, "Upsample": _resize,
}
"""Operator to the function that carries it out; of several outputs, a tuple."""
