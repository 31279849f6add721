"""What ends a network: soft-max, and the largest values with their places.

They are of no integers; their float32 results are compared within their bounds, in frames where all codes agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx

from .reference_tensor import TINY, UNIT, Frames, Tensor, attribute, gamma, numbers

__all__ = ["ENDS"]


def _softmax(node: onnx.NodeProto, x: Tensor) -> Tensor:
    """e^x / sum e^x, or its logarithm, in float64, rounded to float32 once, over all that a frame gives.

    An error of E in each x changes every e^x, and so every quotient, by a factor within e^2E; the sum of n terms and
    the exponentials add gamma(n + 64).
    """
    assert isinstance(x, Frames)
    shape = x.value.shape
    terms = x.value[0].size if len(x.value) else 1

    def flat(a: np.ndarray) -> np.ndarray:
        return np.asarray(a, dtype=np.float64).reshape(len(a), -1)

    def evaluate(values: np.ndarray) -> np.ndarray:
        moved = values - values.max(axis=1, keepdims=True)
        if node.op_type == "LogSoftmax":
            return moved - np.log(np.exp(moved).sum(axis=1, keepdims=True))
        wide = np.exp(moved)
        return wide / wide.sum(axis=1, keepdims=True)

    real = evaluate(flat(x.real))
    error = 2 * flat(x.bound).max(axis=1, keepdims=True, initial=0)
    spread = gamma(terms + 64) * (1 + np.abs(flat(x.real)).max(axis=1, keepdims=True, initial=0))
    if node.op_type == "LogSoftmax":
        bound = error + spread + UNIT * np.abs(real) + np.zeros_like(real)
    else:
        bound = real * np.expm1(error + spread) + TINY
    value = evaluate(flat(x.value)).astype(np.float32)
    return Frames(value.reshape(shape), real.reshape(shape), bound.reshape(shape))


def _places(x: Frames, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of the ``count`` largest values, and whether (bool ``[frames, count]``) rounding decides one.

    Of equal values the first comes first.
    """
    values, real, bound = (np.asarray(a).reshape(len(a), -1) for a in (x.value, x.real, x.bound))
    order = np.argsort(-values.astype(np.float64), axis=1, kind="stable")
    rows = np.arange(len(values))[:, None]
    ranked, slack = real[rows, order], bound[rows, order]
    close = np.zeros(order.shape, dtype=np.bool_)
    if order.shape[1] > 1:
        near = (ranked[:, :-1] - ranked[:, 1:] <= slack[:, :-1] + slack[:, 1:]) & (slack[:, :-1] + slack[:, 1:] > 0)
        close[:, :-1] |= near
        close[:, 1:] |= near
    return order[:, :count], close[:, :count]


def _indices(places: np.ndarray, close: np.ndarray, elements: int, shape: tuple[int, ...]) -> Frames:
    value = places.reshape(shape).astype(np.float32)
    return Frames(value, value.astype(np.float64), np.where(close, float(elements), 0.0).reshape(shape))


def _arg_max(node: onnx.NodeProto, x: Tensor) -> Tensor:
    assert isinstance(x, Frames)
    places, close = _places(x, 1)
    rank = x.rank if attribute(node, "keepdims", 1) else x.rank - 1
    return _indices(places, close, x.value[0].size if len(x.value) else 0, (len(x.value), *[1] * (rank - 1)))


def _top(node: onnx.NodeProto, x: Tensor, given: Tensor | None = None) -> Sequence[Tensor]:
    """The largest k values, sorted, and their indices."""
    assert isinstance(x, Frames)
    k = attribute(node, "k") or int((numbers(node, "", given) or [1])[0])
    places, close = _places(x, k)
    shape = (len(x.value), *(k if size > 1 else 1 for size in x.value.shape[1:]))
    rows = np.arange(len(x.value))[:, None]
    value, real, bound = (np.asarray(a).reshape(len(a), -1)[rows, places].reshape(shape)
                          for a in (x.value, x.real, x.bound))
    return Frames(value, real, bound), _indices(places, close, x.value[0].size if len(x.value) else 0, shape)


ENDS: dict[str, Callable[..., Tensor | Sequence[Tensor]]] = {
    "Softmax": _softmax, "LogSoftmax": _softmax, "ArgMax": _arg_max, "TopK": _top,
}
"""Operators that may stand at the end of a network."""
