"""Reorder: the words of a frame in any other order: slices, transposes, repeats, depth-to-space.

A ROM says for each word out how far the reader moves in a ring that holds exactly those words which are still needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import below, wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream
from .ring import RingBuffer
from .rom import add_rom
from .schedule import Buffer
from .unit import Unit

__all__ = ["ReorderParameters", "ReorderUnit"]


@dataclass(frozen=True, eq=False)
class ReorderParameters:
    """Word ``k`` out is word ``index[k]`` in, or all bits 0 where that is -1: of a frame, or of each of its positions.

    Parameters
    ----------
    index
        int64 ``[words out]``; words may be used often, or never.
    words_in, lanes
        Words in, for the whole index, and lanes a word.
    depth
        Words held, by default (and at least) those between the oldest that is needed again and the newest needed.
    positions
        How often a frame goes through the index, each time with ``words_in`` words of its own.

    Raises
    ------
    ValueError
        If the index is not a vector of words, a number is not a positive integer, or the depth is too small.
    """

    index: np.ndarray
    words_in: int
    lanes: int
    depth: int | None = None
    positions: int = 1

    def __post_init__(self):
        for what in ("words_in", "lanes", "positions"):
            check_positive(what, getattr(self, what))
        index = np.array(self.index, dtype=np.int64)
        if index.ndim != 1 or not len(index) or index.min() < -1 or index.max() >= self.words_in:
            raise ValueError(f"index must be a vector of words from 0 to {self.words_in - 1}, or -1, not an array of "
                             f"shape {index.shape}" + (f" from {index.min()} to {index.max()}" if index.size else ""))
        object.__setattr__(self, "index", index)
        least = Buffer.least(*self.tables)
        if self.depth is None:
            object.__setattr__(self, "depth", least)
        if check_positive("depth", self.depth) < least:
            raise ValueError(f"depth must be at least {least} words, which the order asks for, not {self.depth}")

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """``need`` and ``free`` at one position: what no later word of it needs is given back at once."""
        reads = np.where(self.index < 0, self.words_in, self.index)
        later = np.minimum.accumulate([self.words_in, *reads[:0:-1]])[::-1]
        return self.index + 1, later

    @cached_property
    def schedule(self) -> Buffer:
        words, begin = self.words_in * self.positions, np.arange(self.positions)[:, None] * self.words_in
        need, free = ((begin + table).reshape(-1) for table in self.tables)
        return Buffer(need, free, words, self.depth)

    @property
    def row_bits(self) -> int:
        """Bits of a phase's row in the ROM: the reader's move, the same around the ring, words given back, a zero."""
        move = Shape.cast(range(-self.words_in - 1, self.words_in + self.depth + 1)).width
        return move + below(self.depth).width + int(np.diff(self.tables[1], prepend=0).max()).bit_length() + 1

    @property
    def walk(self) -> np.ndarray:
        """Where the reader stands at each phase, and at the first of the next frame: a zero is read where it stands."""
        stands = np.maximum.accumulate(np.where(self.index < 0, 0, np.arange(1, len(self.index) + 1)))
        places = np.where(stands > 0, self.index[stands - 1], 0)
        return np.append(places, places[0] + self.words_in)


class ReorderUnit(Unit):
    """Gives a word a cycle, 1 cycle after the last word that it needs has come; takes a word a cycle while it has room.

    With the least depth a frame may wait for the one before; words of up to two frames keep both sides busy.

    Parameters
    ----------
    shape : ShapeLike
        Shape of one lane.
    parameters : ReorderParameters

    Members
    -------
    i : In(lane_stream(shape, lanes))
    o : Out(lane_stream(shape, lanes))

    Resources: a memory of ``depth`` words, and a ROM of ``len(index)`` words with the moves of the reader.
    """

    def __init__(self, shape, parameters: ReorderParameters):
        word = lane_stream(shape, parameters.lanes)
        super().__init__(parameters, {"i": In(word), "o": Out(word)})

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        frame, walk = p.words_in, p.walk
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        _, last = wrapping_counter(m, len(p.index), stages.fire, name="phase")
        ring = RingBuffer(m, self.i, p.depth, frame, first=int(walk[0]), skips=p.index.max() + 1 < frame)

        # Each phase: how far the reader moves, the same around the ring, what is given back, whether it is no zero.
        moves, inside = np.diff(walk), p.index >= 0
        freed = np.diff(p.tables[1], prepend=0)
        columns = [(moves, len(ring.move)), (moves % p.depth, len(ring.hop)), (freed, int(freed.max()).bit_length()),
                   (inside, 1)]
        assert sum(width for _, width in columns) == p.row_bits
        move, hop, free, reads = self._table(m, platform, columns, stages.fire)
        zero = Signal()
        m.d.comb += [
            stages.fire.eq(stages.ready & Mux(reads, ring.present, ring.begun)),
            stages.gives.eq(1),
            ring.fire.eq(stages.fire),
            ring.move.eq(move.as_signed()), ring.hop.eq(hop), ring.freed.eq(free), ring.ends.eq(last),
            self.o.payload.as_value().eq(Mux(zero, 0, ring.data) if not inside.all() else ring.data),
        ]
        with m.If(stages.fire):
            m.d.sync += zero.eq(~reads)
        return m

    @staticmethod
    def _table(m, platform, columns, fire):
        """Each phase's row of the table, in a register: from a ROM that is read two phases before."""
        widths = [width for _, width in columns]
        rows = [0] * len(columns[0][0])
        begin = 0
        for values, width in columns:
            rows = [row | (int(value) & ((1 << width) - 1)) << begin for row, value in zip(rows, values, strict=True)]
            begin += width
        # Nothing was read before the very first phase; its row and the next one's are constants.
        first = Signal(init=1)
        fetch = Signal(below(len(rows)), init=2 % len(rows))
        row = Signal(begin, init=rows[0])
        rom = add_rom(m, platform, rows, begin, fetch, fire, name="moves", small_inline=True)
        with m.If(fire):
            m.d.sync += [
                first.eq(0),
                fetch.eq(Mux(fetch == len(rows) - 1, 0, fetch + 1)),
                row.eq(Mux(first, Const(rows[1 % len(rows)], begin), rom)),
            ]
        return [row[low:high] for low, high in pairwise(np.cumsum([0, *widths]).tolist())]
