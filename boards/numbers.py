"""A unit as the cost model sees it: numbers that its lookup tables follow, its memories, its multipliers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .memory import Memory

__all__ = ["Descriptions", "Number", "Product", "Unit", "address_bits"]

Number = Any
"""A number, or an array of them."""


@dataclass(frozen=True, eq=False)
class Product:
    """``count`` multipliers of ``a`` by ``b`` bits; ``fixed`` where one of the factors never changes."""

    count: Number
    a: int
    b: int
    fixed: Number = False


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit of a ``kind``: ``numbers`` by name, which a fitted model weighs, memories and multipliers."""

    kind: str
    numbers: dict[str, Number]
    memories: tuple[Memory, ...] = ()
    products: tuple[Product, ...] = ()


Descriptions = dict[type, Callable[[Any, int], Unit]]
"""By the type of a unit's parameters, how it is described: from them and the bits of a lane at its first input."""


def address_bits(count: Number) -> Number:
    """Bits of a counter of so many values; 0 of one."""
    return np.ceil(np.log2(np.maximum(count, 1)))
