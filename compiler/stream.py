"""A stream between two units: which integer of which value each lane of each word carries."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data

from ..hdl.lanes import words
from .ir import IntType, Value

__all__ = ["NOTHING", "PADDING", "Edge", "pixel_index", "stream"]

PADDING = -1
"""In an index: the lane carries the stream's ``fill``, which is no element of the value."""
NOTHING = -2
"""In an index: the lane fills up a word, and its bits mean nothing."""


@dataclass(frozen=True, eq=False)
class Edge:
    """A stream of words, each of ``lanes`` integers of ``type``, carrying elements of the graph's ``value``.

    ``index`` is int32 ``[words a frame, lanes]``: the element of the value (stream order) in each lane, or
    :data:`PADDING`, or :data:`NOTHING`. ``pixel`` are the elements that come before the next group of words begins:
    a pixel's channels, or all that a window sees. ``elements`` is the size of the value. A stream of weights carries no
    value: ``value`` is empty.
    """

    name: str
    value: str
    type: IntType
    index: np.ndarray
    pixel: int
    elements: int
    fill: int = 0

    @property
    def lanes(self) -> int:
        return self.index.shape[1]

    @property
    def words(self) -> int:
        """Words a frame."""
        return self.index.shape[0]

    @property
    def bits(self) -> int:
        """Bits of a word."""
        return self.type.bits * self.lanes

    @property
    def shape(self):
        """Shape of the payload."""
        return data.ArrayLayout(Shape(self.type.bits, self.type.signed), self.lanes)

    @property
    def pixels(self) -> int:
        """Groups of ``pixel`` elements a frame."""
        return self.words // words(self.pixel, self.lanes)

    @property
    def flat(self) -> np.ndarray:
        """The index without lanes that mean nothing: int32, in the order of the stream."""
        flat = self.index.reshape(-1)
        return flat[flat != NOTHING]

    def regrouped(self, name: str, lanes: int) -> Edge:
        """The same elements, ``lanes`` a word; each group of ``pixel`` elements begins a word."""
        return replace(self, name=name, index=grouped(self.flat.reshape(-1, self.pixel), lanes))

    def per(self, pixel: int) -> Edge:
        """The same words seen as groups of ``pixel`` elements, which must end with words.

        Raises
        ------
        ValueError
            If a lane of a word before a group's last one means nothing.
        """
        if pixel == self.pixel:
            return self
        index = grouped(self.flat.reshape(-1, pixel), self.lanes)
        if not np.array_equal(index, self.index):
            raise ValueError(f"words of {self.lanes} lanes cannot be seen as groups of {pixel}")
        return replace(self, pixel=pixel)


def grouped(index: np.ndarray, lanes: int) -> np.ndarray:
    """An index ``[groups, elements of a group]`` in words of ``lanes``: ``[words, lanes]``."""
    groups, size = index.shape
    padded = np.full((groups, words(size, lanes) * lanes), NOTHING, dtype=np.int32)
    padded[:, :size] = index
    return padded.reshape(-1, lanes)


def pixel_index(value: Value, lanes: int) -> np.ndarray:
    """The index of a value's own stream: pixel by pixel, ``lanes`` channels a word."""
    return grouped(np.arange(value.elements, dtype=np.int32).reshape(value.pixels, value.channels), lanes)


def stream(name: str, value: Value, lanes: int) -> Edge:
    """The stream of a value, pixel by pixel."""
    return Edge(name, value.name, value.type, pixel_index(value, lanes), value.channels, value.elements)
