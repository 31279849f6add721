"""A function of few integers, looked up: sigmoid and tanh of codes, non-uniform levels, anything at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .elastic import ElasticStages, later
from .lanes import check_positive, lane_stream, word_stream, words
from .number import IntType
from .pipeline import DEGREES, check_pipeline
from .rom import add_rom, packed
from .schedule import Schedule
from .steps import by_word
from .unit import Unit
from .weights import LoadPort

__all__ = ["TableParameters", "TableUnit"]


@dataclass(frozen=True, eq=False)
class TableParameters:
    """``y = table[channel, a - first]``, or ``table[0, a - first]`` in all channels.

    Parameters
    ----------
    table
        int64 ``[channels, span]`` or ``[1, span]``, of type ``output``.
    first
        The integer of the table's first column. Every integer that arrives lies from ``first`` to
        ``first + span - 1``, a range that ``input`` holds.
    channels, lanes
        Channels a pixel, and a word.
    input, output
        Types. Of a bipolar input, the column of 0 is not looked at.
    pixels
        Pixels a frame; each begins a word.
    loadable
        Whether the tables can be written anew through the input ``load``.
    pipeline
        How short paths between registers are, a degree of ``hdl.pipeline.DEGREES``: from 1 on, what a memory gave is
        registered once more.

    Raises
    ------
    ValueError
        If a shape, a number or a type is not as said above.
    """

    table: np.ndarray
    first: int
    channels: int
    lanes: int
    input: IntType
    output: IntType
    pixels: int = 1
    loadable: bool = False
    pipeline: int = 0

    def __post_init__(self):
        check_pipeline(self.pipeline)
        for what in ("channels", "lanes", "pixels"):
            check_positive(what, getattr(self, what))
        table = np.array(self.table, dtype=np.int64)
        if table.ndim != 2 or not table.size or len(table) not in (1, self.channels):
            raise ValueError(f"table must be of shape [1 or {self.channels}, span], not {table.shape}")
        last = self.first + table.shape[1] - 1
        if not (self.input.lo <= self.first and last <= self.input.hi):
            raise ValueError(f"input must hold the integers from {self.first} to {last}, not {self.input}")
        if not self.output.holds(table):
            raise ValueError(f"table must hold {self.output} only, not {table.min()} to {table.max()}")
        object.__setattr__(self, "table", table)

    @property
    def phases(self) -> int:
        """Words, and so cycles, a pixel."""
        return words(self.channels, self.lanes)

    @property
    def address_bits(self) -> int:
        """Low bits of an integer that tell all integers of the table apart."""
        if self.input.bipolar:
            return 1
        return max(1, (self.table.shape[1] - 1).bit_length())

    def contents(self, lane: int) -> np.ndarray:
        """What a lane's memory holds: codes (bipolar as 0 and 1), int64 ``[words or 1, 2 ** address_bits]``.

        An integer's place is its own low bits, so that ``first`` is not subtracted in hardware.
        """
        channels = by_word(self.channels, self.lanes)[:, lane] if len(self.table) > 1 else np.zeros(1, np.int64)
        codes = (self.table > 0).astype(np.int64) if self.output.bipolar else self.table
        contents = np.zeros((len(channels), 1 << self.address_bits), dtype=np.int64)
        integers = self.first + np.arange(self.table.shape[1])
        places = integers & (1 << self.address_bits) - 1
        if self.input.bipolar:
            codes, places = codes[:, integers != 0], (integers[integers != 0] > 0).astype(np.int64)
        contents[:, places] = codes[channels]
        same = not self.loadable and (contents == contents[0]).all()
        return contents[:1] if same else contents

    @property
    def load_words(self) -> tuple[int, ...]:
        """What to write to ``load``, in order, for these tables: a word for each entry, with those of all lanes.

        The entries of one word of channels follow each other, then those of the next; an entry's place is the low
        bits of its integer.
        """
        lanes = [self.contents(lane).reshape(-1) for lane in range(self.lanes)]
        return tuple(packed(np.stack(lanes, axis=1), self.output.bits))

    @property
    def load_bits(self) -> int:
        """Bits of a word of ``load``."""
        return self.lanes * self.output.bits

    @property
    def schedule(self) -> Schedule:
        ones = np.ones((self.phases, 1))
        return Schedule(ones, ones, stages=1 + DEGREES[self.pipeline].reads, repeats=self.pixels)


class TableUnit(Unit):
    """Looks every lane up, a word a cycle. Latency 1 cycle, 2 if pipelined.

    Members
    -------
    i : In(lane_stream(input, lanes))
    load : In(word_stream(load_bits)), of loadable tables only
        ``load_words``, always ready; after the last word it begins anew. Load while no frame is inside.
    o : Out(lane_stream(output, lanes))

    Resources: for each lane a memory of the span, rounded up to a power of two, for each of its channels (once, if they
    agree and are built in, or there is one table for all); the memory's output register is the unit's.
    """

    def __init__(self, parameters: TableParameters):
        p = parameters
        ports = {"i": In(lane_stream(Shape(p.input.bits, p.input.signed), p.lanes)),
                 "o": Out(lane_stream(Shape(p.output.bits, p.output.signed), p.lanes))}
        if p.loadable:
            ports["load"] = In(word_stream(p.load_bits))
        super().__init__(parameters, ports)

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        phase, _ = wrapping_counter(m, p.phases, stages.fire, name="phase")
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(1),
            self.i.ready.eq(stages.ready),
        ]
        section = None
        if p.loadable:
            count = len(p.load_words)
            section = LoadPort(m, platform, self.load, count).section(count)
        codes, bits = [], p.output.bits
        for lane in range(p.lanes):
            contents = p.contents(lane)
            entry = self.i.payload[lane].as_unsigned()[: p.address_bits]
            address = Cat(entry, phase) if len(contents) > 1 else entry
            entries, name = packed(contents.reshape(-1, 1), bits), f"table{lane}"
            codes.append(add_rom(m, platform, entries, bits, address, stages.fire, name=name) if section is None else
                         section.memory(entries, bits, address, stages.fire, name=name, first=lane * bits))
        if DEGREES[p.pipeline].reads:
            codes = later(m, stages.enter[1], codes, "code")
        m.d.comb += self.o.payload.as_value().eq(Cat(*codes))
        return m
