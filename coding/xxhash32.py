"""xxHash32 of a pair of integers, with which hashed networks find their weights.

In HashedNets (Chen, Wilson, Tyree, Weinberger, Chen: "Compressing Neural Networks with the Hashing Trick", ICML 2015,
section 4) a virtual matrix shares few real weights: V[i, j] = xi(i, j) w[h(i, j)], with a hash h into them and a sign
xi. Both come from one xxHash32 here (Yann Collet, "XXH32 algorithm description", xxHash specification 0.1.1): h is its
low bits, and xi its highest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["PRIMES", "Hash", "hashed_index", "hashed_matrix", "xxhash32"]

PRIMES = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1)
"""The constants of the specification."""


def _rotated(value: np.ndarray, bits: int) -> np.ndarray:
    return value << np.uint32(bits) | value >> np.uint32(32 - bits)


def xxhash32(i: ArrayLike, j: ArrayLike, seed: int = 0) -> np.ndarray:
    """The hash of the 8 bytes that are ``i``, then ``j``, each 4 bytes with the lowest first.

    Parameters
    ----------
    i, j
        Integers from 0 to 2**32 - 1, of shapes that broadcast.
    seed
        From 0 to 2**32 - 1.

    Returns
    -------
    uint32 of the broadcast shape.

    Raises
    ------
    ValueError
        If a number does not fit into 32 bits.
    """
    for what, given in (("i", i), ("j", j), ("seed", seed)):
        low, high = (int(bound) for bound in (np.min(given), np.max(given))) if np.size(given) else (0, 0)
        if not 0 <= low <= high < 1 << 32:
            raise ValueError(f"{what} must be from 0 to 2**32 - 1, not {low if low < 0 else high}")
    two, three, four = (np.uint32(prime) for prime in PRIMES[1:4])
    words = np.broadcast_arrays(np.asarray(i, dtype=np.uint32), np.asarray(j, dtype=np.uint32))
    # At least one dimension: sums of arrays wrap, as the algorithm wants, where those of scalars warn.
    state = np.full(np.atleast_1d(words[0]).shape, (seed + PRIMES[4] + 8) % (1 << 32), dtype=np.uint32)
    for word in words:
        state = _rotated(state + word * three, 17) * four
    state = (state ^ state >> np.uint32(15)) * two
    state = (state ^ state >> np.uint32(13)) * three
    return (state ^ state >> np.uint32(16)).reshape(words[0].shape)


def hashed_index(i: ArrayLike, j: ArrayLike, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``size`` real weights stands at row ``i`` and column ``j``, and with which sign.

    Returns
    -------
    int64 from 0 to ``size - 1``: the lowest bits of the hash; int64 of 1 and -1: -1 where its highest bit is set.

    Raises
    ------
    ValueError
        If ``size`` is no power of two below 2**32, or a number does not fit into 32 bits.
    """
    if not 1 <= size < 1 << 32 or size & size - 1:
        raise ValueError(f"size must be a power of two below 2**32, not {size!r}")
    hashed = xxhash32(i, j, seed).astype(np.int64)
    return hashed & size - 1, 1 - 2 * (hashed >> 31)


@dataclass(frozen=True)
class Hash:
    """A virtual matrix's function from places to ``size`` real weights, which ``seed`` picks among many.

    In ``banks`` of equal size, row ``i`` has its weights in bank ``i mod banks``, so that elements of an engine that
    work on other rows need no copy of them; with one bank it is HashedNets' own.

    Raises
    ------
    ValueError
        If size and banks are no powers of two, below 2**32, with a weight in each bank.
    """

    size: int
    seed: int = 0
    banks: int = 1

    def __post_init__(self):
        if not 1 <= self.size < 1 << 32 or self.size & self.size - 1:
            raise ValueError(f"size must be a power of two below 2**32, not {self.size!r}")
        if not 1 <= self.banks <= self.size or self.banks & self.banks - 1:
            raise ValueError(f"banks must be a power of two, at most the {self.size} weights, not {self.banks!r}")

    @property
    def bank_size(self) -> int:
        """Real weights of a bank; those of bank ``b`` are at ``b * bank_size`` and behind."""
        return self.size // self.banks

    def index(self, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each place of a matrix, its real weight and the sign: two of int64 ``[rows, columns]``."""
        row = np.arange(rows)[:, None]
        index, sign = hashed_index(row, np.arange(columns), self.bank_size, self.seed)
        return index + row % self.banks * self.bank_size, sign

    def matrix(self, weights: ArrayLike, rows: int, columns: int) -> np.ndarray:
        """The virtual matrix of real ``weights`` ``[size]``: ``[rows, columns]``, of their type.

        Raises
        ------
        ValueError
            If there are not ``size`` of them.
        """
        weights = np.asarray(weights)
        if weights.shape != (self.size,):
            raise ValueError(f"weights must be {self.size}, not an array of shape {weights.shape}")
        index, sign = self.index(rows, columns)
        return weights[index] * sign.astype(weights.dtype)

    def weights(self, matrix: ArrayLike) -> np.ndarray:
        """The real weights of a virtual matrix, of its type; 0 for those that stand nowhere.

        Raises
        ------
        ValueError
            If there are none with which it would be this matrix.
        """
        matrix = np.asarray(matrix)
        index, sign = self.index(*matrix.shape)
        weights = np.zeros(self.size, dtype=matrix.dtype)
        weights[index.ravel()] = (matrix * sign.astype(matrix.dtype)).ravel()
        if (wrong := np.argwhere(self.matrix(weights, *matrix.shape) != matrix)).size:
            raise ValueError(f"the matrix must have one real weight behind all places of a hash, unlike row "
                             f"{wrong[0, 0]} of column {wrong[0, 1]}")
        return weights


def hashed_matrix(weights: ArrayLike, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """The virtual matrix of HashedNets for the real ``weights``: ``[rows, columns]``, of their type.

    Raises
    ------
    ValueError
        If their number is no power of two.
    """
    return Hash(np.size(weights), seed).matrix(weights, rows, columns)
