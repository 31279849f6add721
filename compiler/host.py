"""What the host does to the model's output after the last float32 expression: soft-max, and the largest few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["OPERATIONS", "apply"]


def softmax(x: np.ndarray) -> np.ndarray:
    """``exp(x) / sum(exp(x))`` over the last axis, in float64, rounded to float32 once."""
    wide = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    return (wide / wide.sum(axis=-1, keepdims=True)).astype(np.float32)


def log_softmax(x: np.ndarray) -> np.ndarray:
    """``x - log(sum(exp(x)))`` over the last axis, in float64, rounded to float32 once."""
    wide = x.astype(np.float64) - x.max(axis=-1, keepdims=True)
    return (wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))).astype(np.float32)


def top(x: np.ndarray, count: int) -> np.ndarray:
    """The largest ``count`` values of the last axis, falling."""
    return np.take_along_axis(x, _order(x, count), axis=-1)


def top_indices(x: np.ndarray, count: int) -> np.ndarray:
    """Their indices, int64; of equal values the lowest comes first."""
    return _order(x, count)


def _order(x: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-x, axis=-1, kind="stable")[..., :count]


OPERATIONS = {"softmax": softmax, "log_softmax": log_softmax, "top": top, "top_indices": top_indices}


def apply(names: Sequence[str], x: np.ndarray) -> np.ndarray:
    """Apply the operations in order to ``[frames, elements]``. "top:5" is "top" with the number 5."""
    for name in names:
        kind, _, count = name.partition(":")
        x = OPERATIONS[kind](x, *([int(count)] if count else []))
    return x
