"""What the reference executor knows of a tensor: constants, quantised constants, or all frames of data.

Data carries three things: ``value``, what the model means; ``real``, the same expression over the reals (in float64);
``bound``, how far any float32 evaluation may lie from ``real``. Where the values are integers times a scale, it carries
these, too; where they were computed from such one by one, how, so that a linear layer can find integers in them again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

__all__ = ["SLACK", "TINY", "UNIT", "Codes", "Fixed", "Frames", "Integers", "Tensor", "Weights", "attribute",
           "collapsed", "gamma", "numbers", "worth"]

UNIT = 2.0**-24
TINY = 2.0**-149
SLACK = 1 + 2.0**-20
"""float64 is not the reals: this widens every comparison by more than its rounding errors can add up to."""


def gamma(n: int) -> float:
    """n u / (1 - n u) of Higham, section 3.1."""
    return n * UNIT / (1 - n * UNIT)


@dataclass(eq=False)
class Fixed:
    """A constant."""

    value: np.ndarray


@dataclass(eq=False)
class Weights:
    """A constant behind a quantiser: ``codes`` int64 and ``scale`` float64, of one shape."""

    codes: np.ndarray
    scale: np.ndarray

    @property
    def value(self) -> np.ndarray:
        return (self.codes * self.scale).astype(np.float32)


@dataclass(eq=False)
class Integers:
    """``codes`` (int64 ``[frames, ...]``), each worth ``scale / divisor``, from ``lo`` to ``hi`` in steps of ``step``.

    ``scale`` is float64, of the rank of ``codes``, and broadcasts to it.
    """

    codes: np.ndarray
    scale: np.ndarray
    lo: int
    hi: int
    divisor: int = 1
    step: int = 1

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Integers:
        """The same elsewhere: ``move`` takes frames to frames."""
        codes = move(self.codes)
        scale = self.scale.reshape(-1)[:1].reshape([1] * codes.ndim)
        if self.scale.size > 1:
            scale = collapsed(move(np.broadcast_to(self.scale, (1, *self.codes.shape[1:]))))
        return replace(self, codes=codes, scale=scale)

    @property
    def uniform(self) -> float | None:
        """The one scale of all, if it is one."""
        return float(self.scale.reshape(-1)[0]) if (self.scale == self.scale.reshape(-1)[0]).all() else None


def collapsed(scale: np.ndarray) -> np.ndarray:
    """A scale ``[1, ...]`` with one entry for all or for each channel, where more say the same."""
    if (scale == scale.reshape(-1)[0]).all():
        return scale.reshape(-1)[:1].reshape([1] * scale.ndim)
    first = scale[(..., *[slice(0, 1)] * (scale.ndim - 2))] if scale.ndim > 2 else scale
    return first if (scale == first).all() else scale


def worth(integers: Integers) -> np.ndarray:
    """What the integers are worth, float64: their meaning is this, rounded to float32 once."""
    return integers.codes * integers.scale / integers.divisor


@dataclass(eq=False)
class Codes:
    """What a quantiser counted: int64 ``codes``, and by how much float32 rounding could turn each, 0 if not."""

    codes: np.ndarray
    turns: np.ndarray


@dataclass(eq=False)
class Frames:
    """A tensor of all frames, ``[frames, ...]``: float32 ``value``, float64 ``real`` and ``bound``.

    ``integers`` are there if the value is theirs; else ``since`` holds the last that were, and the functions from them
    to here. ``codes`` are a quantiser's, ``accumulators`` (int64) what the operator that made the tensor counted before
    all else. ``raw`` are the codes of the model's first quantiser, on their way to it.
    """

    value: np.ndarray
    real: np.ndarray
    bound: np.ndarray
    integers: Integers | None = None
    since: tuple[Integers, tuple[Callable[[np.ndarray], np.ndarray], ...]] | None = None
    codes: Codes | None = None
    accumulators: np.ndarray | None = None
    raw: np.ndarray | None = None

    @property
    def rank(self) -> int:
        return self.value.ndim

    def then(self, function: Callable[[np.ndarray], np.ndarray]):
        """``since`` of what ``function`` makes of each value alone; it takes any array that broadcasts as these do."""
        if self.integers is not None:
            return self.integers, (function,)
        return None if self.since is None else (self.since[0], (*self.since[1], function))

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Frames:
        """The same values elsewhere: ``move`` takes frames to frames."""
        value = move(self.value)
        shape, rank = self.value.shape[1:], value.ndim

        def spread(values: np.ndarray) -> np.ndarray:
            """The same for arrays that only broadcast to frames."""
            if math.prod(values.shape[1:]) == 1:
                return values.reshape(-1, *[1] * (rank - 1))
            return move(np.broadcast_to(values, (len(values), *shape)))

        return Frames(value, move(self.real), move(self.bound),
                      None if self.integers is None else self.integers.moved(move),
                      None if self.since is None else (self.since[0], (*self.since[1], spread)),
                      raw=None if self.raw is None else move(self.raw))


Tensor = Fixed | Weights | Frames


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value; strings as ``str``."""
    for found in node.attribute:
        if found.name == name:
            value = onnx.helper.get_attribute_value(found)
            return value.decode() if isinstance(value, bytes) else value
    return default


def numbers(node: onnx.NodeProto, name: str, given: Tensor | None) -> list | None:
    """Numbers that are an attribute in older opsets and an input in newer ones."""
    if isinstance(given, Fixed):
        return given.value.reshape(-1).tolist()
    found = attribute(node, name) if name else None
    return None if found is None else list(found)
