"""Matrix-vector unit: PE rows by SIMD columns of a matrix in each cycle, on lanes that fit the weights.

Parameters, folding and order of words are those of ``hdl.matrix``; the arithmetic is that of ``hdl.rows_gates``.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .elastic import ElasticStages
from .lanes import lane_stream, word_stream
from .matrix import MatrixVectorParameters, folded_cycles, weight_words
from .pipeline import DEGREES
from .rom import add_rom
from .rows_gates import RowPipeline
from .unit import Unit
from .weights import LoadPort

__all__ = ["MatrixVectorParameters", "MatrixVectorUnit", "folded_cycles", "weight_words"]


class MatrixVectorUnit(Unit):
    """Matrix times vector, at full rate: ``phases`` cycles a position without a bubble.

    Latency ``schedule.stages`` cycles from the last vector word that a row fold needs to its word out: weights read,
    products and their sums (1 or more), accumulation if there are column folds, thresholds or offsets if there are any.

    Members
    -------
    i : In(lane_stream(input, SIMD))
        The vector of each group at each position; padding lanes of its last word mean nothing.
    w : In(lane_stream(weight_bits, PE * SIMD)), of streamed weights only
        One word of ``weight_words`` for every phase.
    load : In(word_stream(load_bits)), of loadable weights only
        ``load_words``, always ready; after the last word it begins anew. The unit computes with what it holds, so load
        while no frame is inside.
    o : Out(lane_stream(output, PE))
        One word a row fold; padding lanes of a group's last one mean nothing.

    Resources: PE x SIMD lanes, a memory of ``phases`` words of PE x SIMD codes, a memory for the vector (none with one
    row fold or one column fold), PE accumulators and, for each threshold, PE comparators.
    """

    def __init__(self, parameters: MatrixVectorParameters):
        p, output = parameters, parameters.output
        assert output is not None  # once the parameters are made
        ports = {"i": In(lane_stream(Shape(p.input.bits, p.input.signed), p.simd)),
                 "o": Out(lane_stream(Shape(output.bits, output.signed), p.pe))}
        if p.memory == "streamed":
            ports["w"] = In(lane_stream(p.weight_bits, p.pe * p.simd))
        if p.memory == "loadable":
            ports["load"] = In(word_stream(p.load_bits))
        super().__init__(parameters, ports)

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        fire, bits = stages.fire, p.arithmetic.bit_phases
        column, last_column = wrapping_counter(m, p.column_folds, fire, name="column")
        bit, last_bit = wrapping_counter(m, bits, fire & last_column, name="bit")
        row, _ = wrapping_counter(m, p.row_folds, fire & last_column & last_bit, name="row")
        fold = row
        if p.groups > 1:
            fold, _ = wrapping_counter(m, p.row_folds * p.groups, fire & last_column & last_bit, name="fold")
        takes, present = Signal(), self.i.valid
        m.d.comb += takes.eq((row == 0) & (bit == 0))
        m.d.comb += [
            fire.eq(stages.ready & (~takes | self.i.valid)),
            stages.gives.eq(last_column & last_bit),
            self.i.ready.eq(stages.ready & takes),
        ]
        if p.memory == "streamed":
            # A phase takes both words or none.
            m.d.comb += [
                fire.eq(stages.ready & (~takes | present) & self.w.valid),
                self.i.ready.eq(stages.ready & takes & self.w.valid),
                self.w.ready.eq(stages.ready & (~takes | present)),
            ]

        # Stage 0: a word of the vector and a word of the matrix.
        vector = self._vector(m, fire, takes, column, last_column)
        weights, thresholds = self._weights(m, platform, fire, column, last_column, last_bit)
        serial = Cat(column == 0, bit == 0)
        control = self._register(m, Cat(serial if bits > 1 else column == 0, fold), fire, name="control0")
        flags = {"first": control[0], "fold": control[1:]}
        if bits > 1:
            vector, flags = self._one_bit(m, vector, control, fire, bit)

        def register(value, stage, name):
            return self._register(m, value, stages.enter[stage], name=name)

        each = p.simd * p.weight_bits
        pipeline = RowPipeline(m, platform, p.rows_of, p.simd, p.output, p.base, stages.enter, p.accumulates, p.lut,
                               p.multiplier, register, thresholds, DEGREES[p.pipeline])
        pipeline.make(self.o.payload, [vector], [weights[lane * each : (lane + 1) * each] for lane in range(p.pe)],
                      **flags)
        return m

    @staticmethod
    def _register(m, value, enter, *, name):
        """A pipeline register: the value of the item that entered the stage last."""
        register = Signal.like(value, name=name, reset_less=True)
        with m.If(enter):
            m.d.sync += register.eq(value)
        return register

    def _one_bit(self, m, vector, control, fire, bit):
        """Of a serial lane: one bit of each activation, the highest first, and how it is accumulated."""
        p = self._parameters
        place = self._register(m, bit, fire, name="bit0")
        plane = Signal(p.simd, name="plane")
        with m.Switch(place):
            for number in range(p.input.bits):
                with m.Case(number):
                    at = p.input.bits - 1 - number
                    m.d.comb += plane.eq(Cat(vector[lane * p.input.bits + at] for lane in range(p.simd)))
        first_column, first_bit = control[0], control[1]
        return plane, {"first": first_column & first_bit, "double": first_column, "fold": control[2:],
                       "negative": first_bit if p.input.signed else None}

    def _weights(self, m, platform, fire, column, last_column, last_bit):
        """The matrix's word in stage 0, and how thresholds are read if not from a ROM."""
        p = self._parameters
        if p.memory == "streamed":
            return self._register(m, self.w.payload.as_value(), fire, name="weights"), None
        count = len(p.weight_words)
        if p.arithmetic.bit_phases == 1:
            address, _ = wrapping_counter(m, count, fire, name="phase")
        else:
            address = self._again(m, fire, count, last_column, last_bit)
        width = p.pe * p.simd * p.weight_bits
        if p.memory == "rom":
            return add_rom(m, platform, p.weight_words, width, address, fire, name="weights"), None
        return self._loadable(m, platform, fire, address, width)

    def _again(self, m, fire, count, last_column, last_bit):
        """The address of a serial lane's weights: those of a fold are read once more for every bit."""
        p = self._parameters
        address = Signal(range(max(2, count)), name="phase")
        with m.If(fire):
            with m.If(last_column & ~last_bit):
                m.d.sync += address.eq(address - (p.column_folds - 1))
            with m.Else():
                m.d.sync += address.eq(Mux(address == count - 1, 0, address + 1))
        return address

    def _loadable(self, m, platform, fire, address, width):
        """Memories for weights and thresholds, one port to write both in order."""
        p = self._parameters
        port = LoadPort(m, platform, self.load, len(p.load_words))
        weights = port.section(len(p.weight_words)).memory(p.weight_words, width, address, fire, name="weights")
        if p.thresholds is None:
            return weights, None
        section, of_thresholds = port.section(len(p.threshold_words)), p.pe * p.thresholds.shape[1] * p.threshold_bits

        def thresholds(fold, enable):
            return section.memory(p.threshold_words, of_thresholds, fold, enable, name="thresholds")

        return weights, thresholds

    def _vector(self, m, fire, takes, column, last_column):
        """The word of the vector in stage 0: arriving in the first row fold, kept for the others."""
        p = self._parameters
        width, present = p.simd * p.input.bits, p.columns - (p.column_folds - 1) * p.simd
        arriving = Signal(width)
        m.d.comb += arriving.eq(self.i.payload.as_value())
        if present < p.simd:
            # The padding lanes' bits mean nothing; as zeros they add nothing.
            m.d.comb += arriving.eq(Mux(last_column, self.i.payload.as_value()[: present * p.input.bits],
                                        self.i.payload.as_value()))
        word = Signal(width, reset_less=True)
        with m.If(fire & takes):
            m.d.sync += word.eq(arriving)
        if p.row_folds * p.arithmetic.bit_phases == 1 or p.column_folds == 1:
            return word
        m.submodules.vector = memory = Memory(shape=width, depth=p.column_folds, init=[])
        write, read = memory.write_port(), memory.read_port()
        kept = Signal()
        vector = Signal(width)
        with m.If(fire):
            m.d.sync += kept.eq(~takes)
        m.d.comb += [
            write.addr.eq(column), write.data.eq(arriving), write.en.eq(fire & takes),
            read.addr.eq(column), read.en.eq(fire & ~takes),
            vector.eq(Mux(kept, read.data, word)),
        ]
        return vector
