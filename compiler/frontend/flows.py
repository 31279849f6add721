"""What the importer knows of a tensor while it walks the graph.

A tensor is a constant, a quantised constant (weights), a float32 expression of integers, or the codes of a quantiser.
Shapes have the batch axis, which is 1; elements are always counted in C order, so a reshape changes nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..float32 import Chain
from ..ir import Value

__all__ = ["Codes", "Constant", "Expression", "Flow", "Weights"]


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers that do not depend on the input."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape


@dataclass(frozen=True, eq=False)
class Weights:
    """Quantised constants: ``codes`` (int64) times ``scale`` (float32, of the same shape)."""

    codes: np.ndarray
    scale: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape


@dataclass(frozen=True, eq=False)
class Expression:
    """float32 values: ``chain`` of the integer value ``base``.

    Where ``base`` is None the chain starts at the model's own float32 input, whose codes are not declared.
    ``nodes`` are the names of the QONNX nodes that made it.
    """

    base: Value | None
    chain: Chain
    shape: tuple[int, ...]
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Codes:
    """Integers ``value``, each worth ``scale`` (float64, or the exact input scale) in the model's units."""

    value: Value
    scale: np.ndarray | Fraction
    shape: tuple[int, ...]

    def expression(self) -> Expression:
        return Expression(self.value, Chain(self.scale), self.shape)


Flow = Constant | Weights | Expression | Codes


def elements(shape: tuple[int, ...]) -> int:
    """How many elements one frame has."""
    return math.prod(shape[1:])
