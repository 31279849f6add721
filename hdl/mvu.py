"""Matrix-vector unit with XNOR-popcount lanes: PE rows by SIMD columns of a binary matrix in each cycle.

For every frame the unit goes through the folds of the rows; within each, through the folds of the columns:
ceil(N / PE) x ceil(K / SIMD) cycles, one phase each (the folding of FINN: Umuroglu et al., "FINN: A Framework for Fast,
Scalable Binarized Neural Network Inference", FPGA 2017, section 4). The vector arrives during the first row fold and
is kept for the others; after the last column of a fold the accumulators leave, as they are or compared with thresholds.

    stage 0    vector word (arriving, or kept) and weight word read
    stage 1    XNOR and popcount
    stage 2    accumulate, threshold word read          (only with more than one column fold)
    stage 3    compare with thresholds, or 2 x ones - K
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .elastic import ElasticStages
from .lanes import check_positive, lane_stream, words
from .popcount import xnor_popcount
from .rom import add_rom
from .schedule import Schedule
from .unit import Unit

__all__ = ["MatrixVectorParameters", "MatrixVectorUnit", "folded_cycles"]


def folded_cycles(rows: int, columns: int, pe: int, simd: int) -> int:
    """Cycles a frame of a ``rows`` x ``columns`` matrix on PE x SIMD lanes: ceil(N / PE) x ceil(K / SIMD)."""
    return words(rows, pe) * words(columns, simd)


@dataclass(frozen=True, eq=False)
class MatrixVectorParameters:
    """A matrix of -1 and +1, its thresholds and its folding.

    Parameters
    ----------
    weights
        int64 ``[N, K]`` of -1 and +1.
    pe, simd
        Rows and columns worked on in a cycle, at most N and K; neither needs to divide them.
    thresholds
        int64 ``[N]``: row ``n`` answers +1 where its dot product is ``>= thresholds[n]``, else -1. Without thresholds
        the dot products themselves leave, as signed integers of ``accumulator_bits``.
    lut
        Inputs of the target's lookup table, 4 or 6: the shape of the popcount's compressor tree.

    Raises
    ------
    ValueError
        If a shape, a weight or a fold is not as said above.
    """

    weights: np.ndarray
    pe: int
    simd: int
    thresholds: np.ndarray | None = None
    lut: int = 4

    def __post_init__(self):
        weights = np.array(self.weights, dtype=np.int64)
        if weights.ndim != 2 or not weights.size or not (np.abs(weights) == 1).all():
            raise ValueError(f"weights must be a matrix [N, K] of -1 and +1, not an array of shape {weights.shape}")
        object.__setattr__(self, "weights", weights)
        rows, columns = weights.shape
        if check_positive("PE", self.pe) > rows:
            raise ValueError(f"PE must be at most the {rows} rows of the matrix, not {self.pe}")
        if check_positive("SIMD", self.simd) > columns:
            raise ValueError(f"SIMD must be at most the {columns} columns of the matrix, not {self.simd}")
        if self.thresholds is not None:
            thresholds = np.array(self.thresholds, dtype=np.int64)
            if thresholds.shape != (rows,):
                raise ValueError(f"thresholds must be of shape ({rows},), not {thresholds.shape}")
            object.__setattr__(self, "thresholds", thresholds)

    @property
    def rows(self) -> int:
        return self.weights.shape[0]

    @property
    def columns(self) -> int:
        return self.weights.shape[1]

    @property
    def row_folds(self) -> int:
        return words(self.rows, self.pe)

    @property
    def column_folds(self) -> int:
        return words(self.columns, self.simd)

    @property
    def phases(self) -> int:
        """Cycles a frame."""
        return folded_cycles(self.rows, self.columns, self.pe, self.simd)

    @property
    def ones_bits(self) -> int:
        """Bits of the count of agreeing columns, 0 to K."""
        return self.columns.bit_length()

    @property
    def threshold_bits(self) -> int:
        """Bits of a threshold on that count, 0 to K + 1 (which is never met)."""
        return (self.columns + 1).bit_length()

    @property
    def accumulator_bits(self) -> int:
        """Bits of a dot product that leaves, -K to K, signed."""
        return self.columns.bit_length() + 1

    @cached_property
    def weight_words(self) -> tuple[int, ...]:
        """The ROM: one word a phase, bit ``pe * SIMD + simd`` is 1 for +1.

        Padding columns hold 1 and meet a vector bit that is 0, so that they never count; padding rows never leave.
        """
        ones = np.ones((self.row_folds * self.pe, self.column_folds * self.simd), dtype=np.uint8)
        ones[: self.rows, : self.columns] = self.weights > 0
        folds = ones.reshape(self.row_folds, self.pe, self.column_folds, self.simd).transpose(0, 2, 1, 3)
        packed = np.packbits(folds.reshape(self.phases, self.pe * self.simd), axis=1, bitorder="little")
        return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)

    @cached_property
    def threshold_words(self) -> tuple[int, ...]:
        """The thresholds on the count of ones, ``PE`` to a word, one word a row fold.

        A dot product is 2 x ones - K, so it is >= t where ones >= ceil((t + K) / 2).
        """
        if self.thresholds is None:
            raise ValueError("the unit has no thresholds")
        on_ones = np.full(self.row_folds * self.pe, self.columns + 1, dtype=np.int64)
        on_ones[: self.rows] = np.clip(-((-(self.thresholds + self.columns)) // 2), 0, self.columns + 1)
        return tuple(sum(int(t) << lane * self.threshold_bits for lane, t in enumerate(fold))
                     for fold in on_ones.reshape(self.row_folds, self.pe))

    @property
    def schedule(self) -> Schedule:
        phase = np.arange(self.phases)
        return Schedule((phase < self.column_folds)[:, None],
                        (phase % self.column_folds == self.column_folds - 1)[:, None],
                        stages=4 if self.column_folds > 1 else 3)


class MatrixVectorUnit(Unit):
    """Binary matrix times bipolar vector, at full rate: ``phases`` cycles a frame without a bubble.

    Latency 4 cycles (3 with one column fold) from the last vector word that a row fold needs to its word out.

    Members
    -------
    i : In(lane_stream(1, SIMD))
        The vector, 1 for +1; padding lanes of its last word mean nothing.
    o : Out(lane_stream(1, PE)) or Out(lane_stream(signed(accumulator_bits), PE))
        One word a row fold; padding lanes of the last one mean nothing.

    Resources: PE x SIMD XNOR-popcount lanes, a ROM of ``phases`` words of PE x SIMD bits, a memory for the vector (none
    with one row fold or one column fold), PE accumulators and comparators.
    """

    def __init__(self, parameters: MatrixVectorParameters):
        p = parameters
        element = 1 if p.thresholds is not None else signed(p.accumulator_bits)
        super().__init__(parameters, {"i": In(lane_stream(1, p.simd)), "o": Out(lane_stream(element, p.pe))})

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        column, last_column = wrapping_counter(m, p.column_folds, stages.fire, name="column")
        row, _ = wrapping_counter(m, p.row_folds, stages.fire & last_column, name="row")
        phase, _ = wrapping_counter(m, p.phases, stages.fire, name="phase")
        takes = Signal()
        m.d.comb += [
            takes.eq(row == 0),
            stages.fire.eq(stages.ready & (~takes | self.i.valid)),
            stages.gives.eq(last_column),
            self.i.ready.eq(stages.ready & takes),
        ]

        # Stage 0: a word of the vector and a word of the matrix.
        vector = self._vector(m, stages.fire, takes, column, last_column)
        weights = add_rom(m, platform, p.weight_words, p.pe * p.simd, phase, stages.fire, name="weights")
        # Which fold an item belongs to travels with it: whether it is the first column, and the row.
        control = [self._register(m, Cat(column == 0, row), stages.fire, name="control0")]
        for d in range(1, p.schedule.stages - 2):
            control.append(self._register(m, control[-1], stages.enter[d], name=f"control{d}"))

        # Stage 1: columns that agree, for each row.
        counts = []
        for lane in range(p.pe):
            agree = xnor_popcount(m, vector, weights[lane * p.simd : (lane + 1) * p.simd], lut=p.lut, name=f"pe{lane}")
            counts.append(self._register(m, agree, stages.enter[1], name=f"count{lane}"))

        # Stage 2: over the columns of a fold.
        ones = counts
        if p.column_folds > 1:
            ones = []
            for lane, count in enumerate(counts):
                total = Signal(p.ones_bits, name=f"ones{lane}", reset_less=True)
                with m.If(stages.enter[2]):
                    m.d.sync += total.eq(Mux(control[1][0], 0, total) + count)
                ones.append(total)

        # Last stage: a bit, or the dot product.
        leave = stages.enter[-1]
        if p.thresholds is not None:
            table = add_rom(m, platform, p.threshold_words, p.pe * p.threshold_bits, control[-1][1:], stages.enter[-2],
                            name="thresholds")
            bits = Signal(p.pe)
            for lane, total in enumerate(ones):
                m.d.comb += bits[lane].eq(total >= table.word_select(lane, p.threshold_bits))
            with m.If(leave):
                m.d.sync += self.o.payload.as_value().eq(bits)
        else:
            with m.If(leave):
                m.d.sync += [self.o.payload[lane].eq((total << 1) - p.columns) for lane, total in enumerate(ones)]
        return m

    @staticmethod
    def _register(m, value, enter, *, name):
        """A pipeline register: the value of the item that entered the stage last."""
        register = Signal.like(value, name=name, reset_less=True)
        with m.If(enter):
            m.d.sync += register.eq(value)
        return register

    def _vector(self, m, fire, takes, column, last_column):
        """The word of the vector in stage 0: arriving in the first row fold, kept for the others."""
        p = self._parameters
        arriving = Signal(p.simd)
        padding = p.column_folds * p.simd - p.columns
        m.d.comb += arriving.eq(self.i.payload.as_value())
        if padding:
            # The padding lanes' bits mean nothing; as zeros against the matrix's ones they do not count.
            m.d.comb += arriving.eq(Mux(last_column, self.i.payload.as_value()[: p.simd - padding],
                                        self.i.payload.as_value()))
        word = Signal(p.simd, reset_less=True)
        with m.If(fire & takes):
            m.d.sync += word.eq(arriving)
        if p.row_folds == 1 or p.column_folds == 1:
            return word
        m.submodules.vector = memory = Memory(shape=p.simd, depth=p.column_folds, init=[])
        write, read = memory.write_port(), memory.read_port()
        kept = Signal()
        vector = Signal(p.simd)
        with m.If(fire):
            m.d.sync += kept.eq(~takes)
        m.d.comb += [
            write.addr.eq(column), write.data.eq(arriving), write.en.eq(fire & takes),
            read.addr.eq(column), read.en.eq(fire & ~takes),
            vector.eq(Mux(kept, read.data, word)),
        ]
        return vector
