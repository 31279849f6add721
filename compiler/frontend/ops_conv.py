"""Convolutions: 1-D and 2-D, and their transposes as convolutions over an image with zeros inserted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..ir import Window
from .arrange import arrange
from .codes import integers
from .flows import Data, Weights, natural
from .ops_products import product, with_bias
from .structure import refuse
from .weights import read_weights
from .windows import pads_of, size_of, spatial, window_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["conv", "conv_transpose"]


def conv(walk: Walk, node: NodeProto) -> None:
    weights, groups = _kernel(walk, node, axis=0)
    channels = walk.data(node).shape[1]
    if weights.shape[0] % groups or weights.shape[1] * groups != channels:
        raise refuse(node, f"convolves {channels} channels with group={groups} and weights of shape "
                     f"{list(weights.shape)}", "repair the layer's size; the file is inconsistent")
    inner, margin = _image(walk, node)
    size = size_of(inner.shape)
    outer = tuple(s + margin[i] + margin[i + 2] for i, s in enumerate(size))
    window = window_of(walk, node, (outer[0], outer[1]), weights.shape[2:])
    top, left, bottom, right = (a + b for a, b in zip(window.pads, margin, strict=True))
    window = replace(window, pads=(top, left, bottom, right))
    _emit(walk, node, inner, weights, window, groups, weights.shape[0])


def conv_transpose(walk: Walk, node: NodeProto) -> None:
    """A convolution of stride 1 with the kernel turned round, over the image with ``stride - 1`` zeros inserted.

    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 14. Where more is cut
    off than the kernel reaches beyond the image, rows and columns of the result are left out.
    """
    weights, groups = _kernel(walk, node, axis=1)
    channels = walk.data(node).shape[1]
    if weights.shape[0] != channels or channels % groups:
        raise refuse(node, f"convolves {channels} channels with group={groups} and weights of shape "
                     f"{list(weights.shape)}", "repair the layer's size; the file is inconsistent")
    data = arrange(walk, node, integers(walk, node, 0, "convolves"))
    size = size_of(data.shape)
    plain = window_of(walk, node, size, weights.shape[2:], auto=False)
    reach = [d * (k - 1) for d, k in zip(plain.dilation, plain.kernel, strict=True)]
    before, after = _cut(walk, node, size, plain, reach)
    pads = [r - b for r, b in zip(reach, before, strict=True)] + [r - a for r, a in zip(reach, after, strict=True)]
    crop = [max(0, -pad) for pad in pads]
    top, left, bottom, right = (max(0, pad) for pad in pads)
    window = Window(plain.kernel, (1, 1), (top, left, bottom, right), plain.dilation, plain.stride)

    def turned(array: np.ndarray) -> np.ndarray:
        """``[in, out / groups, ...]`` to ``[out, in / groups, ...]``, each kernel turned round."""
        split = array.reshape(groups, channels // groups, *array.shape[1:])
        joined = np.moveaxis(split, 1, 2).reshape(groups * array.shape[1], channels // groups, *array.shape[2:])
        return np.flip(joined, axis=tuple(range(2, joined.ndim)))

    weights = replace(weights, codes=turned(weights.codes), scale=turned(weights.scale))
    _emit(walk, node, data, weights, window, groups, len(weights.codes), crop)


def _kernel(walk: Walk, node: NodeProto, axis: int) -> tuple[Weights, int]:
    spatial(node, walk.data(node).shape)
    weights, groups = read_weights(walk, node, 1, axis), walk.attribute(node, "group", "INT", 1)
    if len(weights.shape) != len(walk.data(node).shape) or groups < 1:
        raise refuse(node, f"has weights of shape {list(weights.shape)} and group={groups} for a tensor of shape "
                     f"{list(walk.data(node).shape)}", "repair the layer's size; the file is inconsistent")
    return weights, groups


def _image(walk: Walk, node: NodeProto) -> tuple[Data, tuple[int, int, int, int]]:
    """The input as an image, without the zeros that a Pad put around it; and how many those are."""
    data = integers(walk, node, 0, "convolves")
    inside = np.argwhere((data.order[0] >= 0).all(axis=0))
    if len(inside) and (data.order < 0).any():
        first, last = inside.min(axis=0), inside.max(axis=0) + 1
        inner = data.order[(slice(None), slice(None), *(slice(a, b) for a, b in zip(first, last, strict=True)))]
        if (inner >= 0).all() and (inner.size == (data.order >= 0).sum()):
            after = np.array(data.shape[2:]) - last
            alone = [0] * (2 - len(first))
            top, left, bottom, right = (int(i) for i in (*alone, *first, *alone, *after))
            return arrange(walk, node, replace(data, order=inner, moves=data.moves[:-1])), (top, left, bottom, right)
    data = arrange(walk, node, data)
    walk.flows[node.input[0]] = data
    return data, (0, 0, 0, 0)


def _emit(walk: Walk, node: NodeProto, data: Data, weights: Weights, window: Window, groups: int, outputs: int,
          crop: list[int] | None = None) -> None:
    codes, scale = (a.reshape(*a.shape[:2], *window.kernel).transpose(0, 2, 3, 1) for a in
                    (weights.codes, weights.scale))
    rows, columns = window.output(*size_of(data.shape))
    if min(rows, columns) < 1:
        raise refuse(node, f"has a kernel of {list(window.kernel)} that is larger than the image, "
                     f"{list(data.shape[2:])} with its padding", "use a smaller kernel, or more padding")
    result = product(walk, node, data, replace(weights, codes=codes, scale=scale), window=window, groups=groups)
    order = natural((1, outputs, rows, columns))
    if crop and any(crop):
        if crop[0] + crop[2] >= rows or crop[1] + crop[3] >= columns:
            raise refuse(node, f"cuts everything off {rows} x {columns} pixels", "use smaller pads")
        order = order[:, :, crop[0]:rows - crop[2], crop[1]:columns - crop[3]]
        result = replace(result, moves=((node.name, "slice"),))
    if len(data.shape) == 3:
        order = order[:, :, 0]
    steps = []
    if walk.has_input(node, 2):
        bias = walk.floats(node, 2)
        if bias.shape != (outputs,):
            raise refuse(node, f"has a bias of shape {list(bias.shape)} for {outputs} channels",
                         "repair the layer's size; the file is inconsistent")
        steps.append(("add", bias.reshape(-1, *[1] * (len(data.shape) - 2))))
    with_bias(walk, node, replace(result, order=order), *steps)


def _cut(walk: Walk, node: NodeProto, size: tuple[int, int], window: Window, reach: list[int],
         ) -> tuple[list[int], list[int]]:
    """What a transposed convolution leaves out before and after; negative where ``output_padding`` adds."""
    flat = len(walk.data(node).shape) == 3
    extra = [0] * flat + list(walk.attribute(node, "output_padding", "INTS", [0] * (2 - flat)))
    wanted = walk.attribute(node, "output_shape", "INTS")
    wide = [e >= max(s, d) for e, s, d in zip(extra, window.stride, window.dilation, strict=False)]
    few = wanted is not None and (len(wanted) < 2 - flat or min(wanted) < 1)
    if len(extra) != 2 or min(extra) < 0 or any(wide) or few:
        raise refuse(node, f"has the output_padding {extra} and the output_shape {wanted}", "repair the attributes")
    mode = walk.attribute(node, "auto_pad", "STRING", "NOTSET")
    if wanted is not None:
        wanted = [1] * flat + list(wanted)[-(2 - flat):]
    elif mode.startswith("SAME"):
        wanted = [s * stride for s, stride in zip(size, window.stride, strict=True)]
    if wanted is None:
        before, after = pads_of(walk, node, flat) if mode == "NOTSET" else ([0, 0], [0, 0])
        return before, [a - e for a, e in zip(after, extra, strict=True)]
    total = [stride * (s - 1) + e + r + 1 - w for stride, s, e, r, w in
             zip(window.stride, size, extra, reach, wanted, strict=True)]
    if min(total) < 0:
        raise refuse(node, f"pads {list(size)} pixels out to {wanted}", "use output_padding, or a smaller output_shape")
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    if mode == "SAME_UPPER":
        return small, [x - e for x, e in zip(large, extra, strict=True)]
    return large, [x - e for x, e in zip(small, extra, strict=True)]
