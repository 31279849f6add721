"""Compressed sparse columns, interleaved over the elements of a sparse engine.

The format of EIE (Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network", ISCA 2016, section
3): element ``k`` of ``N`` holds the rows ``i`` with ``i mod N = k``, in slots ``i // N``. Each of its columns is a
list of entries (code, run): a code says which value of a codebook the weight has, a run how many slots without a weight
come before it. A run longer than its bits can say is broken by entries of value 0, which cost a multiplication each.
Pointers say where each column begins. Where an element has no weight in a column, it has no entry there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Csc", "encode", "entry_counts"]


@dataclass(frozen=True, eq=False)
class Csc:
    """An encoded matrix of ``shape`` (rows, columns) for ``elements`` elements.

    ``codebook`` is int64 ``[values]``, ascending. ``codes`` and ``runs`` are tuples of int64 ``[entries]``, one array
    for each element, columns one after another; ``pointers`` is int64 ``[elements, columns + 1]``: column ``j`` of
    element ``k`` is ``codes[k][pointers[k, j] : pointers[k, j + 1]]``.
    """

    shape: tuple[int, int]
    run_bits: int
    codebook: np.ndarray
    codes: tuple[np.ndarray, ...]
    runs: tuple[np.ndarray, ...]
    pointers: np.ndarray

    @property
    def elements(self) -> int:
        return len(self.pointers)

    @cached_property
    def counts(self) -> np.ndarray:
        """Entries of each element in each column, padding included: int32 ``[columns, elements]``."""
        return np.diff(self.pointers, axis=1).T.astype(np.int32)

    @property
    def entries(self) -> int:
        """Entries of all elements, padding included."""
        return int(self.pointers[:, -1].sum())

    @property
    def padding(self) -> int:
        """Entries of value 0, which only break long runs."""
        return sum(int((self.codebook[codes] == 0).sum()) for codes in self.codes)

    @property
    def code_bits(self) -> int:
        """The least bits of a code."""
        return max(1, (len(self.codebook) - 1).bit_length())

    def decode(self) -> np.ndarray:
        """The matrix: int64 ``[rows, columns]``.

        Raises
        ------
        ValueError
            If an entry lies beyond the last row.
        """
        rows, columns = self.shape
        matrix = np.zeros((columns, rows), dtype=np.int64)
        for element, (codes, runs) in enumerate(zip(self.codes, self.runs, strict=True)):
            begins = self.pointers[element]
            column = np.repeat(np.arange(columns), np.diff(begins))
            ends = np.cumsum(runs + 1)
            before = np.concatenate([[0], ends])[begins[:-1]]
            row = (ends - before[column] - 1) * self.elements + element
            if row.size and row.max() >= rows:
                raise ValueError(f"an entry of element {element} must lie in one of the {rows} rows, not {row.max()}")
            matrix[column, row] = self.codebook[codes]
        return np.ascontiguousarray(matrix.T)


def entry_counts(present: np.ndarray, elements: int, run_bits: int = 4) -> np.ndarray:
    """Entries that each element would have in each column, padding included: int32 ``[columns, elements]``.

    ``present`` is bool ``[rows, columns]``: where the weights are. The same counts as those of :func:`encode`, found
    without encoding.
    """
    rows, columns = present.shape
    counts = np.zeros((elements, columns), dtype=np.int32)
    last = np.full((elements, columns), -1, dtype=np.int32)
    for slot in range(-(-rows // elements)):
        here = np.zeros((elements, columns), dtype=bool)
        rows_here = present[slot * elements : (slot + 1) * elements]
        here[: len(rows_here)] = rows_here
        counts += np.where(here, 1 + (slot - last - 1 >> run_bits), 0)
        last[here] = slot
    return counts.T


def encode(weights: np.ndarray, elements: int, run_bits: int = 4) -> Csc:
    """Encode int64 ``[rows, columns]``; the codebook holds what occurs, and 0 if a run has to be broken.

    Raises
    ------
    ValueError
        If ``weights`` is no matrix, or a number is not positive.
    """
    weights = np.asarray(weights, dtype=np.int64)
    if weights.ndim != 2 or not weights.size:
        raise ValueError(f"weights must be a matrix [rows, columns], not an array of shape {weights.shape}")
    if elements < 1 or run_bits < 1:
        raise ValueError(f"elements and run bits must be positive, not {elements} and {run_bits}")
    rows, columns = weights.shape
    limit = 1 << run_bits
    streams: list[tuple[np.ndarray, np.ndarray]] = []
    pointers = np.zeros((elements, columns + 1), dtype=np.int64)
    for element in range(elements):
        own = weights[element::elements].T
        column, slot = np.nonzero(own)
        first = np.ones(len(column), dtype=bool)
        first[1:] = column[1:] != column[:-1]
        before = np.where(first, -1, np.concatenate([[-1], slot[:-1]])[: len(slot)])
        gap = slot - before - 1
        fillers = gap // limit
        # An entry stands behind its fillers, each of which is the longest run and a 0.
        places = np.cumsum(fillers + 1) - 1
        values = np.zeros(int(fillers.sum()) + len(slot), dtype=np.int64)
        runs = np.full(len(values), limit - 1, dtype=np.int64)
        values[places] = own[column, slot]
        runs[places] = gap % limit
        np.cumsum(np.bincount(column, fillers + 1, columns).astype(np.int64), out=pointers[element, 1:])
        streams.append((values, runs))
    codebook = np.unique(np.concatenate([values for values, _ in streams]))
    if not len(codebook):
        codebook = np.zeros(1, dtype=np.int64)
    codes = tuple(np.searchsorted(codebook, values) for values, _ in streams)
    return Csc((rows, columns), run_bits, codebook, codes, tuple(runs for _, runs in streams), pointers)
