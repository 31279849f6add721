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
from .rom import SMALL, add_rom
from .schedule import Schedule
from .unit import Unit

__all__ = ["LoadPort", "LoadSection", "WeightStreamer", "WeightStreamerParameters"]


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


class LoadPort:
    """The input ``load`` of a unit: its words fill one memory after another, then the first again.

    It is always ready. The unit computes with what its memories hold, so load while no frame is inside. A reset leaves
    what is loaded, and begins with the first word again.

    Parameters
    ----------
    m, platform
        The unit's module, and what it is elaborated with. The platform may offer ``loadable_file``, which is to
        ``rom.add_rom``'s ``memory_file`` as these memories are to ROMs: its module can be written, too, by the ports
        ``w_en``, ``w_addr`` and ``w_data``.
    stream
        The port, of plain words.
    total
        Words of all sections together.
    """

    def __init__(self, m: Module, platform, stream, total: int):
        self._m, self._platform, self._payload, self._begin = m, platform, stream.payload, 0
        self._writes = Signal(name="load_writes")
        self._place, _ = wrapping_counter(m, total, self._writes, name="load_place")
        m.d.comb += [stream.ready.eq(1), self._writes.eq(stream.valid)]

    def section(self, count: int) -> LoadSection:
        """The next ``count`` words."""
        begin, self._begin = self._begin, self._begin + count
        writes = Signal(name=f"load_writes_{begin}")
        within = self._place < begin + count
        self._m.d.comb += writes.eq(self._writes & (within & (self._place >= begin) if begin else within))
        place = Signal(range(max(count, 2)), name=f"load_place_{begin}")
        self._m.d.comb += place.eq(self._place - begin)
        return LoadSection(self._m, self._platform, place, self._payload, writes, count)


class LoadSection:
    """Some words of a load port, and the memories beside each other that they fill."""

    def __init__(self, m: Module, platform, place, payload, writes, count: int):
        self._m, self._platform, self._count = m, platform, count
        self._place, self._payload, self._writes = place, payload, writes

    def memory(self, words: Sequence[int], width: int, addr, en, *, name: str, first: int = 0):
        """Add a memory that holds ``words`` at first, read like a ROM (``rom.add_rom``).

        A word that is loaded has the new one in ``width`` bits from bit ``first`` on.
        """
        m, data = self._m, self._payload[first : first + width]
        if len(words) != self._count:
            raise ValueError(f"words must be the section's {self._count}, not {len(words)}")
        if len(words) == 1:
            # One word is read in every cycle: it needs neither address nor output register.
            held = Signal(width, name=f"{name}_word", init=words[0], reset_less=True)
            with m.If(self._writes):
                m.d.sync += held.eq(data)
            return held
        loadable_file = getattr(self._platform, "loadable_file", None)
        if loadable_file is not None and len(words) * width > SMALL:
            read = Signal(width, name=f"{name}_data")
            m.submodules[name] = Instance(
                loadable_file(name, words, width), i_clk=ClockSignal(), i_en=en, i_addr=addr, o_data=read,
                i_w_en=self._writes, i_w_addr=self._place, i_w_data=data)
            return read
        m.submodules[name] = memory = Memory(shape=width, depth=len(words), init=words)
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [
            read.addr.eq(addr), read.en.eq(en),
            write.addr.eq(self._place), write.data.eq(data), write.en.eq(self._writes),
        ]
        return read.data
