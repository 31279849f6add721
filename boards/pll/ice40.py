"""iCE40's PLL: Lattice FPGA-TN-02052, "iCE40 sysCLOCK PLL Design and User Guide"."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from .pll import Pll, nearest

__all__ = ["ice40"]

# Upper ends, in MHz at the phase detector, of the loop filter's settings 1 to 5; 6 above.
_FILTERS = (17, 26, 44, 66, 101)


def _settings(reference: Fraction) -> Iterator[tuple[Fraction, tuple[int, int, int]]]:
    for divr in range(16):
        detector = reference / (divr + 1)
        if not 10 <= detector <= 133:
            continue
        for divf in range(128):
            vco = detector * (divf + 1)
            if not 533 <= vco <= 1066:
                continue
            for divq in range(1, 7):
                if 16 <= vco / 2**divq <= 275:
                    yield vco / 2**divq, (divr, divf, divq)


def ice40(reference: Fraction, wanted: Fraction, pad: bool) -> Pll:
    """Out = in x (DIVF + 1) / (2^DIVQ x (DIVR + 1)), simple feedback. The clock may come from the PLL's own ``pad``.

    10 to 133 MHz at the phase detector, 533 to 1066 MHz at the oscillator, 16 to 275 MHz out.
    """
    output, (divr, divf, divq) = nearest(wanted, _settings(reference), "iCE40's PLL",
                                         f"16 to 275 MHz from {float(reference):g}")
    detector = reference / (divr + 1)
    return Pll(
        "SB_PLL40_PAD" if pad else "SB_PLL40_CORE", reference, output, {
            "FEEDBACK_PATH": "SIMPLE", "DIVR": divr, "DIVF": divf, "DIVQ": divq,
            "FILTER_RANGE": 1 + sum(detector >= end for end in _FILTERS)},
        clock_in="PACKAGEPIN" if pad else "REFERENCECLK", clock_out="PLLOUTCORE", locked="LOCK",
        tied={"RESETB": 1, "BYPASS": 0})
