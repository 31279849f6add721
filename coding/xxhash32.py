"""xxHash32 of a pair of integers, with which hashed networks find their weights.

In HashedNets (Chen, Wilson, Tyree, Weinberger, Chen: "Compressing Neural Networks with the Hashing Trick", ICML 2015,
section 4) a virtual matrix shares few real weights: V[i, j] = xi(i, j) w[h(i, j)], with a hash h into them and a sign
xi. Both come from one xxHash32 here (Yann Collet, "XXH32 algorithm description", xxHash specification 0.1.1): h is its
low bits, and xi its highest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["PRIMES", "hashed_index", "hashed_matrix", "xxhash32"]

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


def hashed_matrix(weights: ArrayLike, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """The virtual matrix of the real ``weights``: ``[rows, columns]``, of their type.

    Raises
    ------
    ValueError
        If their number is no power of two.
    """
    weights = np.asarray(weights)
    index, sign = hashed_index(np.arange(rows)[:, None], np.arange(columns), weights.size, seed)
    return weights[index] * sign.astype(weights.dtype)
