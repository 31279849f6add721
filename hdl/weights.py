"""Weights that come from elsewhere: as a stream from a unit of their own, or loaded while the design runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import *
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Out

from .counter import wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream
from .rom import add_rom
from .schedule import Schedule
from .unit import Unit

__all__ = ["WeightStreamer", "WeightStreamerParameters", "add_loadable"]


@dataclass(frozen=True)
class WeightStreamerParameters:
    """``words`` of ``lanes`` codes of ``bits`` bits, lane 0 lowest, given ``repeats`` times a frame.

    Those of a matrix-vector unit are its ``weight_words``, on PE x SIMD lanes of ``weight_bits`` bits, once for each
    position: :meth:`MatrixVectorParameters.streamer` makes these parameters.

    Raises
    ------
    ValueError
        If a number is not positive, there is no word, or one is too wide.
    """

    words: tuple[int, ...]
    lanes: int
    bits: int
    repeats: int = 1

    def __post_init__(self):
        for what in ("lanes", "bits", "repeats"):
            check_positive(what, getattr(self, what))
        object.__setattr__(self, "words", tuple(self.words))
        if not self.words or min(self.words) < 0 or max(self.words).bit_length() > self.lanes * self.bits:
            raise ValueError(f"words must be one or more of {self.lanes * self.bits} bits")

    @property
    def schedule(self) -> Schedule:
        """A source: no input, a word in every cycle in which there is room."""
        count = len(self.words)
        return Schedule(np.ones((count, 0)), np.ones((count, 1)), stages=1, repeats=self.repeats)


class WeightStreamer(Unit):
    """Gives the words of a memory in order, again and again, from reset on. A word a cycle; latency 1 cycle.

    Members
    -------
    o : Out(lane_stream(bits, lanes))

    Resources: the memory, whose output register is the unit's, and a counter.
    """

    def __init__(self, parameters: WeightStreamerParameters):
        super().__init__(parameters, {"o": Out(lane_stream(parameters.bits, parameters.lanes))})

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, 1, self.o.valid, self.o.ready)
        address, _ = wrapping_counter(m, len(p.words), stages.fire, name="address")
        read = add_rom(m, platform, p.words, p.lanes * p.bits, address, stages.fire, name="weights")
        m.d.comb += [
            stages.fire.eq(stages.ready),
            stages.gives.eq(1),
            self.o.payload.as_value().eq(read),
        ]
        return m


def add_loadable(m: Module, words: Sequence[int], width: int, addr, en, *, write_addr, write_data, write_en, name: str):
    """Add a memory that holds ``words`` at first, read like a ROM (``rom.add_rom``), and written while ``write_en``."""
    if len(words) == 1:
        # One word is read in every cycle: it needs neither address nor output register.
        held = Signal(width, name=f"{name}_word", init=words[0])
        with m.If(write_en):
            m.d.sync += held.eq(write_data)
        return held
    m.submodules[name] = memory = Memory(shape=width, depth=len(words), init=words)
    read, write = memory.read_port(), memory.write_port()
    m.d.comb += [
        read.addr.eq(addr), read.en.eq(en),
        write.addr.eq(write_addr), write.data.eq(write_data), write.en.eq(write_en),
    ]
    return read.data
