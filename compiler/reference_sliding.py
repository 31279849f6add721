"""How a kernel moves over an image, from the attributes that convolutions and pools share in ONNX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from .reference_tensor import attribute

__all__ = ["Sliding"]


@dataclass(frozen=True)
class Sliding:
    """How a kernel moves over an image: pairs (vertical, horizontal); a signal is an image of height 1."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]

    @classmethod
    def of(cls, node: onnx.NodeProto, size: tuple[int, ...], kernel: tuple[int, ...]) -> Sliding:
        """Of a node's attributes, on an image of ``size``; its pads, or those that ``auto_pad`` stands for."""
        axes = len(size)
        stride, dilation = (tuple(attribute(node, name, [1] * axes)) for name in ("strides", "dilations"))
        pads = list(attribute(node, "pads", [0] * 2 * axes))
        mode = attribute(node, "auto_pad", "NOTSET")
        if mode != "NOTSET":
            pads = [0] * 2 * axes
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            for axis in range(axes):
                whole = (-(-size[axis] // stride[axis]) - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1
                total = max(whole - size[axis], 0)
                pads[axis] = total // 2 if mode == "SAME_UPPER" else total - total // 2
                pads[axis + axes] = total - pads[axis]

        def pair(numbers, filler: int) -> tuple[int, int]:
            full = [filler] * (2 - axes) + list(numbers)
            return full[0], full[1]

        return cls(pair(kernel, 1), pair(stride, 1), pair(dilation, 1), pair(pads[:axes], 0), pair(pads[axes:], 0))

    def positions(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the result on a padded image."""
        rows, columns = ((size - d * (k - 1) - 1) // s + 1 for size, d, k, s in zip(
            (height, width), self.dilation, self.kernel, self.stride, strict=True))
        return rows, columns

    def tap(self, image: np.ndarray, i: int, j: int) -> np.ndarray:
        """What one tap of the kernel sees of a padded image ``[..., H, W]``, at all positions."""
        rows, columns = self.positions(*image.shape[-2:])
        top, left = i * self.dilation[0], j * self.dilation[1]
        return image[..., top : top + (rows - 1) * self.stride[0] + 1 : self.stride[0],
                     left : left + (columns - 1) * self.stride[1] + 1 : self.stride[1]]

    def padded(self, image: np.ndarray, fill: float = 0) -> np.ndarray:
        """An image ``[..., H, W]`` with the pads around."""
        around = [(0, 0)] * (image.ndim - 2) + list(zip(self.before, self.after, strict=True))
        return np.pad(image, around, constant_values=fill)
