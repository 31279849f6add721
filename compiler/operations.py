"""The steps of a float32 expression: an operation with a constant, or two expressions of one value put together.

Every step takes float32 values ``[..., channels]`` to float32 values and looks at each of them alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from . import functions

__all__ = ["JOINS", "MONOTONE", "OPERATIONS", "Fork", "Operation", "Step"]


def _wide(function):
    """A float64 function of float64 values as an operation: its result is rounded to float32 once."""
    return lambda x, c: function(x.astype(np.float64)).astype(np.float32)


def _elu(x, c):
    wide = x.astype(np.float64)
    return np.where(x < 0, (c * functions.expm1(np.minimum(wide, 0))).astype(np.float32), x)


def _celu(x, c):
    wide, alpha = x.astype(np.float64), c.astype(np.float64)
    return np.where(x < 0, (alpha * functions.expm1(np.minimum(wide, 0) / alpha)).astype(np.float32), x)


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
    "celu": _celu,
    "sigmoid": _wide(functions.sigmoid),
    "tanh": _wide(functions.tanh),
    "erf": _wide(functions.erf),
    "softplus": _wide(functions.softplus),
    "softsign": lambda x, c: (x.astype(np.float64) / (1 + np.abs(x.astype(np.float64)))).astype(np.float32),
    "floor": lambda x, c: np.floor(x),
    "ceil": lambda x, c: np.ceil(x),
    "round": lambda x, c: np.rint(x),
    "sign": lambda x, c: np.sign(x),
    "square": lambda x, c: x * x,
    "cube": _wide(lambda x: x * x * x),
    "abs": lambda x, c: np.abs(x),
    "hardswish": _wide(lambda x: x * np.clip(x / 6 + 0.5, 0.0, 1.0)),
    "gelu": _wide(functions.gelu),
    "gelu_tanh": _wide(functions.gelu_tanh),
    "mish": _wide(functions.mish),
    "silu": lambda x, c: functions.silu(x.astype(np.float64), c).astype(np.float32),
    "sin": _wide(functions.sin),
    "cos": _wide(functions.cos),
}

MONOTONE = frozenset({"add", "sub", "rsub", "mul", "div", "max", "min", "leaky", "elu", "celu", "sigmoid", "tanh",
                      "erf", "softplus", "softsign", "cube", "floor", "ceil", "round", "sign"})
"""Operations that are monotone in x for a fixed constant: "leaky", "elu", "celu" only where it is not negative."""

JOINS = ("add", "sub", "mul", "div", "max", "min")
"""Operations of which the constant may be a second expression."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One float32 operation with a constant: a scalar ``[1]`` or one value for each channel ``[channels]``.

    "leaky" is x times the constant below 0, "elu" the constant times (e^x - 1) there, "celu" the constant times
    (e^(x / constant) - 1), and "silu" x sigmoid(constant x).
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
        bent = self.kind in ("leaky", "elu", "celu") and bool((self.constant < 0).any())
        return self.kind in MONOTONE and not bent

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The float32 result on float32 values ``[..., channels]``."""
        return OPERATIONS[self.kind](x, self.constant).astype(np.float32)

    size = 1

    @property
    def constants(self) -> tuple[np.ndarray, ...]:
        return (self.constant,)

    @property
    def form(self) -> str:
        """What it computes, whatever its constants."""
        return self.kind

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Operation:
        """The same with its constant passed through ``move``."""
        return Operation(self.kind, move(self.constant))

    def trace(self, x: np.ndarray) -> list[np.ndarray]:
        """Every value on the way, the result last."""
        return [self(x)]


@dataclass(frozen=True, eq=False)
class Fork:
    """``kind`` (of :data:`JOINS`) of two expressions of the running value, each of steps or of none.

    So ``x * sigmoid(x)`` is "mul" of no step and of one. It is taken for not monotone: nobody knows without trying.
    """

    kind: str
    left: tuple[Step, ...]
    right: tuple[Step, ...]
    size: int = field(init=False)
    """Operations that are carried out; what both expressions have in them counts twice."""

    def __post_init__(self):
        if self.kind not in JOINS:
            raise ValueError(f"a fork's kind must be one of {', '.join(JOINS)}, not {self.kind!r}")
        object.__setattr__(self, "size", 1 + sum(step.size for step in (*self.left, *self.right)))

    monotone = False

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The float32 result on float32 values ``[..., channels]``."""
        return self.trace(x)[-1]

    def trace(self, x: np.ndarray) -> list[np.ndarray]:
        """Every value on the way: those on the left, those on the right, the result last."""
        values, ends = [], []
        for steps in (self.left, self.right):
            ends.append(x)
            for step in steps:
                values.extend(step.trace(ends[-1]))
                ends[-1] = values[-1]
        return [*values, OPERATIONS[self.kind](*ends).astype(np.float32)]

    @property
    def constants(self) -> tuple[np.ndarray, ...]:
        """All constants within it, those on the left first."""
        return tuple(constant for step in (*self.left, *self.right) for constant in step.constants)

    @property
    def form(self) -> str:
        """What it computes, whatever its constants."""
        left, right = (" ".join(step.form for step in steps) for steps in (self.left, self.right))
        return f"{self.kind}({left}; {right})"

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Fork:
        """The same with all of its ``constants`` passed through ``move``, in order."""
        left, right = (tuple(step.moved(move) for step in steps) for steps in (self.left, self.right))
        return Fork(self.kind, left, right)


Step = Operation | Fork
