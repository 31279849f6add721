"""Sliding window: a line buffer that gives, for each position of a kernel, what each of its taps sees, word by word.

The image comes in row by row. One memory holds the words that some position still needs, as a ring; a reader walks over
them with nested counters and an address that is never multiplied, only stepped. Padding and zeros between spread
pixels (transposed convolution) are made on the way out and take neither memory nor input.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import lookup_pair, nested_counters
from .elastic import ElasticStages
from .geometry import Axis, image_axes, kept_pixels
from .lanes import check_positive, integer_stream, words
from .number import IntType
from .padding import UINT8, pad_lanes, padded_type
from .ring import RingBuffer
from .schedule import Buffer
from .unit import Unit
from .window_walk import Moves

__all__ = ["WindowParameters", "WindowUnit"]


@lru_cache(maxsize=16)
def _tables(y: Axis, x: Axis, pixel_words: int, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """``need`` and ``free`` of the schedule; kept, since sizing asks for them again and again with other depths."""
    per_group = pixel_words // groups
    pixels = np.where((y.sources[:, None, :, None] >= 0) & (x.sources[:, None, :] >= 0),
                      y.sources[:, None, :, None] * x.size + x.sources[:, None, :], -1)
    pixels = pixels.reshape(y.count * x.count, 1, y.kernel * x.kernel, 1)
    word = np.arange(pixel_words).reshape(groups, 1, per_group)
    need = np.where(pixels < 0, 0, pixels * pixel_words + word + 1).reshape(-1)
    keep = kept_pixels(y.lowest, x.lowest, y.size, x.size).reshape(-1) * pixel_words
    free = np.concatenate([[0], keep[:-1]]).repeat(len(need) // len(keep))
    free[len(need) // len(keep) - 1 :: len(need) // len(keep)] = keep
    return need, free


@dataclass(frozen=True)
class WindowParameters:
    """A ``kernel`` moving over an image ``height`` x ``width`` x ``channels`` that comes ``lanes`` channels a word.

    For each position (row by row), for each of ``groups`` groups of channels, for each tap (row by row), the words of
    the group's channels leave. ``groups = channels / lanes`` is the order of depthwise layers and of pooling.

    Parameters
    ----------
    kernel, stride, dilation, insert
        Pairs (vertical, horizontal) as of :class:`.geometry.Axis`; ``pads`` are (top, left, bottom, right).
    fill
        The integer that padding and inserted pixels have in all lanes.
    input, output
        Types of a lane. A bipolar input may leave as int2; by default it does if it is padded with 0.
    depth
        Words held, by default (and at least) what the window spans: ``Buffer.least``.

    Raises
    ------
    ValueError
        If a number is not as said; if words do not end with a group's channels; if the depth is too small.
    """

    height: int
    width: int
    channels: int
    lanes: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    insert: tuple[int, int] = (1, 1)
    groups: int = 1
    fill: int = 0
    input: IntType = UINT8
    output: IntType | None = None
    depth: int | None = None

    def __post_init__(self):
        for name in ("height", "width", "channels", "lanes", "groups"):
            check_positive(name, getattr(self, name))
        y, x = self.axes
        object.__setattr__(self, "output", padded_type(self.input, self.fill, self.output, y.padded or x.padded))
        if self.channels % (self.groups * self.lanes) and self.groups != self.pixel_words:
            raise ValueError(f"lanes must divide the channels of a group, {self.channels} / {self.groups}, "
                             f"not {self.lanes}")
        least = Buffer.least(*self.tables)
        if self.depth is None:
            object.__setattr__(self, "depth", least)
        if check_positive("depth", self.depth) < least:
            raise ValueError(f"depth must be at least {least} words, which the window spans, not {self.depth}")

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The vertical and the horizontal axis."""
        return image_axes(self.height, self.width, self.kernel, self.stride, self.pads, self.dilation, self.insert)

    @property
    def pixel_words(self) -> int:
        """Words a pixel."""
        return words(self.channels, self.lanes)

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """``need`` and ``free`` of the schedule."""
        return _tables(*self.axes, self.pixel_words, self.groups)

    @cached_property
    def schedule(self) -> Buffer:
        """A phase needs the word that it reads; after the last phase of a position, what no other sees is given back.
        """
        return Buffer(*self.tables, self.height * self.width * self.pixel_words, self.depth)


class WindowUnit(Unit):
    """Line buffer and window reader. A word a cycle on either side; latency 1 cycle from the word that completes a tap.

    A tap waits until its pixel is there, padding only for the words of the frame before. The input is ready while fewer
    than ``depth`` words are held, which comes from a register: no path from ``o.ready`` to ``i.ready``. With the least
    depth the reader never starves where a position takes longer to read than its new pixels to arrive; else a row more
    keeps both sides busy.

    Members
    -------
    i : In(integer_stream(input, lanes))
    o : Out(integer_stream(output, lanes))

    Resources: a memory of ``depth`` words with one port on each side, some ten counters of the image's dimensions, an
    address, and two counters of words; a gate a bit where there is padding.
    """

    def __init__(self, parameters: WindowParameters):
        p = parameters
        super().__init__(parameters, {
            "i": In(integer_stream(p.input, p.lanes)),
            "o": Out(integer_stream(p.output, p.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        y, x = p.axes
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        counts, lasts, steps = nested_counters(m, {
            "word": p.pixel_words // p.groups, "tap_column": x.kernel, "tap_row": y.kernel, "group": p.groups,
            "column": x.count, "row": y.count}, stages.fire)
        moves = Moves(y, x, p.pixel_words, p.groups)
        ring = RingBuffer(m, self.i, p.depth, p.schedule.words, first=moves.first, low=moves.first, high=moves.highest,
                          skips=p.schedule.need.max() < p.schedule.words)
        inside = moves.elaborate(m, ring, lasts)
        padding = Signal()
        m.d.comb += [
            # Padding waits for no pixel, but for the words of the frame before.
            stages.fire.eq(stages.ready & Mux(inside, ring.present, ring.begun)),
            stages.gives.eq(1),
            ring.fire.eq(stages.fire),
            ring.freed.eq(self._freed(m, counts, steps["column"])),
            ring.ends.eq(steps["row"] & lasts["row"]),
            self.o.payload.as_value().eq(pad_lanes(ring.data, padding, p.input, p.output, p.fill, p.lanes)),
        ]
        with m.If(stages.fire):
            m.d.sync += padding.eq(~inside)
        return m

    def _freed(self, m, counts, ends):
        """The words that are given back in this cycle: none, but where a position ends."""
        p = self._parameters
        y, x = p.axes
        keep = kept_pixels(y.lowest, x.lowest, y.size, x.size) * p.pixel_words
        freed = np.diff(keep.reshape(-1), prepend=0).reshape(keep.shape)
        return Mux(ends, lookup_pair(m, counts["row"], counts["column"], freed, name="freed_here"), 0)
