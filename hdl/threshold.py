"""Thresholds on a stream of integers: what a model's quantiser has become, from one bit to eight.

The code of a channel is how many of its thresholds the integer meets. Up to three thresholds have a comparator each.
More are searched: thresholds in order are a balanced tree, and each of its levels is a stage with one comparator a
lane and a memory of that level's thresholds, so 255 thresholds take 8 comparators and still a word enters in every
cycle (the pipelined search trees of packet classifiers; Jiang and Prasanna, "A memory-balanced linear pipeline
architecture for trie-based IP lookup", Hot Interconnects 2007).
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .codes import PARALLEL_LEVELS, count_met
from .counter import wrapping_counter
from .elastic import ElasticStages, later
from .lanes import lane_stream, word_stream
from .number import IntType
from .pipeline import DEGREES
from .rom import Constants, add_rom, packed
from .steps import ThresholdParameters, by_word
from .unit import Unit
from .weights import LoadPort, LoadSection

__all__ = ["PARALLEL_LEVELS", "ThresholdParameters", "ThresholdUnit", "by_word"]


class ThresholdUnit(Unit):
    """Codes by thresholds, a word a cycle.

    Latency up to three levels 1 cycle if each lane has the same thresholds in all words, else 2 (a memory is read
    first); with more levels as many cycles as the count has bits, and one more unless all words agree. Pipelined, a
    cycle more for each memory on the way.

    Members
    -------
    i : In(lane_stream(input, lanes))
    load : In(word_stream(load_bits)), of loadable thresholds only
        ``load_words``, always ready; after the last word it begins anew. Load while no frame is inside.
    o : Out(lane_stream(output, lanes))

    Resources: a comparator for each lane and level up to three levels, then one for each lane and bit of the count;
    all thresholds of the lane's channels in memories, none for those that are the same in all words. Loadable ones
    have a place for every channel, of as many bits as any threshold needs.
    """

    def __init__(self, parameters: ThresholdParameters):
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
        m.d.comb += [
            stages.fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(1),
            self.i.ready.eq(stages.ready),
        ]
        phase, _ = (Const(0, 1), None) if p.constant else wrapping_counter(m, p.phases, stages.fire, name="phase")
        port = LoadPort(m, platform, self.load, len(p.load_words)) if p.loadable else None
        if port is not None:
            columns = self._loaded(m, port, phase, stages.fire)
        else:
            if p.parallel:
                # A word of the memory holds, for each lane, its thresholds and whether it is complemented.
                table = np.concatenate([p.steps, p.flips[:, :, None]], axis=2).reshape(p.phases, -1)
            else:
                table = np.concatenate([p.search_level(0)[..., 0], p.flips[: len(p.search_level(0))]], axis=1)
            columns = Constants(table).read(m, platform, phase, stages.fire, name="thresholds")
        integers, phase, columns = self._read(m, stages, phase, columns)
        if p.parallel:
            each = p.levels + 1
            codes = []
            for lane, x in enumerate(integers):
                *steps, flip = columns[lane * each : (lane + 1) * each]
                codes.append(count_met(m, self._oriented(m, x, flip, lane), steps, p.output, p.base,
                                       name=f"lane{lane}"))
        else:
            flips = columns[p.lanes :]
            integers = [self._oriented(m, x, flip, lane) for lane, (x, flip) in
                        enumerate(zip(integers, flips, strict=True))]
            codes = self._search(m, platform, stages, integers, columns[: p.lanes], phase, port)
        with m.If(stages.enter[-1]):
            m.d.sync += self.o.payload.as_value().eq(Cat(*codes))
        return m

    def _loaded(self, m, port, phase, enable):
        """The same columns of what can be loaded: flips, then a memory for each level or the tree's first."""
        p = self._parameters
        flips = port.section(p.phases).memory(packed(p.flips, 1), p.lanes, phase, enable, name="flips")
        width, rows = p.lanes * p.step_type.bits, []
        for level, table in enumerate(p.load_tables[: p.levels if p.parallel else 1]):
            read = port.section(p.phases).memory(packed(table, p.step_type.bits), width, phase, enable,
                                                 name=f"level{level}")
            rows.append([self._step(m, read.word_select(lane, p.step_type.bits), p.step_type, f"level{level}_{lane}")
                         for lane in range(p.lanes)])
        flips = [flips[lane] for lane in range(p.lanes)]
        if p.parallel:
            return [column for lane in range(p.lanes) for column in (*(row[lane] for row in rows), flips[lane])]
        return [*rows[0], *flips]

    def _read(self, m, stages, phase, columns):
        """The lanes' integers and the phase beside what has been read for them: as they arrive, or later."""
        p = self._parameters
        integers = [self.i.payload[lane] for lane in range(p.lanes)]
        if p.constant:
            return integers, phase, columns
        integers = [Signal(Shape(p.input.bits, p.input.signed), name=f"kept{lane}", reset_less=True)
                    for lane in range(p.lanes)]
        with m.If(stages.fire):
            m.d.sync += [x.eq(self.i.payload[lane]) for lane, x in enumerate(integers)]
        if not p.parallel:
            phase = later(m, stages.fire, [phase], "phase0")[0]
        if DEGREES[p.pipeline].reads:
            enter = stages.enter[1]
            integers, columns = later(m, enter, integers, "beside"), later(m, enter, columns, "column")
            phase = phase if p.parallel else later(m, enter, [phase], "phase_read")[0]
        return integers, phase, columns

    def _oriented(self, m, x, flip, lane):
        """The integer, or its complement in a lane that falls."""
        p = self._parameters
        if not p.turns:
            return x
        wide = Signal(signed(p.input.bits + (not p.input.signed)), name=f"oriented{lane}")
        m.d.comb += wide.eq(x ^ flip[0].replicate(len(wide)).as_signed())
        return wide

    def _search(self, m, platform, stages, integers, roots, phase, port):
        """The count's bits, the highest first, a stage each; the last one's are the codes that leave."""
        p = self._parameters
        steps, counts = roots, [Const(0, 0)] * p.lanes
        for level in range(p.search_bits):
            place = p.first_compared + p.search_stride * level
            enter = stages.enter[place]
            found = []
            for lane in range(p.lanes):
                count = Signal(level + 1, name=f"count{level}_{lane}")
                m.d.comb += count.eq(Cat(integers[lane] >= steps[lane], counts[lane]))
                found.append(count)
            if level + 1 == p.search_bits:
                break
            # What goes on to the next stage: the integer, the bits found, and with them the next threshold read.
            table = p.search_level(level + 1)
            section = None if port is None else port.section(table[:, 0].size)
            steps = [self._node(m, platform, section, table, lane, Cat(count, phase) if len(table) > 1 else count,
                                enter, name=f"level{level + 1}_{lane}") for lane, count in enumerate(found)]
            kept = [*integers, *found] if p.constant else [*integers, *found, phase]
            copies = later(m, enter, kept, f"stage{level}")
            if DEGREES[p.pipeline].reads:
                enter = stages.enter[place + 1]
                steps = later(m, enter, steps, f"read{level}")
                copies = later(m, enter, copies, f"beside{level}")
            integers, counts = copies[: p.lanes], copies[p.lanes : 2 * p.lanes]
            phase = phase if p.constant else copies[-1]
        codes = [Signal(p.output.bits, name=f"lane{lane}_code") for lane in range(p.lanes)]
        m.d.comb += [code.eq(count + p.search_base) for code, count in zip(codes, found, strict=True)]
        return codes

    def _node(self, m, platform, section: LoadSection | None, table, lane, addr, en, *, name):
        """The threshold of one lane that is compared next; ``table`` is ``[words, lanes, entries]``."""
        p = self._parameters
        entries = table[:, lane].reshape(-1, 1)
        if section is not None:
            kind = p.step_type
            read = section.memory(packed(entries, kind.bits), kind.bits, addr, en, name=name, first=lane * kind.bits)
            return self._step(m, read, kind, name)
        kind = IntType.spanning(int(entries.min()), int(entries.max()))
        entries = entries[:1] if (entries == entries[0]).all() else entries
        read = add_rom(m, platform, packed(entries, kind.bits), kind.bits, addr, en, name=name, small_inline=True)
        return self._step(m, read, kind, name)

    @staticmethod
    def _step(m, read, kind, name):
        step = Signal(Shape(kind.bits, kind.signed), name=f"{name}_step")
        m.d.comb += step.eq(read)
        return step
