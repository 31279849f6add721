"""Block-sparse unit: a matrix-vector unit that works on those PE x SIMD blocks alone which are not all zeros.

Which blocks those are is known when the hardware is made, so the schedule is static: for each fold of the rows, one
cycle for each of its blocks, in the order of the columns. A ``hdl.reorder`` unit in front replays the words of the
vector in that order, and the memory holds the blocks one after another, without any index: what skipping costs is the
replaying unit's table of moves, and a bit a block that says which is its fold's last. (Blocks as a word of hardware
needs them: Anwar, Hwang and Sung, "Structured pruning of deep convolutional neural networks", JETC 13(3), 2017.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .counter import wrapping_counter
from .dot import Lane
from .elastic import ElasticStages
from .lanes import lane_stream
from .matrix import MatrixVectorParameters
from .number import IntType
from .pipeline import DEGREES
from .reorder import ReorderParameters
from .rom import add_rom, packed
from .rows import Rows
from .rows_gates import RowPipeline, row_stages
from .schedule import Schedule
from .unit import Unit

__all__ = ["BlockSparseParameters", "BlockSparseUnit", "block_cycles", "blocks_of"]


def blocks_of(weights: np.ndarray, pe: int, simd: int) -> np.ndarray:
    """Which blocks hold a weight: bool ``[row folds, column folds]`` of int64 ``[N, K]`` by PE x SIMD."""
    rows, columns = weights.shape
    padded = np.pad(weights != 0, ((0, -rows % pe), (0, -columns % simd)))
    return padded.reshape(-1, pe, padded.shape[1] // simd, simd).any(axis=(1, 3))


def block_cycles(weights: np.ndarray, pe: int, simd: int) -> int:
    """Cycles a position: one a block, and one for a fold of the rows without any, whose sums are zeros."""
    return int(np.maximum(blocks_of(weights, pe, simd).sum(axis=1), 1).sum())


@dataclass(frozen=True, eq=False)
class BlockSparseParameters:
    """A matrix and its folding, as of a matrix-vector unit with its weights in a ROM; zero blocks are left out.

    Raises
    ------
    ValueError
        If the matrix has groups, its lanes take several cycles for an activation, or its weights come from elsewhere.
    """

    matrix: MatrixVectorParameters

    def __post_init__(self):
        if self.matrix.groups > 1:
            raise ValueError(f"a block-sparse matrix must have one group, not {self.matrix.groups}")
        if self.matrix.memory != "rom":
            raise ValueError(f"memory of block-sparse weights must be 'rom', not {self.matrix.memory!r}")
        if self.matrix.arithmetic.bit_phases > 1:
            raise ValueError("lane must be one that takes a whole activation a cycle, not 'serial'")

    @property
    def input(self) -> IntType:
        return self.matrix.input

    @property
    def output(self) -> IntType:
        assert self.matrix.output is not None  # once the parameters are made
        return self.matrix.output

    @property
    def arithmetic(self) -> Lane:
        """What the lanes do."""
        return self.matrix.arithmetic

    @cached_property
    def blocks(self) -> np.ndarray:
        """The blocks that are worked on: bool ``[row folds, column folds]``, at least one in each row fold.

        A fold without weights works on the block that the one before it ended with, and finds zeros there.
        """
        blocks = blocks_of(self.matrix.weights, self.matrix.pe, self.matrix.simd)
        before = 0
        for fold in blocks:
            if not fold.any():
                fold[before] = True
            before = int(np.flatnonzero(fold)[-1])
        return blocks

    @cached_property
    def rows_of(self) -> Rows:
        """The weights' constants: columns outside a row's blocks are never worked on."""
        m = self.matrix
        worked = self.blocks.repeat(m.simd, axis=1).repeat(m.pe, axis=0)[: m.rows]
        return replace(m.rows_of, worked=worked)

    @property
    def phases(self) -> int:
        """Cycles a position."""
        return int(self.blocks.sum())

    @property
    def accumulates(self) -> bool:
        """Whether a dot product takes several cycles."""
        return self.phases > self.matrix.row_folds

    @cached_property
    def lasts(self) -> np.ndarray:
        """Of each phase, whether it is its row fold's last: bool ``[phases]``."""
        fold = np.nonzero(self.blocks)[0]
        return np.append(fold[1:] != fold[:-1], True)

    @cached_property
    def padded(self) -> np.ndarray:
        """Of each phase, whether its word of the vector has padding lanes: bool ``[phases]``."""
        m = self.matrix
        return (np.nonzero(self.blocks)[1] == m.column_folds - 1) & bool(m.columns % m.simd)

    @cached_property
    def weight_words(self) -> tuple[int, ...]:
        """The blocks in the order needed, one word each, as of ``MatrixVectorParameters``."""
        kept = self.blocks.reshape(-1)
        return tuple(word for word, here in zip(self.matrix.weight_words, kept, strict=True) if here)

    def replay(self, depth: int | None = None) -> ReorderParameters:
        """The unit in front: the word of the vector for each phase, ``depth`` of them held (by default the least)."""
        m = self.matrix
        return ReorderParameters(np.nonzero(self.blocks)[1], m.column_folds, m.simd, depth, m.positions)

    @property
    def schedule(self) -> Schedule:
        """Every phase takes a word; the last of each row fold gives one."""
        return Schedule(np.ones((self.phases, 1)), self.lasts[:, None], repeats=self.matrix.positions,
                        stages=row_stages(self.rows_of, self.matrix.simd, self.accumulates, self.matrix.pipeline))


class BlockSparseUnit(Unit):
    """Matrix times vector over the blocks that hold weights, at full rate: ``phases`` cycles a position.

    Latency ``schedule.stages`` cycles from a row fold's last word to its word out.

    Members
    -------
    i : In(lane_stream(input, SIMD))
        The word of the vector for each phase, as ``replay()`` gives them; padding lanes mean nothing.
    o : Out(lane_stream(output, PE))
        One word a row fold; padding lanes of the last one mean nothing.

    Resources: PE x SIMD lanes, a memory of ``phases`` words of PE x SIMD codes and a bit or two, PE accumulators and,
    for each threshold, PE comparators.
    """

    def __init__(self, parameters: BlockSparseParameters):
        kind, output = parameters.input, parameters.output
        super().__init__(parameters, {"i": In(lane_stream(Shape(kind.bits, kind.signed), parameters.matrix.simd)),
                                      "o": Out(lane_stream(Shape(output.bits, output.signed), parameters.matrix.pe))})

    def elaborate(self, platform):
        m = Module()
        p, matrix = self._parameters, self._parameters.matrix
        stages = ElasticStages(m, p.schedule.stages, self.o.valid, self.o.ready)
        fire = stages.fire
        weights, last, padded = self._words(m, platform, fire)
        fold, _ = wrapping_counter(m, matrix.row_folds, fire & last, name="fold")
        begins = Signal(init=1)
        m.d.comb += [
            fire.eq(stages.ready & self.i.valid),
            stages.gives.eq(last),
            self.i.ready.eq(stages.ready),
        ]
        with m.If(fire):
            m.d.sync += begins.eq(last)

        def register(value, stage, name):
            kept = Signal.like(value, name=name, reset_less=True)
            with m.If(stages.enter[stage]):
                m.d.sync += kept.eq(value)
            return kept

        # Stage 0: a word of the vector; bits of padding lanes mean nothing, and as zeros they add nothing.
        arriving, width = Signal(matrix.simd * p.input.bits), (matrix.columns % matrix.simd) * p.input.bits
        word = self.i.payload.as_value()
        m.d.comb += arriving.eq(Mux(padded, word[:width], word) if width else word)
        vector, control = register(arriving, 0, "vector"), register(Cat(begins, fold), 0, "control0")
        pipeline = RowPipeline(m, platform, p.rows_of, matrix.simd, p.output, matrix.base, stages.enter, p.accumulates,
                               matrix.lut, matrix.multiplier, register, pipeline=DEGREES[matrix.pipeline])
        each = matrix.simd * matrix.weight_bits
        pipeline.make(self.o.payload, [vector], [weights[lane * each : (lane + 1) * each]
                                                 for lane in range(matrix.pe)], first=control[0], fold=control[1:])
        return m

    def _words(self, m, platform, fire):
        """The block's weights in stage 0, and of the phase that fires: whether it is the last, whether it is padded.

        What must be known as a phase fires was read, beside its weights, by the phase before it.
        """
        p = self._parameters
        flags = [(name, flag.astype(np.int64)) for name, flag in (("last", p.lasts), ("padded", p.padded))]
        kept = [(name, flag) for name, flag in flags if flag.min() != flag.max()]
        width = p.matrix.pe * p.matrix.simd * p.matrix.weight_bits
        words = list(p.weight_words)
        if kept:
            coming = packed(np.roll(np.stack([flag for _, flag in kept], axis=1), -1, axis=0), 1)
            words = [word | bits << width for word, bits in zip(words, coming, strict=True)]
        address, _ = wrapping_counter(m, len(words), fire, name="phase")
        read = add_rom(m, platform, words, width + len(kept), address, fire, name="weights")
        first = Signal(init=1)  # nothing was read before the very first phase
        with m.If(fire):
            m.d.sync += first.eq(0)
        found = {name: Const(int(flag[0]), 1) for name, flag in flags}
        for place, (name, flag) in enumerate(kept):
            found[name] = Signal(name=name)
            m.d.comb += found[name].eq(Mux(first, int(flag[0]), read[width + place]))
        return read[:width], found["last"], found["padded"]
