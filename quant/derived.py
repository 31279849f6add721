"""MNIST in other networks' shapes, for those whose own data is not at hand: real images, honest names, no downloads.

Each entry turns the images of a split and their labels into codes of the new shape and labels. What is learned on
them says that a network trains and computes as it should, and nothing of the task that it was made for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["DERIVED"]

View = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _framed(x: np.ndarray) -> np.ndarray:
    """uint8 ``[images, 32, 32]``: two black pixels around."""
    return np.pad(x, ((0, 0), (2, 2), (2, 2)))


def _padded(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _framed(x)[:, None], y


def _colour(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey as red, green and blue, as CIFAR-10 has them."""
    return np.repeat(_framed(x)[:, None], 3, axis=1), y


def _signals(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two signals of 1,024 samples, as RadioML has them: the pixels row by row, and column by column."""
    x = _framed(x)
    return np.stack([x.reshape(len(x), -1), x.transpose(0, 2, 1).reshape(len(x), -1)], axis=1), y


def _central(x: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` pixels in the middle of the 784, row by row."""
    first = (784 - count) // 2
    return x.reshape(len(x), 784)[:, first : first + count]


def _vector(count: int) -> View:
    return lambda x, y: (_central(x, count), y)


def _odd(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """593 features of -1 or +1, as UNSW-NB15's: is a pixel bright; and the question whether the digit is odd."""
    return np.where(_central(x, 593) >= 128, 1, -1).astype(np.int8), y % 2


#: By the name that follows ``mnist-``.
DERIVED: dict[str, View] = {
    "1x32x32": _padded,
    "3x32x32": _colour,
    "2x1024": _signals,
    "490": _vector(490),
    "640": _vector(640),
    "593-odd": _odd,
}
