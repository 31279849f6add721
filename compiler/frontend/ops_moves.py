"""Operators that move, repeat or drop elements: transposes, slices, shuffles, up-sampling, padding."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from .codes import integers
from .flows import Data, Flow
from .ops_shapes import move
from .structure import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto

    from .walk import Walk

__all__ = ["depth_to_space", "expand", "gather", "pad", "resize", "slice_", "space_to_depth", "split", "tile",
           "transpose"]


def transpose(walk: Walk, node: NodeProto) -> None:
    flow = _flow(walk, node)
    rank = len(flow.shape)
    axes = list(walk.attribute(node, "perm", "INTS", range(rank)[::-1]))
    if sorted(axes) != list(range(rank)):
        raise refuse(node, f"permutes {rank} axes by {axes}", "repair the permutation")
    if isinstance(flow, Data) and axes[0] != 0:
        raise refuse(node, "moves the batch axis", "keep the batch axis first")
    move(walk, node, "transpose", lambda array: array.transpose(axes))


def slice_(walk: Walk, node: NodeProto) -> None:
    """array[start:end:step] on some axes; as in Python, numbers beyond the end stand for the end."""
    flow = _flow(walk, node)
    rank = len(flow.shape)
    starts, ends = walk.integers(node, 1, "starts") or [], walk.integers(node, 2, "ends") or []
    axes = walk.integers(node, 3, "axes") or list(range(len(starts)))
    steps = walk.integers(node, 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps or not all(
            -rank <= axis < rank for axis in axes):
        raise refuse(node, f"slices {starts} to {ends} by {steps} on the axes {axes} of {rank}", "repair the slice")
    _not_the_batch(node, flow, *axes)
    ranges = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        ranges[axis] = slice(start, end, step)
    move(walk, node, "slice", lambda array: array[tuple(ranges)])


def split(walk: Walk, node: NodeProto) -> None:
    flow = _flow(walk, node)
    axis = _axis(walk, node, flow)
    size, count = flow.shape[axis], len(node.output)
    widths = walk.integers(node, 1, "split")
    if widths is None:
        width = -(-size // count)
        widths = [min(width, size - width * place) for place in range(count)]
    if len(widths) != count or sum(widths) != size or min(widths) < 1:
        raise refuse(node, f"splits {size} into {widths}", "repair the split")
    ends = np.cumsum(widths)
    for place, (end, width) in enumerate(zip(ends, widths, strict=True)):
        if node.output[place]:
            part = np.arange(end - width, end)
            move(walk, node, "split", lambda array, part=part: array.take(part, axis), place)


def gather(walk: Walk, node: NodeProto) -> None:
    """Elements at constant places on one axis; a scalar place takes the axis away."""
    flow = _flow(walk, node)
    axis, places = _axis(walk, node, flow), walk.constant(node, 1)
    size = flow.shape[axis]
    if places.dtype.kind not in "iu" or ((places < -size) | (places >= size)).any():
        raise refuse(node, f"gathers places beyond the {size} of axis {axis}", "repair the indices")
    move(walk, node, "gather", lambda array: array.take(places, axis))


def expand(walk: Walk, node: NodeProto) -> None:
    flow, target = _flow(walk, node), walk.integers(node, 1) or []
    try:
        shape = np.broadcast_shapes(flow.shape, tuple(target))
    except ValueError:
        raise refuse(node, f"expands a tensor of shape {list(flow.shape)} to {target}", "repair the shape") from None
    move(walk, node, "expand", lambda array: np.broadcast_to(array, shape))


def tile(walk: Walk, node: NodeProto) -> None:
    flow, repeats = _flow(walk, node), walk.integers(node, 1) or []
    if len(repeats) != len(flow.shape) or min(repeats) < 1:
        raise refuse(node, f"repeats a tensor of shape {list(flow.shape)} by {repeats}", "repair the repeats")
    move(walk, node, "tile", lambda array: np.tile(array, repeats))


def depth_to_space(walk: Walk, node: NodeProto) -> None:
    """Blocks of channels become blocks of pixels; "CRD" (PyTorch's pixel shuffle) has the block's channels adjacent."""
    flow, block = _image(walk, node)
    _, channels, height, width = flow.shape
    if channels % block**2:
        raise refuse(node, f"makes blocks of {block} x {block} of {channels} channels", "repair the block size")
    deep = channels // block**2
    mode = walk.attribute(node, "mode", "STRING", "DCR")
    if mode not in ("DCR", "CRD"):
        raise refuse(node, f"has the mode {mode!r}; supported are DCR and CRD", "repair the mode")
    blocks, axes = ((1, block, block, deep, height, width), (0, 3, 4, 1, 5, 2)) if mode == "DCR" else (
        (1, deep, block, block, height, width), (0, 1, 4, 2, 5, 3))
    move(walk, node, "depth to space", lambda array: array.reshape(blocks).transpose(axes).reshape(
        1, deep, height * block, width * block))


def space_to_depth(walk: Walk, node: NodeProto) -> None:
    flow, block = _image(walk, node)
    _, channels, height, width = flow.shape
    if height % block or width % block:
        raise refuse(node, f"takes blocks of {block} x {block} of {height} x {width} pixels", "repair the block size")
    rows, columns = height // block, width // block
    move(walk, node, "space to depth", lambda array: array.reshape(1, channels, rows, block, columns, block).transpose(
        0, 3, 5, 1, 2, 4).reshape(1, channels * block**2, rows, columns))


def pad(walk: Walk, node: NodeProto) -> None:
    """Zeros around, or elements repeated; negative numbers cut off."""
    flow = _flow(walk, node)
    rank = len(flow.shape)
    mode = walk.attribute(node, "mode", "STRING", "constant")
    pads = walk.integers(node, 1, "pads") or []
    axes = walk.integers(node, 3) or list(range(rank))
    value = walk.attribute(node, "value", "FLOAT", 0.0)
    if walk.has_input(node, 2):
        value = float(walk.constant(node, 2).reshape(-1)[0])
    if len(pads) != 2 * len(axes) or not all(-rank <= axis < rank for axis in axes):
        raise refuse(node, f"has the pads {pads} for a tensor of {rank} axes", "repair the pads")
    if mode not in ("constant", "edge", "reflect", "wrap"):
        raise refuse(node, f"has the mode {mode!r}", "pad with zeros")
    _not_the_batch(node, flow, *(axis for axis, change in zip(axes * 2, pads, strict=True) if change))
    around, inside = [(0, 0)] * rank, [slice(None)] * rank
    for axis, before, after in zip(axes, pads[:len(axes)], pads[len(axes):], strict=True):
        around[axis] = (max(before, 0), max(after, 0))
        inside[axis] = slice(max(-before, 0), flow.shape[axis] - max(-after, 0))

    def padded(array: np.ndarray) -> np.ndarray:
        array = array[tuple(inside)]
        if mode == "constant":  # -1 is where no element lies; constants are not padded here
            return np.pad(array, around, mode="constant", constant_values=-1)
        return np.pad(array, around, mode=mode)

    if not isinstance(flow, Data):
        raise refuse(node, "pads constants", "store them padded")
    if mode == "constant" and any(b or a for b, a in around):
        if value != 0:
            raise refuse(node, f"pads with {value:g}; supported is 0", "pad with zeros")
        flow = integers(walk, node, 0, "pads")
    try:
        move(walk, node, "pad", padded, flow=flow)
    except ValueError:
        raise refuse(node, f"pads {list(flow.shape)} by {pads}", "repair the pads") from None


def resize(walk: Walk, node: NodeProto) -> None:
    """Upsample and Resize, where each pixel becomes a block of equal ones."""
    flow = _flow(walk, node)
    rank, shape = len(flow.shape), flow.shape
    mode = walk.attribute(node, "mode", "STRING", "nearest")
    if mode != "nearest":
        raise refuse(node, f"interpolates ({mode}); supported is nearest", "use torch.nn.Upsample(mode='nearest')")
    old = node.op_type == "Upsample" or walk.opset < 11
    where = 1 if old else 2
    scales = walk.attribute(node, "scales", "FLOATS")
    if scales is None and walk.has_input(node, where):
        scales = walk.constant(node, where).reshape(-1).tolist()
    sizes = walk.integers(node, 3) if not old else None
    axes = [axis % rank for axis in walk.attribute(node, "axes", "INTS", list(range(rank)))]
    if sizes is not None and walk.attribute(node, "keep_aspect_ratio_policy", "STRING", "stretch") != "stretch":
        raise refuse(node, "keeps the aspect ratio", "give the size of each axis")
    given = [Fraction(size, shape[axis]) for size, axis in zip(sizes or (), axes, strict=False)] or [
        Fraction(scale) for scale in scales or ()]
    if len(given) != len(axes):
        raise refuse(node, f"has {len(given)} scales for {len(axes)} axes", "export the model again")
    place = "asymmetric" if old else walk.attribute(node, "coordinate_transformation_mode", "STRING", "half_pixel")
    nearest = "floor" if old else walk.attribute(node, "nearest_mode", "STRING", "round_prefer_floor")
    for axis, scale in zip(axes, given, strict=True):
        if scale == 1:
            continue
        if scale.denominator != 1 or axis < 2:
            raise refuse(node, f"scales axis {axis} by {float(scale):g}; supported are whole factors for pixels",
                         "use scale_factor=2 or another integer")
        factor = int(scale)
        sources = _sources(shape[axis], factor, place, nearest)
        if sources != [i // factor for i in range(shape[axis] * factor)]:
            raise refuse(node, f"takes pixels by {place} and {nearest}, which do not repeat each {factor} times",
                         "use torch.nn.Upsample(mode='nearest')")
    factors = {axis: int(scale) for axis, scale in zip(axes, given, strict=True)}

    def repeated(array: np.ndarray) -> np.ndarray:
        for axis, factor in factors.items():
            array = array.repeat(factor, axis)
        return array

    move(walk, node, "upsample", repeated)


def _sources(size: int, factor: int, place: str, nearest: str) -> Sequence[int] | None:
    """The pixel that each new one is taken from, by ONNX's formulas over exact fractions."""
    whole = size * factor
    positions = {
        "half_pixel": lambda i: (i + Fraction(1, 2)) / factor - Fraction(1, 2),
        "half_pixel_symmetric": lambda i: (i + Fraction(1, 2)) / factor - Fraction(1, 2),
        "pytorch_half_pixel": lambda i: (i + Fraction(1, 2)) / factor - Fraction(1, 2) if whole > 1 else Fraction(0),
        "tf_half_pixel_for_nn": lambda i: (i + Fraction(1, 2)) / factor,
        "asymmetric": lambda i: Fraction(i, factor),
        "align_corners": lambda i: Fraction(i * (size - 1), whole - 1) if whole > 1 else Fraction(0),
    }.get(place)
    rounded = {
        "round_prefer_floor": lambda x: ceil(x - Fraction(1, 2)),
        "round_prefer_ceil": lambda x: floor(x + Fraction(1, 2)),
        "floor": floor, "ceil": ceil,
    }.get(nearest)
    if positions is None or rounded is None:
        return None
    return [min(max(rounded(positions(i)), 0), size - 1) for i in range(whole)]


def _flow(walk: Walk, node: NodeProto) -> Flow:
    """The input: numbers, or data that the network has not ended with."""
    flow = walk.flow(node, 0)
    return walk.data(node) if isinstance(flow, Data) else flow


def _axis(walk: Walk, node: NodeProto, flow: Flow) -> int:
    axis, rank = walk.attribute(node, "axis", "INT", 0), len(flow.shape)
    if not -rank <= axis < rank:
        raise refuse(node, f"works on axis {axis} of a tensor of shape {list(flow.shape)}", "repair the axis")
    _not_the_batch(node, flow, axis)
    return axis % rank


def _not_the_batch(node: NodeProto, flow: Flow, *axes: int) -> None:
    """Frames may be executed many at a time, so that nothing but their own elements may move."""
    if isinstance(flow, Data) and any(axis % len(flow.shape) == 0 for axis in axes):
        raise refuse(node, "works on the batch axis", "work on the other axes")


def _image(walk: Walk, node: NodeProto) -> tuple[Flow, int]:
    flow, block = _flow(walk, node), walk.attribute(node, "blocksize", "INT", 0)
    if len(flow.shape) != 4 or block < 1 or flow.shape[0] != 1:
        raise refuse(node, f"makes blocks of {block} on a tensor of shape {list(flow.shape)}; supported are images",
                     "reshape to [1, channels, height, width]")
    return flow, block
