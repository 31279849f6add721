"""Golden operators: pure integer NumPy, no lanes, no folding, no cycles. The hardware is checked against these.

Arrays are batches: ``[frames, channels]``. Bipolar tensors are int8 of -1 and +1, packed into 64-bit words for the
dot products: a dot product of K bipolar elements is K minus twice the number of differing bits.
"""

from __future__ import annotations

import numpy as np

__all__ = ["arg_max", "bipolar_matvec", "pack_bipolar", "packed_matvec", "threshold", "threshold_bipolar"]

# Bounds the table of differing bits, frames x rows x 8 bytes, to a size that caches hold.
_BLOCK_ELEMENTS = 1 << 16


def pack_bipolar(values: np.ndarray) -> np.ndarray:
    """``[frames, K]`` of -1 and +1 as uint64 ``[frames, ceil(K / 64)]``: 1 for +1, element 0 lowest, padding 0."""
    frames, elements = values.shape
    bits = np.zeros((frames, -(-elements // 64) * 64), dtype=bool)
    np.greater(values, 0, out=bits[:, :elements])
    return np.packbits(bits, axis=1, bitorder="little").view("<u8")


def packed_matvec(vectors: np.ndarray, weights: np.ndarray, columns: int) -> np.ndarray:
    """Dot products int32 ``[frames, N]`` of packed bipolar ``vectors [frames, words]`` and ``weights [N, words]``.

    ``columns`` is K, the number of elements; padding bits of both are 0 and so never differ.
    """
    frames, rows = len(vectors), len(weights)
    differing = np.zeros((frames, rows), dtype=np.int32)
    block = max(1, _BLOCK_ELEMENTS // max(rows, 1))
    for begin in range(0, frames, block):
        part = vectors[begin : begin + block]
        out = differing[begin : begin + block]
        for word in range(vectors.shape[1]):
            out += np.bitwise_count(part[:, word, None] ^ weights[None, :, word])
    return columns - 2 * differing


def bipolar_matvec(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Dot products int32 ``[frames, N]`` of ``vectors [frames, K]`` and ``weights [N, K]``, both of -1 and +1.

    Raises
    ------
    ValueError
        If K differs, or a value is neither -1 nor +1.
    """
    if vectors.ndim != 2 or weights.ndim != 2 or vectors.shape[1] != weights.shape[1]:
        raise ValueError(f"vectors [frames, K] and weights [N, K] must agree in K, not {vectors.shape} and "
                         f"{weights.shape}")
    for name, values in (("vectors", vectors), ("weights", weights)):
        if not (np.abs(values) == 1).all():
            raise ValueError(f"{name} must be of -1 and +1")
    return packed_matvec(pack_bipolar(vectors), pack_bipolar(weights), vectors.shape[1])


def threshold(values: np.ndarray, thresholds: np.ndarray, falling: np.ndarray | None = None) -> np.ndarray:
    """How many of its channel's thresholds each integer meets: int64 ``[frames, channels]``.

    ``thresholds`` is ``[channels, levels]``; one is met where ``value >= threshold``, or ``<=`` where
    ``falling[channel]``.
    """
    count = np.zeros(values.shape, dtype=np.int64)
    falling = np.zeros(len(thresholds), dtype=bool) if falling is None else falling
    for level in range(thresholds.shape[1]):
        steps = thresholds[:, level]
        count += np.where(falling, values <= steps, values >= steps)
    return count


def threshold_bipolar(values: np.ndarray, thresholds: np.ndarray, falling: np.ndarray | None = None) -> np.ndarray:
    """+1 where each integer meets its channel's one threshold, else -1: int8 ``[frames, channels]``."""
    return (2 * threshold(values, thresholds, falling) - 1).astype(np.int8)


def arg_max(values: np.ndarray) -> np.ndarray:
    """Index of each frame's largest integer, the lowest of equal ones: int64 ``[frames, 1]``."""
    return values.argmax(axis=1, keepdims=True)
