"""The model's own float32 element-wise expression, kept as data.

A :class:`Chain` starts from integers, gives them the model's units (exactly accumulated, then rounded to float32 once),
and applies element-wise float32 operations in the order in which the model does. It is what a threshold is settled on,
what the host applies to the last accumulators, and nothing else in the compiler is float.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["OPERATIONS", "ROUNDINGS", "SIGN", "Chain", "Operation", "Quantiser", "Sign", "Uniform"]

# x is the running value, c the constant, both float32. Every one is monotone in x for a fixed c.
OPERATIONS = {
    "add": lambda x, c: x + c,
    "sub": lambda x, c: x - c,
    "rsub": lambda x, c: c - x,
    "mul": lambda x, c: x * c,
    "div": lambda x, c: x / c,
    "max": lambda x, c: np.maximum(x, c),
    "min": lambda x, c: np.minimum(x, c),
}


@dataclass(frozen=True, eq=False)
class Operation:
    """One float32 operation with a constant: a scalar ``[1]`` or one value for each channel ``[channels]``."""

    kind: str
    constant: np.ndarray

    def __post_init__(self):
        if self.kind not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, not {self.kind!r}")
        constant = np.atleast_1d(np.array(self.constant, dtype=np.float32))
        constant.flags.writeable = False
        object.__setattr__(self, "constant", constant)


@dataclass(frozen=True, eq=False)
class Chain:
    """``scale`` (float64, ``[1]`` or ``[channels]``) times the integers, rounded to float32; then ``operations``.

    ``scale`` is the exact product of the two operands' float32 scales, which float64 holds. ``Fraction`` input scales
    are kept as numerator and denominator: ``integers * numerator / denominator`` in float64, rounded to float32 once.
    """

    scale: np.ndarray | Fraction
    operations: tuple[Operation, ...] = ()

    def start(self, integers: np.ndarray) -> np.ndarray:
        """The integers in the model's units, float32, before any operation."""
        exact = np.asarray(integers, dtype=np.float64)
        if isinstance(self.scale, Fraction):
            return (exact * self.scale.numerator / self.scale.denominator).astype(np.float32)
        return (exact * self.scale).astype(np.float32)

    def __call__(self, integers: np.ndarray) -> np.ndarray:
        """Evaluate on integers ``[..., channels]``; the result is float32 of the broadcast shape."""
        return self.apply(self.start(integers))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Apply the operations to float32 values already in the model's units."""
        x = np.asarray(x, dtype=np.float32)
        for operation in self.operations:
            x = OPERATIONS[operation.kind](x, operation.constant).astype(np.float32)
        return x

    def trace(self, integers: np.ndarray) -> list[np.ndarray]:
        """Every value on the way: the start, then the result of each operation."""
        values = [self.start(integers)]
        for operation in self.operations:
            values.append(OPERATIONS[operation.kind](values[-1], operation.constant).astype(np.float32))
        return values

    def slope(self) -> np.ndarray:
        """The direction, ``[1]`` or ``[channels]``: 1 where it rises (weakly), -1 where it falls, 0 where constant.

        Each operation is monotone for its fixed constant, rounding included, and so is their composition.
        """
        scale = self.scale if isinstance(self.scale, np.ndarray) else np.array([1])
        sign = np.sign(scale).astype(np.int64)
        for operation in self.operations:
            if operation.kind in ("mul", "div"):
                sign = sign * np.sign(operation.constant).astype(np.int64)
            elif operation.kind == "rsub":
                sign = -sign
        return sign

    def then(self, kind: str, constant) -> Chain:
        """The chain with one more operation."""
        return Chain(self.scale, (*self.operations, Operation(kind, constant)))


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
    the rounded value is divided by ``2 ** shift`` and rounded down before the clip, as ``Trunc`` does.
    Rising, rounding included.
    """

    scale: np.ndarray
    lo: int
    hi: int
    rounding: str = "ROUND"
    shift: int = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Codes (int64) of float32 values ``[..., channels]``."""
        ratio = (np.asarray(x, dtype=np.float32) / self.scale).astype(np.float32)
        whole = ROUNDINGS[self.rounding](ratio)
        if self.shift:
            whole = np.floor(whole / np.float32(2.0**self.shift))
        return np.clip(whole, self.lo, self.hi).astype(np.int64)

    def steps(self, x: np.ndarray) -> np.ndarray:
        """How many steps above the lowest code each value lies (int64)."""
        return self(x) - self.lo

    @property
    def levels(self) -> int:
        """Steps from the lowest code to the highest."""
        return self.hi - self.lo


ROUNDINGS = {"ROUND": np.rint, "CEIL": np.ceil, "FLOOR": np.floor, "ROUND_TO_ZERO": np.trunc}
"""QONNX's rounding modes; ROUND is half to even. Each is rising."""

Quantiser = Sign | Uniform
