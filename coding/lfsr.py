"""Positions of weights that a linear-feedback shift register finds again, so that no index is stored.

Ardakani, Condo, Gross: "Sparsely-Connected Neural Networks: Towards Efficient VLSI Implementation of Deep Neural
Networks", ICLR 2017: the mask of a pruned layer comes from shift registers, in training and in gates. Here element
``k`` of ``N`` (rows ``i`` with ``i mod N = k``, in slots ``i // N``, as in ``coding.csc``) has in each column the same
number of entries, so that no pointers are stored either:

- the register at the beginning of column ``j`` is a linear function of ``j`` and of the element's seed: the state
  ``seed_k xor j``, ``LEAP * (k + 1)`` steps later, which is a few XORs. With the same steps for all elements, all would
  see the same bits of ``j``, and many columns of the matrix would be equal;
- the first slot is ``floor(high bits * slots / 2**bits)``, close to evenly spread over any number of slots;
- each further entry lies 1 + (the ``run_bits`` lowest bits of the register, after so many steps) slots on, around the
  end. ``run_bits = floor(log2(slots / kept))``, so a column never comes round to a slot a second time.

All elements have ``ceil(rows / N)`` slots. What falls on rows beyond the last is an entry like any other, of weight 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .xxhash32 import xxhash32

__all__ = ["LEAP", "TAPS", "Lfsr", "advanced", "linear", "mask"]

TAPS = {
    3: (3, 2), 4: (4, 3), 5: (5, 3), 6: (6, 5), 7: (7, 6), 8: (8, 6, 5, 4), 9: (9, 5), 10: (10, 7), 11: (11, 9),
    12: (12, 6, 4, 1), 13: (13, 4, 3, 1), 14: (14, 5, 3, 1), 15: (15, 14), 16: (16, 15, 13, 4), 17: (17, 14),
    18: (18, 11), 19: (19, 6, 2, 1), 20: (20, 17), 21: (21, 19), 22: (22, 21), 23: (23, 18), 24: (24, 23, 22, 17),
    25: (25, 22), 26: (26, 6, 2, 1), 27: (27, 5, 2, 1), 28: (28, 25), 29: (29, 27), 30: (30, 6, 4, 1), 31: (31, 28),
    32: (32, 22, 2, 1),
}
"""Of each width, the stages whose sum is fed back so that the period is 2**width - 1 (Alfke, "Efficient Shift
Registers, LFSR Counters, and Long Pseudo-Random Sequence Generators", Xilinx XAPP052, 1996, table 3)."""

LEAP = 2654435761
"""Steps from an element's seed and a column's number to the state that the column begins with, times 1, 2, … for
element 0, 1, …: a prime of 32 bits. Few steps would cost no less in gates, and leave bits that depend on few."""


def advanced(state: np.ndarray, steps: int, width: int) -> np.ndarray:
    """The states so many steps later: Fibonacci's form, which shifts up and puts the sum of its taps into bit 0."""
    state = np.asarray(state, dtype=np.int64)
    for _ in range(steps):
        fed = np.zeros_like(state)
        for tap in TAPS[width]:
            fed ^= state >> tap - 1 & 1
        state = (state << 1 | fed) & (1 << width) - 1
    return state


def linear(images: np.ndarray, state: np.ndarray) -> np.ndarray:
    """A linear function of states, said by what it makes of each bit: the sum of the ``images`` of a state's ones.

    ``images`` is int64 ``[..., width]`` and ``state`` ``[..., states]``; the result is ``[..., states]``.
    """
    result = np.zeros(np.broadcast_shapes(images[..., :1].shape, np.shape(state)), dtype=np.int64)
    for bit in range(images.shape[-1]):
        result ^= (np.asarray(state) >> bit & 1) * images[..., bit, None]
    return result


@dataclass(frozen=True)
class Lfsr:
    """Where a matrix of ``rows`` x ``columns`` has entries: ``kept`` in each column of each of ``elements`` elements.

    ``width`` is that of the register, in bits; ``seed`` says which of many masks it is.

    Raises
    ------
    ValueError
        If a number is not positive, there are fewer slots than are kept, or the register is too narrow for the columns.
    """

    rows: int
    columns: int
    elements: int
    kept: int
    seed: int = 0
    width: int = 32

    def __post_init__(self):
        for what in ("rows", "columns", "elements", "kept"):
            if getattr(self, what) < 1:
                raise ValueError(f"{what} must be a positive integer, not {getattr(self, what)!r}")
        if self.kept > self.slots:
            raise ValueError(f"kept must be at most the {self.slots} slots of an element, not {self.kept}")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed must be from 0 to 2**32 - 1, not {self.seed!r}")
        if self.width not in TAPS or 1 << self.width - 1 < self.columns or self.width < self.start_bits:
            least = max(3, (self.columns - 1).bit_length() + 1, self.start_bits)
            raise ValueError(f"width must be from {least} to 32 bits for {self.columns} columns and {self.slots} "
                             f"slots, not {self.width!r}")

    @property
    def slots(self) -> int:
        """Rows of an element, those beyond the last one included."""
        return -(-self.rows // self.elements)

    @property
    def run_bits(self) -> int:
        """Bits of the register that say how many slots are passed over between two entries."""
        return (self.slots // self.kept).bit_length() - 1

    @property
    def start_bits(self) -> int:
        """Bits of the register that say where a column begins: no slot is likelier than another by over 1/16."""
        return (self.slots - 1).bit_length() + 4 if self.slots > 1 else 0

    @cached_property
    def seeds(self) -> np.ndarray:
        """``seed_k`` of each element: int64 ``[elements]``. The highest bit is set, so that no state is 0."""
        hashed = xxhash32(np.arange(self.elements), 0, self.seed).astype(np.int64)
        return hashed & (1 << self.width - 1) - 1 | 1 << self.width - 1

    @cached_property
    def leaps(self) -> np.ndarray:
        """What each element's steps to a column's beginning make of each bit: int64 ``[elements, width]``."""
        leap = np.int64(1) << np.arange(self.width)
        step = advanced(leap, 1, self.width)
        for digit in f"{LEAP:b}":
            leap = linear(leap, leap) if digit == "0" else linear(step, linear(leap, leap))
        images = np.empty((self.elements, self.width), dtype=np.int64)
        images[0] = leap
        for element in range(1, self.elements):
            images[element] = linear(leap, images[element - 1])
        return images

    @cached_property
    def starts(self) -> np.ndarray:
        """The register at the beginning of each column: int64 ``[elements, columns]``."""
        return linear(self.leaps, self.seeds[:, None] ^ np.arange(self.columns))

    @property
    def positions(self) -> np.ndarray:
        """The slots in the order in which they come: int64 ``[elements, columns, kept]``."""
        state = self.starts
        slot = (state >> self.width - self.start_bits) * self.slots >> self.start_bits
        visited = np.empty((*state.shape, self.kept), dtype=np.int64)
        for entry in range(self.kept):
            if entry:
                state = advanced(state, self.run_bits, self.width)
                slot = slot + 1 + (state & (1 << self.run_bits) - 1)
                slot = np.where(slot >= self.slots, slot - self.slots, slot)
            visited[..., entry] = slot
        return visited

    @property
    def mask(self) -> np.ndarray:
        """Where weights may be: bool ``[rows, columns]``."""
        found = np.zeros((self.columns, self.slots, self.elements), dtype=bool)
        positions = self.positions
        element, column = np.arange(self.elements)[:, None, None], np.arange(self.columns)[:, None]
        found[column, positions, element] = True
        return np.ascontiguousarray(found.reshape(self.columns, -1)[:, : self.rows].T)

    def entries(self, weights: np.ndarray) -> np.ndarray:
        """What the engine's memory holds of int64 ``[rows, columns]``: int64 ``[elements, columns, kept]``.

        Raises
        ------
        ValueError
            If the matrix has another shape, or a weight where the register finds none.
        """
        weights = np.asarray(weights, dtype=np.int64)
        if weights.shape != (self.rows, self.columns):
            raise ValueError(f"weights must be a matrix [{self.rows}, {self.columns}], not an array of shape "
                             f"{weights.shape}")
        if (stray := np.argwhere((weights != 0) & ~self.mask)).size:
            raise ValueError(f"weights must be 0 where the mask is: row {stray[0, 0]} of column {stray[0, 1]} is not")
        filled = np.zeros((self.slots * self.elements, self.columns), dtype=np.int64)
        filled[: self.rows] = weights
        element, column = np.arange(self.elements)[:, None, None], np.arange(self.columns)[:, None]
        return filled[self.positions * self.elements + element, column]


def mask(rows: int, columns: int, elements: int, kept: int, seed: int = 0) -> np.ndarray:
    """The mask of :class:`Lfsr` with a register of 32 bits: bool ``[rows, columns]``."""
    return Lfsr(rows, columns, elements, kept, seed).mask
