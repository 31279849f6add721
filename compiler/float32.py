"""The model's own float32 element-wise expression, kept as data.

A :class:`Chain` starts from integers, gives them the model's units (exactly accumulated, then rounded to float32 once),
and applies element-wise float32 operations (:mod:`.operations`) in the order in which the model does. It is what a
threshold is settled on, what the host applies to the last accumulators, and nothing else in the compiler is float.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from .operations import MONOTONE, OPERATIONS, Fork, Operation, Step

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["MONOTONE", "OPERATIONS", "ROUNDINGS", "SIGN", "Chain", "Fork", "Operation", "Quantiser", "Sign", "Step",
           "Steps", "Uniform"]


@dataclass(frozen=True, eq=False)
class Chain:
    """``scale`` (float64, ``[1]`` or ``[channels]``) times the integers, rounded to float32; then ``operations``.

    ``scale`` is the exact product of the operands' float32 scales, which float64 holds. What it is divided by, the
    elements of a pooling window for one, is ``divisor``: ``integers * scale / divisor`` in float64, rounded to float32
    once. A ``Fraction`` stands for its numerator, divided by its denominator.
    """

    scale: np.ndarray | Fraction
    operations: tuple[Step, ...] = ()
    divisor: int = 1

    def start(self, integers: np.ndarray) -> np.ndarray:
        """The integers in the model's units, float32, before any operation."""
        exact = np.asarray(integers, dtype=np.float64)
        if isinstance(self.scale, Fraction):
            return (exact * self.scale.numerator / self.scale.denominator).astype(np.float32)
        return (exact * self.scale / self.divisor).astype(np.float32)

    def __call__(self, integers: np.ndarray) -> np.ndarray:
        """Evaluate on integers ``[..., channels]``; the result is float32 of the broadcast shape."""
        return self.apply(self.start(integers))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Apply the operations to float32 values already in the model's units."""
        x = np.asarray(x, dtype=np.float32)
        for operation in self.operations:
            x = operation(x)
        return x

    def trace(self, integers: np.ndarray) -> list[np.ndarray]:
        """Every value on the way: the start, then the result of each operation, after those within it."""
        values = [self.start(integers)]
        for operation in self.operations:
            values.extend(operation.trace(values[-1]))
        return values

    @property
    def constants(self) -> tuple[np.ndarray, ...]:
        """Everything that may differ from channel to channel: the scale, if it is an array, and all constants."""
        scale = (self.scale,) if isinstance(self.scale, np.ndarray) else ()
        return (*scale, *(constant for operation in self.operations for constant in operation.constants))

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Chain:
        """The same with all of its ``constants`` passed through ``move``, in order."""
        scale = move(self.scale) if isinstance(self.scale, np.ndarray) else self.scale
        return replace(self, scale=scale, operations=tuple(operation.moved(move) for operation in self.operations))

    @property
    def size(self) -> int:
        """How many operations are carried out."""
        return sum(operation.size for operation in self.operations)

    @property
    def monotone(self) -> bool:
        """Whether every operation is monotone, and so their composition. Others are tabulated, on few integers."""
        return all(operation.monotone for operation in self.operations)

    def slope(self) -> np.ndarray:
        """The direction, ``[1]`` or ``[channels]``: 1 where it rises (weakly), -1 where it falls, 0 where constant.

        Each operation is monotone for its fixed constant, rounding included, and so is their composition.

        Raises
        ------
        ValueError
            If an operation is not monotone.
        """
        if not self.monotone:
            raise ValueError("a chain without a direction: one of its operations is not monotone")
        scale = self.scale if isinstance(self.scale, np.ndarray) else np.array([1])
        sign = np.sign(scale).astype(np.int64)
        for operation in self.operations:
            assert isinstance(operation, Operation)  # a Fork is not monotone
            if operation.kind in ("mul", "div"):
                sign = sign * np.sign(operation.constant).astype(np.int64)
            elif operation.kind == "rsub":
                sign = -sign
        return sign

    def then(self, kind: str, constant: ArrayLike = 0) -> Chain:
        """The chain with one more operation."""
        return replace(self, operations=(*self.operations, Operation(kind, np.asarray(constant))))

    def joined(self, kind: str, other: Chain) -> Chain | None:
        """``kind`` of this expression and ``other`` of the same integers; None if they start from different scales."""
        scale, theirs = self.scale, other.scale
        same = scale == theirs if isinstance(scale, Fraction) or isinstance(theirs, Fraction) else (
            np.array_equal(scale, theirs))
        if not same or self.divisor != other.divisor:
            return None
        shared = 0
        for left, right in zip(self.operations, other.operations, strict=False):
            if left is not right:
                break
            shared += 1
        fork = Fork(kind, self.operations[shared:], other.operations[shared:])
        return replace(self, operations=(*self.operations[:shared], fork))


@dataclass(frozen=True)
class Sign:
    """The bipolar quantiser: +1 where a value is >= 0, else -1."""

    lo: int = -1
    hi: int = 1

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Codes (int64) of float32 values."""
        return np.where(x >= 0, 1, -1).astype(np.int64)

    def steps(self, x: np.ndarray) -> np.ndarray:
        """How many steps above the lowest code each value lies (int64)."""
        return (np.asarray(x) >= 0).astype(np.int64)

    @property
    def levels(self) -> int:
        """Steps from the lowest code to the highest."""
        return 1


SIGN = Sign()


@dataclass(frozen=True, eq=False)
class Uniform:
    """QONNX's ``Quant``: ``clip(round(x / scale), lo, hi)``, each operation in float32; and its ``Trunc``.

    ``scale`` is float32 ``[1]`` or ``[channels]``; ``rounding`` is one of :data:`ROUNDINGS`. Where ``shift`` is not 0,
    the ratio is rounded half to even first, divided by ``2 ** shift``, and then rounded as ``rounding`` says.
    Rising, rounding included.
    """

    scale: np.ndarray
    lo: int
    hi: int
    rounding: str = "ROUND"
    shift: int = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Codes (int64) of float32 values ``[..., channels]``."""
        with np.errstate(over="ignore"):  # an infinite ratio is clipped like any other
            ratio = (np.asarray(x, dtype=np.float32) / self.scale).astype(np.float32)
        if self.shift:
            ratio = np.rint(ratio) / np.float32(2.0**self.shift)
        whole = ROUNDINGS[self.rounding](ratio).astype(np.float64)  # where every bound is itself
        return np.clip(whole, self.lo, self.hi).astype(np.int64)

    def steps(self, x: np.ndarray) -> np.ndarray:
        """How many steps above the lowest code each value lies (int64)."""
        return self(x) - self.lo

    @property
    def levels(self) -> int:
        """Steps from the lowest code to the highest."""
        return self.hi - self.lo


ROUNDINGS = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "ROUND_TO_ZERO": np.trunc,
    "DOWN": np.trunc,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5)),
}
"""QONNX's rounding modes, as ``qonnx`` computes them in float32; up is away from zero, down towards it. Each rises."""


@dataclass(frozen=True, eq=False)
class Steps:
    """QONNX's ``MultiThreshold``: ``lo`` plus the number of ``thresholds`` that a value reaches or exceeds.

    ``thresholds`` is float32 ``[1 or channels, levels]``, ascending; one that occurs twice makes a step of two.
    """

    thresholds: np.ndarray
    lo: int = 0

    @property
    def hi(self) -> int:
        return self.lo + self.levels

    @property
    def levels(self) -> int:
        """Steps from the lowest code to the highest."""
        return self.thresholds.shape[1]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Codes (int64) of float32 values ``[..., channels]``."""
        return self.lo + self.steps(x)

    def steps(self, x: np.ndarray) -> np.ndarray:
        """How many steps above the lowest code each value lies (int64)."""
        x = np.asarray(x, dtype=np.float32)
        count = np.zeros(np.broadcast_shapes(x.shape, self.thresholds.shape[:1]), dtype=np.int64)
        for level in range(self.levels):
            count += x >= self.thresholds[:, level]
        return count


Quantiser = Sign | Uniform | Steps
