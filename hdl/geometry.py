"""How a kernel moves over an image, one axis at a time: what a window reads, and what it will not read again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .lanes import check_positive

__all__ = ["Axis", "image_axes", "kept_pixels"]


@dataclass(frozen=True)
class Axis:
    """One axis of an image of ``size`` pixels and of a kernel of ``kernel`` taps, ``dilation`` apart.

    The pixels are spread first, with ``insert - 1`` zeros between neighbours, then padded with ``before`` and ``after``
    zeros; positions are ``stride`` apart (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
    2016).

    Raises
    ------
    ValueError
        If a number is not a positive integer (pads: or zero), or the kernel finds no position.
    """

    size: int
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int
    insert: int

    def __post_init__(self):
        for name in ("size", "kernel", "stride", "dilation", "insert"):
            check_positive(name, getattr(self, name))
        for pad in (self.before, self.after):
            if isinstance(pad, bool) or not isinstance(pad, int) or pad < 0:
                raise ValueError(f"pads must be non-negative integers, not {pad!r}")
        if self.count < 1:
            raise ValueError(f"kernel must fit the padded image: {self.kernel} taps, {self.dilation} apart, on "
                             f"{self.insert * (self.size - 1) + 1 + self.before + self.after}")

    @property
    def count(self) -> int:
        """Positions of the kernel."""
        spread = self.insert * (self.size - 1) + 1
        return (spread + self.before + self.after - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    @property
    def sources(self) -> np.ndarray:
        """The pixel that each tap of each position sees, -1 for none: int64 ``[count, kernel]``."""
        at = np.arange(self.count)[:, None] * self.stride - self.before + np.arange(self.kernel) * self.dilation
        inside = (at >= 0) & (at % self.insert == 0) & (at // self.insert < self.size)
        return np.where(inside, at // self.insert, -1)

    @property
    def padded(self) -> bool:
        """Whether some tap sees no pixel."""
        return bool((self.sources < 0).any())

    @property
    def lowest(self) -> np.ndarray:
        """The first pixel that each position sees, ``size`` where it sees none: int64 ``[count]``."""
        return np.where(self.sources < 0, self.size, self.sources).min(axis=1)

    def steps(self) -> tuple[int, int, int, int]:
        """Moves, in spread pixels: to the next tap, to tap 0 again, to tap 0 of the next position and of the first.

        All but the first are from the last tap.
        """
        back = -(self.kernel - 1) * self.dilation
        return self.dilation, back, back + self.stride, back - (self.count - 1) * self.stride


def image_axes(height: int, width: int, kernel: tuple[int, int], stride: tuple[int, int],
               pads: tuple[int, int, int, int], dilation: tuple[int, int] = (1, 1),
               insert: tuple[int, int] = (1, 1)) -> tuple[Axis, Axis]:
    """The vertical and the horizontal axis; pairs are (vertical, horizontal), ``pads`` (top, left, bottom, right).

    Raises
    ------
    ValueError
        If a tuple has another length, or as :class:`Axis` says.
    """
    for name, given, length in (("kernel", kernel, 2), ("stride", stride, 2), ("pads", pads, 4),
                                ("dilation", dilation, 2), ("insert", insert, 2)):
        if not isinstance(given, tuple) or len(given) != length:
            raise ValueError(f"{name} must be a tuple of {length} integers, not {given!r}")
    return (Axis(height, kernel[0], stride[0], pads[0], pads[2], dilation[0], insert[0]),
            Axis(width, kernel[1], stride[1], pads[1], pads[3], dilation[1], insert[1]))


def kept_pixels(y_lowest: np.ndarray, x_lowest: np.ndarray, height: int, width: int) -> np.ndarray:
    """How many leading pixels no position after each one sees: int64 ``[positions down, across]``.

    ``y_lowest`` and ``x_lowest`` are the first row and column that positions see, ``height`` and ``width`` for none.
    After the last position, all pixels.
    """
    below, right = (np.minimum.accumulate([size, *lowest[::-1]])[::-1]
                    for lowest, size in ((y_lowest, height), (x_lowest, width)))
    end = height * width
    here = np.where((y_lowest[:, None] < height) & (right[1:] < width), y_lowest[:, None] * width + right[1:], end)
    later = np.where((below[1:] < height) & (right[0] < width), below[1:] * width + right[0], end)
    keep = np.minimum(here, later[:, None])
    keep[-1, -1] = end
    return keep
