"""What a matrix-vector unit is made from: the matrix, its folding, and everything that follows from them.

At each position the unit goes through the folds of the rows; within each, through the folds of the columns:
ceil(N / PE) x ceil(K / SIMD) cycles, one phase each (the folding of FINN: Umuroglu et al., "FINN: A Framework for Fast,
Scalable Binarized Neural Network Inference", FPGA 2017, section 4). The vector arrives during the first row fold and
is kept for the others; after the last column of a fold the accumulators leave, as they are or compared with thresholds.

With groups, each has its own N / groups rows and its own vector, and they follow one another.

A "serial" lane takes one bit of the activations a cycle, the highest first: a row fold then goes through the columns
once for each bit, and doubles what it has accumulated between two bits.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np

from .dot import Lane, choose_lane
from .lanes import check_positive, words
from .number import BIPOLAR, IntType
from .pipeline import check_pipeline
from .rom import packed
from .rows import Rows, checked_thresholds
from .rows_gates import row_stages
from .schedule import Schedule
from .weights import WeightStreamerParameters

__all__ = ["MEMORIES", "MatrixVectorParameters", "folded_cycles", "weight_words"]

MEMORIES = ("rom", "streamed", "loadable")


def folded_cycles(rows: int, columns: int, pe: int, simd: int) -> int:
    """Cycles of a ``rows`` x ``columns`` matrix on PE x SIMD lanes: ceil(N / PE) x ceil(K / SIMD)."""
    return words(rows, pe) * words(columns, simd)


def weight_words(codes: np.ndarray, folds: np.ndarray, simd: int, bits: int) -> list[int]:
    """The weights in the order in which the unit needs them, whichever memory they come from.

    Parameters
    ----------
    codes
        ``[N, K']``: the codes of ``bits`` bits of rows with padding columns, ``simd`` a word.
    folds
        ``[folds, PE]``: the rows worked on together.

    Returns
    -------
    list of int
        One word for each fold (in order) and each ``simd`` columns (within a fold); the code of row ``folds[f, pe]``
        and of column ``k`` of the word begins at bit ``(pe * simd + k) * bits``.
    """
    count, pe = folds.shape
    arranged = codes[folds].reshape(count, pe, -1, simd).transpose(0, 2, 1, 3)
    return packed(arranged.reshape(-1, pe * simd), bits)


@dataclass(frozen=True, eq=False)
class MatrixVectorParameters:
    """A matrix of integers, its thresholds and its folding.

    Parameters
    ----------
    weights
        int64 ``[N, K]``. With groups, rows of one group follow one another, and K is what one of them sees.
    pe, simd
        Rows and columns worked on in a cycle, at most N / groups and K; neither needs to divide them.
    thresholds
        int64 ``[N]`` or ``[N, levels]`` of up to 3 levels: row ``n`` answers ``base`` plus the number of its
        thresholds that its dot product is not less than (+1 or -1 where ``output`` is bipolar). Without thresholds the
        dot products leave.
    lut
        Inputs of the target's lookup table, 4 or 6: the shape of the compressor trees.
    input, output
        Types. By default the output is bipolar with thresholds, and ``accumulator`` without.
    base
        The code of a dot product that meets no threshold.
    groups
        Groups of rows, each with a vector of its own.
    positions
        How often a frame goes through the matrix: positions of a convolution's kernel, for example.
    lane
        One of ``hdl.dot.LANES``, or None for the cheapest that holds the weights.
    memory
        Where weights come from. "rom": built in. "streamed": from the input ``w``, one word in every phase, in the
        order of ``weight_words``. "loadable": built in, and written anew through the input ``load``.
    accumulator
        A type that holds every dot product that occurs, if the caller knows better than the input's type says.
    multiplier
        Signed bits of the ports of the target's multiplier, such as (25, 18): "multiply" lanes then put the weights of
        two rows into one wherever both products fit. Never, if None.
    weight
        Of "loadable" weights to come: their type, or the least and the greatest. By default they may be whatever the
        chosen lane's coding of the first ones can say.
    pipeline
        How short paths between registers are, a degree of ``hdl.pipeline.DEGREES``.

    Raises
    ------
    ValueError
        If a shape, a number, a lane or a fold is not as said above.
    """

    weights: np.ndarray
    pe: int
    simd: int
    thresholds: np.ndarray | None = None
    lut: int = 4
    _: KW_ONLY
    input: IntType = BIPOLAR
    output: IntType | None = None
    base: int = 0
    groups: int = 1
    positions: int = 1
    lane: str | None = None
    memory: str = "rom"
    accumulator: IntType | None = None
    multiplier: tuple[int, int] | None = None
    weight: IntType | tuple[int, int] | None = None
    pipeline: int = 0

    def __post_init__(self):
        weights = np.array(self.weights, dtype=np.int64)
        if weights.ndim != 2 or not weights.size:
            raise ValueError(f"weights must be a matrix [N, K], not an array of shape {weights.shape}")
        object.__setattr__(self, "weights", weights)
        rows, columns = weights.shape
        check_positive("positions", self.positions)
        check_pipeline(self.pipeline)
        if rows % check_positive("groups", self.groups):
            raise ValueError(f"groups must divide the {rows} rows of the matrix, not {self.groups}")
        if check_positive("PE", self.pe) > rows // self.groups:
            of = " of each group" if self.groups > 1 else " of the matrix"
            raise ValueError(f"PE must be at most the {rows // self.groups} rows{of}, not {self.pe}")
        if check_positive("SIMD", self.simd) > columns:
            raise ValueError(f"SIMD must be at most the {columns} columns of the matrix, not {self.simd}")
        if self.memory not in MEMORIES:
            raise ValueError(f"memory must be one of {', '.join(MEMORIES)}, not {self.memory!r}")
        if self.weight is not None and self.memory != "loadable":
            raise ValueError("weight is what weights that are loaded may be: only with memory 'loadable'")
        if self.thresholds is not None:
            object.__setattr__(self, "output", self.output or BIPOLAR)
            object.__setattr__(self, "thresholds",
                               checked_thresholds(self.thresholds, rows, self.output, self.base))
        if self.arithmetic.kind == "serial" and self.memory == "streamed":
            raise ValueError("a serial lane reads each weight once for every bit: its memory must not be 'streamed'")
        given = self.accumulator or (self.output if self.thresholds is None else None)
        object.__setattr__(self, "accumulator", given)
        object.__setattr__(self, "accumulator", self.rows_of.accumulator)
        if self.thresholds is None:
            object.__setattr__(self, "output", self.output or self.accumulator)

    @cached_property
    def arithmetic(self) -> Lane:
        """What the lanes do."""
        return choose_lane(self.weights, self.input, self.lane, loadable=self.memory == "loadable", weight=self.weight)

    @cached_property
    def rows_of(self) -> Rows:
        """The weights' constants."""
        per_group = self.rows // self.groups
        fold = np.minimum(np.arange(words(per_group, self.pe) * self.pe), per_group - 1).reshape(-1, self.pe)
        folds = np.concatenate([fold + group * per_group for group in range(self.groups)])
        return Rows(self.weights, folds, self.column_folds * self.simd - self.columns, self.arithmetic,
                    self.thresholds, self.accumulator)

    @property
    def rows(self) -> int:
        return self.weights.shape[0]

    @property
    def columns(self) -> int:
        return self.weights.shape[1]

    @property
    def row_folds(self) -> int:
        """Folds of the rows of a group."""
        return words(self.rows // self.groups, self.pe)

    @property
    def column_folds(self) -> int:
        return words(self.columns, self.simd)

    @property
    def phases(self) -> int:
        """Cycles a position."""
        return self.groups * self.row_folds * self.column_folds * self.arithmetic.bit_phases

    @property
    def weight_bits(self) -> int:
        """Bits of a weight's code."""
        return self.arithmetic.bits

    @property
    def accumulates(self) -> bool:
        """Whether a dot product takes several cycles."""
        return self.column_folds * self.arithmetic.bit_phases > 1

    @property
    def threshold_bits(self) -> int:
        """Bits of a threshold in ``threshold_words``."""
        return self.rows_of.threshold_type.bits

    @cached_property
    def weight_words(self) -> tuple[int, ...]:
        """The weights in the order needed (:func:`weight_words`); with "serial" lanes, each is read for every bit.

        Padding columns hold a code that adds nothing, since they meet bits that are 0; padding rows never leave.
        """
        return tuple(weight_words(self.rows_of.codes, self.rows_of.folds, self.simd, self.weight_bits))

    @cached_property
    def threshold_words(self) -> tuple[int, ...]:
        """The thresholds on what lanes sum up, ``PE`` times their levels to a word, one word a row fold."""
        return tuple(self.rows_of.threshold_words)

    @property
    def load_words(self) -> tuple[int, ...]:
        """What to write to ``load``, in order, for these weights and thresholds: all weights, then all thresholds.

        Parameters for other weights of the same shape, types and lane give the words that turn this unit into theirs.
        """
        return self.weight_words + (() if self.thresholds is None else self.threshold_words)

    @property
    def load_bits(self) -> int:
        """Bits of a word of ``load``."""
        levels = 0 if self.thresholds is None else self.thresholds.shape[1] * self.threshold_bits
        return self.pe * max(self.simd * self.weight_bits, levels)

    def streamer(self) -> WeightStreamerParameters:
        """The source for the input ``w``."""
        return WeightStreamerParameters(self.weight_words, self.pe * self.simd, self.weight_bits, self.positions)

    @property
    def schedule(self) -> Schedule:
        """Inputs ``i`` and, of streamed weights, ``w``. One group is one repetition of the tables."""
        phase = np.arange(self.phases // self.groups)
        takes = [phase < self.column_folds] + [np.ones_like(phase)] * (self.memory == "streamed")
        work = self.column_folds * self.arithmetic.bit_phases
        return Schedule(np.stack(takes, axis=1), (phase % work == work - 1)[:, None],
                        stages=row_stages(self.rows_of, self.simd, self.accumulates, self.pipeline),
                        repeats=self.positions * self.groups)
