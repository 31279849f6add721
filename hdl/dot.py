"""Lanes: how one weight is coded in bits, and what its product with an activation costs. Integers only, no gates.

A unit looks at the weights that it was given and takes the cheapest lane that can hold them all; a lane may be forced.

=============  ==========================================  =========================================================
lane           weights; activations                        arithmetic
=============  ==========================================  =========================================================
"xnor"         -1, +1; bipolar                             XNOR and popcount
"gated xnor"   -1, 0, +1; bipolar                          the same behind a mask: what is 0 never toggles
"planes"       any; any                                    an AND or XNOR and a popcount for each pair of bits
"add"          -1, 0, +1 and any, either way round         adds or subtracts
"shift"        0, +-2**p; not bipolar                      shifts, then adds or subtracts
"multiply"     any; not bipolar                            a multiplier, which synthesis puts into a DSP block
"levels"       up to three values beside 0; any            sums for each value by popcounts, each multiplied at the end
"serial"       any; two bits or more                       "planes" of one bit of the activations a cycle, highest first
=============  ==========================================  =========================================================

What a lane takes, of 4 x 32 in a whole unit, as counted by ``python -m bench.lut_per_lane --lanes 32 --families
ecp5,xc7 --lane LANE --weights W --input I`` (Yosys 0.70), in lookup tables on ECP5 and on 7 series:

===========================================  =====  =====
xnor, bipolar x bipolar                        2.9    1.9
gated xnor, ternary x bipolar                  3.3    3.1
planes, bipolar x uint4                       10.8    7.2
planes, int4 x uint4                          40.6   37.3
add, ternary x uint4                          11.4    8.4
shift, power4 x uint4                         26.1   17.6
levels, levels x uint4                        22.4   20.8
serial, int4 x uint4, in four times as long   10.5    8.4
multiply, int8 x int8, and a multiplier       19.4    9.7
multiply --packed, int4 x uint4, half of one   14.5   12.5
===========================================  =====  =====

Bit planes: Umuroglu, Rasnayake and Sjalander, "BISMO: a scalable bit-serial matrix multiplication overlay for
reconfigurable computing", FPL 2018. Shifts: Zhou et al., "Incremental network quantization", ICLR 2017. Levels: Zhu,
Han, Mao and Dally, "Trained ternary quantization", ICLR 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .number import IntType

__all__ = ["LANES", "Lane", "choose_lane"]

LANES = ("xnor", "gated xnor", "planes", "add", "shift", "multiply", "levels", "serial")

# Up to so many bits of an activation, popcounts take fewer lookup tables than adders with weights of one and two bits;
# and up to so many pairs of bits they are worth no multiplier.
_SIGN_PLANES, _TERNARY_PLANES, _PLANES = 4, 2, 16
# Distinct weights that "levels" can tell apart beside 0, and the bits from which it is worth a multiplier at the end.
_LEVELS, _WIDE = 3, 4


@dataclass(frozen=True)
class Lane:
    """A kind of lane and the coding of its weights.

    ``coding`` says what the ``bits`` of a weight are, lowest first:

    - "sign": 1 for +1, 0 for -1;
    - "ternary": whether it is not 0, whether it is +1;
    - "binary": the integer itself, of type ``weight``;
    - "power": whether it is not 0, whether it is positive, then the place of its magnitude in ``values``;
    - "level": its place in ``values``, counted from 1, or 0 for the weight 0.

    ``values`` of a binary coding are the smallest and the largest weight, where they are known more narrowly than
    ``weight`` says. With ``loadable`` weights nothing may depend on which weights they are, but on ``weight`` or
    ``values`` alone.
    """

    kind: str
    coding: str
    input: IntType
    weight: IntType
    values: tuple[int, ...] = ()
    loadable: bool = False

    @property
    def bits(self) -> int:
        """Bits of a weight."""
        match self.coding:
            case "sign":
                return 1
            case "ternary":
                return 2
            case "power":
                return 2 + (len(self.values) - 1).bit_length()
            case "level":
                return len(self.values).bit_length()
            case _:
                return self.weight.bits

    @property
    def padding(self) -> int:
        """The code of a weight that adds nothing where the activation's bits are 0."""
        return 1 if self.coding == "sign" else 0

    @property
    def bit_phases(self) -> int:
        """Cycles that the bits of the activations need."""
        return self.input.bits if self.kind == "serial" else 1

    @property
    def by_planes(self) -> bool:
        """Whether products are counted bit by bit."""
        return self.kind in ("xnor", "gated xnor", "planes", "serial", "levels")

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest weight that may come."""
        match self.coding:
            case "sign" | "ternary":
                return -1, 1
            case "power":
                return -self.values[-1], self.values[-1]
            case "level":
                return min(0, self.values[0]), max(0, self.values[-1])
            case _:
                return (self.values[0], self.values[-1]) if self.values else (self.weight.lo, self.weight.hi)

    @property
    def gains(self) -> tuple[int, ...]:
        """What the sums that are accumulated are worth: one factor for all, or one for each of ``values``."""
        match self.coding:
            case "level":
                return tuple(value * self.indicator.gains[0] for value in self.values)
            case "power":
                return (self.values[0],)
            case coding if self.input.bipolar:
                # Bipolar activations are 2 b - 1. Where weights may change, the -1 cannot be made up for afterwards.
                return (1 if self.loadable and coding != "sign" else 2,)
            case _:
                return (1,)

    @property
    def exact(self) -> bool:
        """Whether sums are dot products, times the gain, without an offset that the weights determine."""
        return self.kind == "multiply" or (self.kind in ("add", "shift") and self.loadable)

    @property
    def indicator(self) -> Lane:
        """For "levels": the lane of weights 0 and 1 that says where one of ``values`` is."""
        return Lane("planes", "binary", self.input, IntType(1), loadable=self.loadable)

    def encode(self, weights: np.ndarray) -> np.ndarray:
        """The codes of weights, int64 of the same shape.

        Raises
        ------
        ValueError
            If the lane cannot hold a weight.
        """
        weights = np.asarray(weights, dtype=np.int64)
        if not self._holds(weights):
            raise ValueError(f"weights of this {self.kind} lane must be {self._allowed()}, not {weights.min()} to "
                             f"{weights.max()}")
        match self.coding:
            case "sign":
                return (weights > 0).astype(np.int64)
            case "ternary":
                return (weights != 0) | (weights > 0).astype(np.int64) << 1
            case "power":
                place = np.searchsorted(self.values, np.abs(weights))
                return np.where(weights == 0, 0, 1 | (weights > 0).astype(np.int64) << 1 | place << 2)
            case "level":
                place = np.searchsorted(self.values, weights)
                return np.where(weights == 0, 0, place + 1)
            case _:
                return weights & (1 << self.bits) - 1

    def _holds(self, weights: np.ndarray) -> bool:
        match self.coding:
            case "sign":
                return bool((np.abs(weights) == 1).all())
            case "ternary":
                return bool((np.abs(weights) <= 1).all())
            case "power":
                return bool(np.isin(np.abs(weights), (0, *self.values)).all())
            case "level":
                return bool(np.isin(weights, (0, *self.values)).all())
            case _:
                return self.weight.holds(weights)

    def _allowed(self) -> str:
        match self.coding:
            case "sign":
                return "-1 and +1"
            case "ternary":
                return "-1, 0 and +1"
            case "power":
                return f"0 and +-{', +-'.join(map(str, self.values))}"
            case "level":
                return f"0, {', '.join(map(str, self.values))}"
            case _:
                return str(self.weight)


def choose_lane(weights: np.ndarray, activations: IntType, kind: str | None = None, *, loadable: bool = False,
                weight: IntType | tuple[int, int] | None = None) -> Lane:
    """The cheapest lane for these weights, or the one that is asked for.

    ``loadable`` weights may become any that the lane's coding holds: if ``weight`` is given, any of that type, or from
    the first to the second.

    Raises
    ------
    ValueError
        If there is no such lane, or it can hold neither these weights nor these activations.
    """
    values = np.unique(weights)
    declared = weight is not None
    if isinstance(weight, IntType):
        if not weight.holds(values):
            raise ValueError(f"weights must be of {weight}, not {values[0]} to {values[-1]}")
        values = np.array([-1, 1]) if weight.bipolar else np.arange(weight.lo, weight.hi + 1)
    elif weight is not None:
        if values[0] < weight[0] or values[-1] > weight[1]:
            raise ValueError(f"weights must lie from {weight[0]} to {weight[1]}, not {values[0]} to {values[-1]}")
        values = np.arange(weight[0], weight[1] + 1)
    weight = IntType.spanning(int(values[0]), int(values[-1]))
    signs = set(values.tolist()) <= {-1, 1}
    ternary = set(values.tolist()) <= {-1, 0, 1}
    some = tuple(int(v) for v in values if v)
    powers = tuple(sorted({abs(v) for v in some})) or (1,)
    are_powers = all(power & (power - 1) == 0 for power in powers)
    simple = "sign" if signs else "ternary" if ternary else "binary"
    if kind is None:
        if activations.bipolar:
            kind = ("xnor" if signs else "gated xnor" if ternary
                    else "levels" if len(some) <= _LEVELS and weight.bits > _WIDE else "planes")
        elif ternary:
            kind = "planes" if activations.bits <= (_SIGN_PLANES if signs else _TERNARY_PLANES) else "add"
        elif len(some) <= _LEVELS and weight.bits > _WIDE:
            kind = "levels"
        elif activations.bits * weight.bits <= _PLANES:
            kind = "planes"
        else:
            kind = "shift" if are_powers else "multiply"
    able = {
        "xnor": activations.bipolar and signs,
        "gated xnor": activations.bipolar and ternary,
        "planes": True,
        "add": activations.bipolar or ternary,
        "shift": are_powers and not activations.bipolar,
        "multiply": not activations.bipolar,
        "levels": 1 <= len(some) <= _LEVELS,
        "serial": activations.bits > 1,
    }
    if kind not in able:
        raise ValueError(f"lane must be one of {', '.join(LANES)}, not {kind!r}")
    if not able[kind]:
        raise ValueError(f"a {kind} lane cannot multiply {activations} by these weights, {values[0]} to {values[-1]}")
    coding = {"xnor": "sign", "gated xnor": "ternary", "shift": "power", "multiply": "binary", "levels": "level"}.get(
        kind, simple)
    if kind == "add" and activations.bipolar:
        coding = "binary"
    ends = () if loadable and not declared else (int(values[0]), int(values[-1]))
    kept = {"power": powers, "level": some, "binary": ends}.get(coding, ())
    return Lane(kind, coding, activations, weight, kept, loadable)
