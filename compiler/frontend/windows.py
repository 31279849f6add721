"""How a kernel moves, read from the attributes that convolutions and pools have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ir import Window
from .structure import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto

    from .walk import Walk

__all__ = ["pads_of", "size_of", "spatial", "window_of"]


def spatial(node: NodeProto, shape: tuple[int, ...]) -> None:
    """Refuse what is neither an image nor a signal."""
    if len(shape) not in (3, 4):
        raise refuse(node, f"works on a tensor of shape {list(shape)}, of {len(shape) - 2} dimensions; supported are 1 "
                     "and 2", "use 2-D layers" if len(shape) > 4 else "reshape to [1, channels, height, width]")


def size_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a tensor ``[1, C, H, W]`` or ``[1, C, W]``."""
    return (shape[2], shape[3]) if len(shape) == 4 else (1, shape[2])


def pads_of(walk: Walk, node: NodeProto, flat: bool) -> tuple[list[int], list[int]]:
    """Zeros (vertical, horizontal) before and after; a signal (``flat``) is an image of height 1."""
    axes = 1 if flat else 2
    pads = list(walk.attribute(node, "pads", "INTS", [0] * (2 * axes)))
    if len(pads) != 2 * axes or min(pads) < 0:
        raise refuse(node, f"has the pads {pads}; supported are {2 * axes} that are not negative", "repair the pads")
    return [0] * flat + pads[:axes], [0] * flat + pads[axes:]


def window_of(walk: Walk, node: NodeProto, size: tuple[int, int], kernel: Sequence[int] | None = None, *,
              auto: bool = True) -> Window:
    """The window of ``node`` over an image of ``size``: kernel (of the weights, if given), strides, pads, dilations.

    ``auto`` False leaves pads out where ``auto_pad`` or a transposed convolution means something else by them.
    """
    given = walk.attribute(node, "kernel_shape", "INTS")
    if kernel is None:
        kernel = list(given or ())
    elif given is not None and list(given) != list(kernel):
        raise refuse(node, f"says that its kernel is {list(given)}, and has weights for {list(kernel)}",
                     "repair the layer's size; the file is inconsistent")
    flat = len(walk.data(node).shape) == 3
    axes = 1 if flat else 2

    def pair(name: str) -> tuple[int, int]:
        numbers = list(walk.attribute(node, name, "INTS", [1] * axes) if name else kernel or ())
        if len(numbers) != axes or min(numbers, default=0) < 1:
            raise refuse(node, f"has the {name or 'kernel_shape'} {numbers}; supported are {axes} positive integers",
                         "repair the attribute")
        vertical, horizontal = [1] * flat + numbers
        return vertical, horizontal

    taps, stride, dilation = pair(""), pair("strides"), pair("dilations")
    mode = walk.attribute(node, "auto_pad", "STRING", "NOTSET")
    before, after = [0, 0], [0, 0]
    if mode == "NOTSET" and auto:
        before, after = pads_of(walk, node, flat)
    elif mode.startswith("SAME") and auto:
        for axis in (0, 1):
            reach = dilation[axis] * (taps[axis] - 1) + 1
            count = -(-size[axis] // stride[axis])
            total = max(0, (count - 1) * stride[axis] + reach - size[axis])
            small, large = total // 2, total - total // 2
            before[axis], after[axis] = (small, large) if mode == "SAME_UPPER" else (large, small)
    elif mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise refuse(node, f"pads by {mode!r}", "give the pads")
    return Window(taps, stride, (before[0], before[1], after[0], after[1]), dilation)
