"""Rows of a sparse matrix assigned to the elements of an engine so that all are busy at the same time.

EIE interleaves rows as they come (Han et al., ISCA 2016, section 3), so an element waits for another wherever that has
more entries among the columns that their queues reach over. Here rows change places: first the longest ones go to the
elements with the least to do (Graham: "Bounds on multiprocessing timing anomalies", SIAM Journal on Applied Mathematics
17(2), 1969), then two rows of two elements are exchanged wherever that lowers the sum, over elements and windows of
columns, of the squares of an element's entries in a window: for a given number of entries the sum is least where all
have the same. Windows are as long as what queues even out, and longer, up to what adds up over a vector. Integers
throughout, so the same matrix has the same order everywhere.
"""

from __future__ import annotations

import numpy as np

from ..coding.csc import entry_counts

__all__ = ["balance"]

# Columns of a window, and how much a window of so many counts.
_WINDOWS = ((16, 2), (64, 1), (256, 1))
_PASSES = 4
# Rows among which exchanges are looked for: memory and time grow with the square.
_TOGETHER = 6000
# Steps of the importance of a column.
_STEPS = 8
# Whole numbers below this are exact in float32, in which matrices are multiplied twice as fast.
_EXACT = 1 << 24


def balance(present: np.ndarray, elements: int, *, run_bits: int = 4,
            importance: np.ndarray | None = None) -> np.ndarray:
    """The row of the matrix that takes each place: int64 ``[rows]``, a permutation.

    ``matrix[balance(matrix != 0, elements)]`` is what goes to the engine, which puts the row in place ``i`` on element
    ``i mod elements``: so each has as many rows as in the plain interleave.

    Parameters
    ----------
    present
        bool ``[rows, columns]``: where the weights are.
    elements
        Of the engine.
    run_bits
        Bits of an entry's run: longer ones are broken by entries that cost a cycle.
    importance
        float ``[columns]``: how often the activation of each column is not zero; by default all are alike.

    Raises
    ------
    ValueError
        If ``present`` is no matrix, ``elements`` not positive, or the importance not of the columns.
    """
    present = np.asarray(present, dtype=bool)
    if present.ndim != 2 or not present.size:
        raise ValueError(f"present must be a matrix [rows, columns], not an array of shape {present.shape}")
    if elements < 1:
        raise ValueError(f"elements must be a positive integer, not {elements!r}")
    steps = _steps(importance, present.shape[1])
    lengths = (present * steps).sum(axis=1, dtype=np.int64)
    element = _longest_first(lengths, elements)
    parts = -(-len(present) // _TOGETHER)
    for part in range(parts):
        rows = slice(part, None, parts)
        _exchange(_likeness(present[rows], steps), element[rows], elements)
    _level(present, steps, lengths, element, elements, run_bits)
    order = np.empty(len(present), dtype=np.int64)
    for k in range(elements):
        order[k::elements] = _places(lengths, element, k)
    return order


def _steps(importance: np.ndarray | None, columns: int) -> np.ndarray:
    """The importance of each column as a small integer."""
    if importance is None:
        return np.ones(columns, dtype=np.uint8)
    importance = np.asarray(importance, dtype=np.float64)
    if importance.shape != (columns,) or not (importance >= 0).all() or not np.isfinite(importance).all():
        raise ValueError(f"importance must be {columns} numbers that are not negative, not {importance!r}")
    return np.rint(importance * (_STEPS / max(importance.max(), 1e-300))).astype(np.uint8)


def _longest_first(lengths: np.ndarray, elements: int) -> np.ndarray:
    """The element of each row: the longest row left goes where least is, as long as there is a place."""
    rows = len(lengths)
    element = np.empty(rows, dtype=np.int64)
    load = np.zeros(elements, dtype=np.int64)
    room = (rows - np.arange(elements) + elements - 1) // elements
    full = int(lengths.sum()) + 1
    load[room <= 0] = full
    for row in np.argsort(-lengths, kind="stable"):
        k = int(load.argmin())
        element[row] = k
        load[k] += lengths[row]
        room[k] -= 1
        if room[k] == 0:
            load[k] = full
    return element


def _likeness(present: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """For each two rows the sum over all windows of the product of their entries there: int64 ``[rows, rows]``."""
    found = np.zeros((len(present), len(present)), dtype=np.int64)
    for window, counts in _WINDOWS:
        exact = present.shape[1] * window * int(steps.max()) ** 2 < _EXACT
        begins = np.arange(0, present.shape[1], window)
        sums = np.add.reduceat(present * steps, begins, axis=1, dtype=np.int32)
        sums = sums.astype(np.float32 if exact else np.float64)
        for block in range(0, len(sums), 1024):
            found[block : block + 1024] += counts * (sums[block : block + 1024] @ sums.T).astype(np.int64)
    return found


def _exchange(likeness: np.ndarray, element: np.ndarray, elements: int) -> None:
    """Exchange rows between elements, each with the one that lowers the sum of squares most, until few do."""
    rows = len(element)
    alone = np.diagonal(likeness).copy()
    # Of each row with all rows of each element, and with those of its own.
    shared = np.stack([likeness[element == k].sum(axis=0) for k in range(elements)])
    own = shared[element, np.arange(rows)]
    for _ in range(_PASSES):
        exchanged = 0
        for row in range(rows):
            here = element[row]
            # Half of what the sum changes by.
            change = shared[here] - own + shared[:, row][element] + alone - 2 * likeness[row]
            change += alone[row] - own[row]
            change[element == here] = 0
            other = int(change.argmin())
            if change[other] >= 0:
                continue
            there = element[other]
            moved = likeness[other] - likeness[row]
            shared[here] += moved
            shared[there] -= moved
            element[row], element[other] = there, here
            for k in (here, there):
                members = np.flatnonzero(element == k)
                own[members] = shared[k, members]
            exchanged += 1
        if exchanged * 100 < rows:
            return


def _level(present: np.ndarray, steps: np.ndarray, lengths: np.ndarray, element: np.ndarray, elements: int,
           run_bits: int) -> None:
    """Exchange rows of the elements that have most and least to do, padding included, until that helps no more."""
    def load(k: int) -> int:
        return int(entry_counts(present[_places(lengths, element, k)], 1, run_bits)[:, 0] @ steps.astype(np.int64))

    loads = np.array([load(k) if (element == k).any() else 0 for k in range(elements)])
    while True:
        most, least = int(loads.argmax()), int(loads.argmin())
        gives, takes = np.flatnonzero(element == most), np.flatnonzero(element == least)
        if not len(takes):
            return
        # The two rows whose lengths differ by about half of what the loads differ by.
        wrong = abs(2 * (lengths[gives][:, None] - lengths[takes]) - (loads[most] - loads[least]))
        one, other = np.unravel_index(wrong.argmin(), wrong.shape)
        element[gives[one]], element[takes[other]] = least, most
        new = load(most), load(least)
        if max(new) >= loads[most]:
            element[gives[one]], element[takes[other]] = most, least
            return
        loads[most], loads[least] = new


def _places(lengths: np.ndarray, element: np.ndarray, k: int) -> np.ndarray:
    """The rows of an element, the longest first: so most long runs end a column, where they cost nothing."""
    members = np.flatnonzero(element == k)
    return members[np.argsort(-lengths[members], kind="stable")]
