"""The model's own float32 element-wise expression, kept as data.

A :class:`Chain` starts from integers, gives them the model's units (exactly accumulated, then rounded to float32 once),
and applies element-wise float32 operations in the order in which the model does. It is what a threshold is settled on,
what the host applies to the last accumulators, and nothing else in the compiler is float.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from . import functions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["MONOTONE", "OPERATIONS", "ROUNDINGS", "SIGN", "Chain", "Operation", "Quantiser", "Sign", "Steps", "Uniform"]


def _wide(function):
    """A float64 function of float64 values as an operation: its result is rounded to float32 once."""
    return lambda x, c: function(x.astype(np.float64)).astype(np.float32)


def _elu(x, c):
    wide = x.astype(np.float64)
    return np.where(x < 0, (c * functions.expm1(np.minimum(wide, 0))).astype(np.float32), x)


# x is the running value, c the constant, both float32; unary operations ignore c.
OPERATIONS = {
    "add": lambda x, c: x + c,
    "sub": lambda x, c: x - c,
    "rsub": lambda x, c: c - x,
    "mul": lambda x, c: x * c,
    "div": lambda x, c: x / c,
    "max": lambda x, c: np.maximum(x, c),
    "min": lambda x, c: np.minimum(x, c),
    "leaky": lambda x, c: np.where(x < 0, x * c, x),
    "elu": _elu,
    "sigmoid": _wide(functions.sigmoid),
    "tanh": _wide(functions.tanh),
    "erf": _wide(functions.erf),
    "softsign": lambda x, c: (x.astype(np.float64) / (1 + np.abs(x.astype(np.float64)))).astype(np.float32),
    "floor": lambda x, c: np.floor(x),
    "ceil": lambda x, c: np.ceil(x),
    "round": lambda x, c: np.rint(x),
    "sign": lambda x, c: np.sign(x),
    "abs": lambda x, c: np.abs(x),
    "hardswish": _wide(lambda x: x * np.clip(x / 6 + 0.5, 0.0, 1.0)),
    "gelu": _wide(functions.gelu),
    "gelu_tanh": _wide(functions.gelu_tanh),
    "mish": _wide(functions.mish),
    "silu": lambda x, c: functions.silu(x.astype(np.float64), c).astype(np.float32),
    "sin": _wide(functions.sin),
    "cos": _wide(functions.cos),
}

MONOTONE = frozenset({"add", "sub", "rsub", "mul", "div", "max", "min", "leaky", "elu", "sigmoid", "tanh", "erf",
                      "softsign", "floor", "ceil", "round", "sign"})
"""Operations that are monotone in x for a fixed constant: "leaky" and "elu" only where it is not negative."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One float32 operation with a constant: a scalar ``[1]`` or one value for each channel ``[channels]``.

    "leaky" is x times the constant below 0, "elu" the constant times (e^x - 1) there; "silu" is x sigmoid(constant x).
    """

    kind: str
    constant: np.ndarray

    def __post_init__(self):
        if self.kind not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, not {self.kind!r}")
        constant = np.atleast_1d(np.array(self.constant, dtype=np.float32))
        constant.flags.writeable = False
        object.__setattr__(self, "constant", constant)

    @property
    def monotone(self) -> bool:
        """Whether it is monotone, rounding included, for each of its constants."""
        bent = self.kind in ("leaky", "elu") and bool((self.constant < 0).any())
        return self.kind in MONOTONE and not bent

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The float32 result on float32 values ``[..., channels]``."""
        return OPERATIONS[self.kind](x, self.constant).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Chain:
    """``scale`` (float64, ``[1]`` or ``[channels]``) times the integers, rounded to float32; then ``operations``.

    ``scale`` is the exact product of the operands' float32 scales, which float64 holds. What it is divided by, the
    elements of a pooling window for one, is ``divisor``: ``integers * scale / divisor`` in float64, rounded to float32
    once. A ``Fraction`` stands for its numerator, divided by its denominator.
    """

    scale: np.ndarray | Fraction
    operations: tuple[Operation, ...] = ()
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
        """Every value on the way: the start, then the result of each operation."""
        values = [self.start(integers)]
        for operation in self.operations:
            values.append(operation(values[-1]))
        return values

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
            if operation.kind in ("mul", "div"):
                sign = sign * np.sign(operation.constant).astype(np.int64)
            elif operation.kind == "rsub":
                sign = -sign
        return sign

    def then(self, kind: str, constant: ArrayLike = 0) -> Chain:
        """The chain with one more operation."""
        return replace(self, operations=(*self.operations, Operation(kind, np.asarray(constant))))


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
