"""What lookup tables, memories and multipliers of a unit depend on: numbers that a fitted model weighs.

Each kind of unit is described by a few sums that follow its structure: bits compared, bits added, bits picked by
multiplexers, bits of its counters.
"""

from __future__ import annotations

from typing import Any

from .features_moves import MOVES
from .features_points import POINTS
from .features_rows import ROWS
from .features_sparse import SPARSE
from .numbers import Descriptions, Unit

__all__ = ["DESCRIPTIONS", "describe"]

DESCRIPTIONS: Descriptions = MOVES | POINTS | ROWS | SPARSE
"""How each kind of unit is described."""


def describe(parameters: Any, bits: int) -> Unit:
    """A unit's numbers; ``bits`` are those of a lane at its first input."""
    return DESCRIPTIONS[type(parameters)](parameters, bits)
