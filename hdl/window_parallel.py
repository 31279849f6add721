"""Sliding window at full rate: all that a kernel sees in one word, a position in every cycle.

For layers that must keep up with their input's pixels. Pixels lie in small memories, one for each (row, column) modulo
as many rows as are held and as many columns as are read at once; so a whole window is read in one cycle, wherever it
lies, and only the order of its rows and of its columns has to be turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from amaranth.hdl import *
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .counter import below, lookup, lookup_pair, nested_counters, wrapping_add, wrapping_counter
from .elastic import ElasticStages
from .geometry import Axis, image_axes, kept_pixels
from .lanes import check_positive, integer_stream, words
from .number import IntType
from .padding import UINT8, pad_lanes, padded_type
from .ring import RingCounts
from .schedule import Buffer
from .unit import Unit

__all__ = ["ParallelWindowParameters", "ParallelWindowUnit"]

def _highest(sources: np.ndarray) -> np.ndarray:
    """The last pixel that each position sees; where it sees none, the one before's, or 0."""
    highest = sources.max(axis=1)
    seen = np.maximum.accumulate(np.where(highest < 0, 0, np.arange(1, len(highest) + 1)))
    return np.where(seen > 0, highest[seen - 1], 0)


@lru_cache(maxsize=16)
def _tables(y: Axis, x: Axis, pixels: int, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """``need`` and ``free`` of the schedule, kept for sizing: ``pixels`` a word in, ``positions`` a word out."""
    across = x.sources.reshape(-1, positions * x.kernel)
    sees = (y.sources >= 0).any(axis=1)[:, None] & (across >= 0).any(axis=1)
    last = _highest(y.sources)[:, None] * (x.size // pixels) + _highest(across) // pixels
    lowest = x.lowest.reshape(-1, positions).min(axis=1)
    free = kept_pixels(y.lowest, lowest, y.size, x.size) // pixels
    return np.where(sees, last + 1, 0).reshape(-1), free.reshape(-1)


@dataclass(frozen=True)
class ParallelWindowParameters:
    """A ``kernel`` moving over an image ``height`` x ``width`` x ``channels`` of which a word carries whole pixels.

    A word out carries what a position sees in the order (tap row, tap column, channel): ``kernel * channels`` lanes.

    Parameters
    ----------
    kernel, stride, dilation
        Pairs (vertical, horizontal); ``pads`` are (top, left, bottom, right).
    fill
        The integer that padding has in all lanes.
    input, output
        Types of a lane. A bipolar input may leave as int2; by default it does if it is padded with 0.
    depth
        Words held, by default (and at least) what the window spans: ``Buffer.least``.
    pixels_per_word
        Neighbours in a row that come in one word, which must divide the width. Then a word out carries
        ``pixels_per_word / stride`` neighbouring positions (at least one), which must divide the positions of a row.

    Raises
    ------
    ValueError
        If a number is not as said.
    """

    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    fill: int = 0
    input: IntType = UINT8
    output: IntType | None = None
    depth: int | None = None
    pixels_per_word: int = 1

    def __post_init__(self):
        for name in ("height", "width", "channels", "pixels_per_word"):
            check_positive(name, getattr(self, name))
        y, x = self.axes
        object.__setattr__(self, "output", padded_type(self.input, self.fill, self.output, y.padded or x.padded))
        pixels = self.pixels_per_word
        if self.width % pixels or x.count % self.positions_per_word or (pixels > x.stride and pixels % x.stride):
            raise ValueError(f"pixels_per_word must divide the width, {self.width}, and be a multiple of the stride, "
                             f"{x.stride}, whose positions of a word divide those of a row, {x.count}; not {pixels}")
        least = Buffer.least(*self.tables)
        if self.depth is None:
            object.__setattr__(self, "depth", least)
        if check_positive("depth", self.depth) < least:
            raise ValueError(f"depth must be at least {least} words, which the window spans, not {self.depth}")

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The vertical and the horizontal axis."""
        return image_axes(self.height, self.width, self.kernel, self.stride, self.pads, self.dilation)

    @property
    def positions_per_word(self) -> int:
        return max(1, self.pixels_per_word // self.stride[1])

    @property
    def lanes_in(self) -> int:
        return self.pixels_per_word * self.channels

    @property
    def lanes_out(self) -> int:
        return self.positions_per_word * self.kernel[0] * self.kernel[1] * self.channels

    @property
    def row_words(self) -> int:
        """Words a row of the image."""
        return self.width // self.pixels_per_word

    @property
    def banks(self) -> tuple[int, int]:
        """(rows, columns) of memories: pixels with the same remainders share one.

        As many rows as the depth touches; enough columns that all that is written or read in a cycle differs.
        """
        columns, reads = self.pixels_per_word, self.column_offsets
        while len({offset % columns for offset in reads}) < len(reads):
            columns += self.pixels_per_word
        return words(self.depth, self.row_words), columns

    @property
    def column_offsets(self) -> tuple[int, ...]:
        """The columns read in a cycle, from that of the first tap of the first position."""
        _, x = self.axes
        return tuple(sorted({position * x.stride + tap * x.dilation for position in range(self.positions_per_word)
                             for tap in range(x.kernel)}))

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """``need`` and ``free`` of the schedule."""
        return _tables(*self.axes, self.pixels_per_word, self.positions_per_word)

    @cached_property
    def schedule(self) -> Buffer:
        """A phase for each word out: it needs the last pixel that it sees, and gives back what no later one sees."""
        return Buffer(*self.tables, self.height * self.row_words, self.depth)


class ParallelWindowUnit(Unit):
    """A word in and a word out in every cycle; latency 1 cycle from the word that completes a window.

    The input is ready while fewer than ``depth`` words are held: no path from ``o.ready`` to ``i.ready``. With the
    least depth the reader must follow at once; a row more lets it lag behind.

    Members
    -------
    i : In(integer_stream(input, lanes_in))
    o : Out(integer_stream(output, lanes_out))

    Resources: ``banks`` rows x columns of memories of a pixel's width (LUT RAM where rows are short), a multiplexer of
    ``banks`` rows for each row of the kernel and each column read, one of ``banks`` columns for each tap of a position,
    a gate a bit where there is padding, and a few counters.
    """

    def __init__(self, parameters: ParallelWindowParameters):
        p = parameters
        super().__init__(parameters, {"i": In(integer_stream(p.input, p.lanes_in)),
                                      "o": Out(integer_stream(p.output, p.lanes_out))})

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        y, x = p.axes
        frame = p.schedule.words
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        counts, lasts, _ = nested_counters(m, {"column": x.count // p.positions_per_word, "row": y.count}, stages.fire)
        ends = Signal()
        m.d.comb += ends.eq(lasts["column"] & lasts["row"])

        # When: the last pixel of the position has come.
        across = x.sources.reshape(-1, p.positions_per_word * x.kernel)
        last_y, last_x = _highest(y.sources), _highest(across) // p.pixels_per_word
        ring = RingCounts(m, self.i, p.depth, frame, first=int(last_y[0] * p.row_words + last_x[0]),
                          skips=p.schedule.need.max() < frame)
        sees = [lookup(m, count, (sources >= 0).any(axis=1).tolist(), name=f"{name}_sees")
                for name, count, sources in (("row", counts["row"], y.sources), ("column", counts["column"], across))]
        to_right = lookup(m, counts["column"], [*np.diff(last_x), 0], name="to_right")
        down = np.append(np.diff(last_y), last_y[0] + y.size - last_y[-1]) * p.row_words + last_x[0] - last_x[-1]
        freed = np.diff(p.schedule.free, prepend=0).reshape(y.count, -1)
        m.d.comb += [
            stages.fire.eq(stages.ready & Mux(sees[0] & sees[1], ring.present, ring.begun)),
            stages.gives.eq(1),
            ring.fire.eq(stages.fire), ring.ends.eq(ends),
            ring.move.eq(Mux(lasts["column"], lookup(m, counts["row"], down.tolist(), name="down"), to_right)),
            ring.freed.eq(lookup_pair(m, counts["row"], counts["column"], freed, name="freed_here")),
        ]

        # Where: the first tap's row and column, as the number of a memory and an address in it.
        rows, columns = p.banks
        row_bank = Signal(below(rows), init=-y.before % rows)
        column_bank = Signal(below(columns), init=-x.before % columns)
        column_address = Signal(signed(words(p.width, columns).bit_length() + 1 + x.before.bit_length()),
                                init=-x.before // columns)
        step, carry = p.positions_per_word * x.stride, Signal()
        stepped = Signal(range(2 * columns))
        m.d.comb += [stepped.eq(column_bank + step % columns), carry.eq(stepped >= columns)]
        row_step = Mux(lasts["row"], (y.size - (y.count - 1) * y.stride) % rows, y.stride % rows)
        with m.If(stages.fire):
            m.d.sync += [column_bank.eq(Mux(carry, stepped - columns, stepped)),
                         column_address.eq(column_address + step // columns + carry)]
            with m.If(lasts["column"]):
                m.d.sync += [column_bank.eq(column_bank.init), column_address.eq(column_address.init),
                             row_bank.eq(wrapping_add(m, row_bank, row_step, rows, name="next_row_bank"))]

        read = self._storage(m, ring.write, stages.fire, column_bank, column_address)
        self._order(m, stages.fire, counts, row_bank, column_bank, read)
        return m

    def _storage(self, m, write, fire, column_bank, column_address):
        """The memories; returns what the firing phase reads from each, in the next cycle: ``[rows][columns]``."""
        p = self._parameters
        rows, columns = p.banks
        groups = columns // p.pixels_per_word
        _, last = wrapping_counter(m, p.row_words, write, name="write_column")
        row, _ = wrapping_counter(m, rows, write & last, name="write_row")
        group, group_last = Signal(below(groups)), Signal()
        address = Signal(below(words(p.width, columns)))
        m.d.comb += group_last.eq(group == groups - 1)
        with m.If(write):
            m.d.sync += [group.eq(Mux(group_last | last, 0, group + 1)),
                         address.eq(Mux(last, 0, address + group_last))]
        pixel = p.channels * p.input.bits
        reads = []
        for at_row in range(rows):
            reads.append([])
            for at_column in range(columns):
                memory = Memory(shape=pixel, depth=max(words(p.width, columns), 2), init=[])
                m.submodules[f"storage_{at_row}_{at_column}"] = memory
                into = memory.write_port()
                out = memory.read_port()
                here, neighbour = divmod(at_column, p.pixels_per_word)
                # The column read from this memory may lie one or more words further than the first tap's.
                further = [next(((bank + offset) // columns for offset in p.column_offsets
                                 if (bank + offset) % columns == at_column), 0) for bank in range(columns)]
                m.d.comb += [
                    into.addr.eq(address), into.en.eq(write & (row == at_row) & (group == here)),
                    into.data.eq(self.i.payload.as_value().word_select(neighbour, pixel)),
                    out.addr.eq(column_address + lookup(m, column_bank, further, name=f"further_{at_row}_{at_column}")),
                    out.en.eq(fire),
                ]
                reads[-1].append(out.data)
        return reads

    def _order(self, m, fire, counts, row_bank, column_bank, read):
        """Turns what was read into the order of the taps, and puts padding in."""
        p = self._parameters
        y, x = p.axes
        (rows, columns), pixel = p.banks, p.channels * p.input.bits
        across = x.sources.reshape(-1, p.positions_per_word * x.kernel)
        # What the firing phase knows and its data need in the next cycle.
        kept = {}
        for name, value in (("row_bank", row_bank), ("column_bank", column_bank), *(
                (f"{axis}_inside{tap}", lookup(m, counts[axis], (sources[:, tap] >= 0).tolist(), name=f"{axis}{tap}"))
                for axis, sources in (("row", y.sources), ("column", across)) for tap in range(sources.shape[1]))):
            kept[name] = value if isinstance(value, Const) else Signal.like(value, name=f"read_{name}", init=0)
            if not isinstance(value, Const):
                with m.If(fire):
                    m.d.sync += kept[name].eq(value)

        def turned(bank, choices, name):
            result = Signal(pixel, name=name)
            with m.Switch(bank):
                for number, choice in enumerate(choices):
                    with m.Case(number):
                        m.d.comb += result.eq(choice)
            return result

        in_row = [[turned(kept["row_bank"], [read[(bank + tap * y.dilation) % rows][column] for bank in range(rows)],
                          f"row{tap}_bank{column}") for column in range(columns)] for tap in range(y.kernel)]
        seen = {(tap, offset): turned(kept["column_bank"],
                                      [in_row[tap][(bank + offset) % columns] for bank in range(columns)],
                                      f"row{tap}_column{offset}")
                for tap in range(y.kernel) for offset in p.column_offsets}
        taps = []
        for position in range(p.positions_per_word):
            for row in range(y.kernel):
                for column in range(x.kernel):
                    inside = kept[f"row_inside{row}"] & kept[f"column_inside{position * x.kernel + column}"]
                    value = seen[row, position * x.stride + column * x.dilation]
                    lanes = [value.word_select(lane, p.input.bits) for lane in range(p.channels)]
                    taps.append(pad_lanes(value if p.input == p.output else lanes, ~inside, p.input, p.output, p.fill,
                                          p.channels))
        m.d.comb += self.o.payload.as_value().eq(Cat(taps))
