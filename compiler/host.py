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


OPERATIONS = {"softmax": softmax, "log_softmax": log_softmax}


def apply(names: Sequence[str], x: np.ndarray) -> np.ndarray:
    """Apply the operations in order to ``[frames, elements]``."""
    for name in names:
        x = OPERATIONS[name](x)
    return x
