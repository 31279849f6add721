"""Pipelining: how much logic a unit with weights has between two registers, chosen by one number.

The critical path of such a unit begins at a memory (block RAM is slow to answer: 5.8 ns on an ECP5 without its output
register) and goes through a popcount or an adder tree. Each degree cuts it shorter, for registers and cycles of
latency; the initiation interval stays, and schedules follow, so that cycles are predicted as exactly as before.
Thresholds, tables and requantisations, which read memories, too, have the degree of the layers before them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEGREES", "Pipeline", "check_pipeline"]


@dataclass(frozen=True)
class Pipeline:
    """What lies between two registers at most.

    Parameters
    ----------
    reads
        Registers more behind what memories gave: 0 or 1.
    counted
        Bits that one popcount counts between two registers; None is all of them.
    levels
        Levels of an adder tree.
    """

    reads: int
    counted: int | None
    levels: int


DEGREES = (Pipeline(0, None, 4), Pipeline(1, None, 4), Pipeline(1, 16, 2), Pipeline(1, 6, 1))
"""What each degree of pipelining means; 0 is what units have if nothing is said."""


def check_pipeline(degree: int) -> int:
    """The degree, or ``ValueError``."""
    if isinstance(degree, bool) or not isinstance(degree, int) or not 0 <= degree < len(DEGREES):
        raise ValueError(f"pipeline must be a degree from 0 to {len(DEGREES) - 1}, not {degree!r}")
    return degree
