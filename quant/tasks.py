"""What a network's outputs mean: the loss that trains them, and the points in which a frame is scored.

A score is the mean of the frames' points in per cent. Nothing here imports torch before a loss is asked for, so that
a recipe can name its task cheaply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TASKS", "Task"]


@dataclass(frozen=True)
class Task:
    """How to train and to score; ``measure`` says what the score is.

    ``loss(outputs, x, y)`` takes torch tensors ``[batch, outputs]``, ``[batch, *shape]`` and ``[batch]`` and gives a
    scalar; ``points(outputs, x, y)`` takes the same as NumPy arrays and gives ``[batch]``, 1 being perfect.
    """

    measure: str
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    points: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _class_loss(outputs: Tensor, x: Tensor, y: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.cross_entropy(outputs, y)


def _class_points(outputs: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The first maximum wins."""
    return outputs.argmax(1) == y


def _binary_loss(outputs: Tensor, x: Tensor, y: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(outputs[:, 0], y.to(outputs.dtype))


def _binary_points(outputs: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """One output, of class 1 from zero up."""
    return (outputs[:, 0] >= 0) == y


def _reconstruction_loss(outputs: Tensor, x: Tensor, y: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.mse_loss(outputs, x.flatten(1))


def _reconstruction_points(outputs: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 less the squared error relative to the frame's own squares."""
    x = x.reshape(len(x), -1)
    return 1 - np.square(outputs - x).sum(1) / np.maximum(np.square(x).sum(1), 1e-12)


#: By name: labels by arg-max, labels 0 and 1 by the sign of one output, and the input itself.
TASKS = {
    "classify": Task("accuracy", _class_loss, _class_points),
    "decide": Task("accuracy", _binary_loss, _binary_points),
    "reconstruct": Task("energy reconstructed", _reconstruction_loss, _reconstruction_points),
}
