"""Integer types: what one lane carries. The one home of bits, signs and ranges, for gates and compiler alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["BIPOLAR", "IntType"]


@dataclass(frozen=True)
class IntType:
    """A range of integers and the bits that carry it.

    ``bipolar`` is {-1, +1} in one bit, 0 for -1; otherwise two's complement (``signed``) or plain binary of ``bits``.
    """

    bits: int
    signed: bool = False
    bipolar: bool = False

    def __post_init__(self):
        if self.bits < 1 or (self.bipolar and (self.bits != 1 or self.signed)):
            raise ValueError(f"no such integer type: {self.bits} bits, signed={self.signed}, bipolar={self.bipolar}")

    @classmethod
    def spanning(cls, lo: int, hi: int) -> IntType:
        """The narrowest plain type that holds every integer from ``lo`` to ``hi``."""
        if lo > hi:
            raise ValueError(f"an interval needs lo <= hi, not {lo} and {hi}")
        if lo >= 0:
            return cls(max(1, int(hi).bit_length()))
        return cls(max(int(max(hi, 0)).bit_length(), int(-lo - 1).bit_length()) + 1, signed=True)

    @property
    def lo(self) -> int:
        return -1 if self.bipolar else -(1 << self.bits - 1) if self.signed else 0

    @property
    def hi(self) -> int:
        return 1 if self.bipolar else (1 << self.bits - self.signed) - 1

    def holds(self, codes: np.ndarray) -> bool:
        """Whether every integer of the array is of this type."""
        return bool(np.all(np.abs(codes) == 1) if self.bipolar else np.all((codes >= self.lo) & (codes <= self.hi)))

    def __str__(self) -> str:
        return "bipolar" if self.bipolar else f"{'int' if self.signed else 'uint'}{self.bits}"


BIPOLAR = IntType(1, bipolar=True)
