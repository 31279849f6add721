"""7 series' PLL: Xilinx UG472, "7 Series FPGAs Clocking Resources"; limits of speed grade 1 from DS181, DS187."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from .pll import Pll, nearest

__all__ = ["xc7"]


def _settings(reference: Fraction) -> Iterator[tuple[Fraction, tuple[int, int, int]]]:
    for divide in range(1, 57):
        detector = reference / divide
        if not 19 <= detector <= 450:
            continue
        for multiply in range(2, 65):
            vco = detector * multiply
            if not 800 <= vco <= 1600:
                continue
            for output in range(1, 129):
                if Fraction("6.25") <= vco / output <= 800:
                    yield vco / output, (divide, multiply, output)


def xc7(reference: Fraction, wanted: Fraction) -> Pll:
    """PLLE2_BASE: out = in x CLKFBOUT_MULT / (DIVCLK_DIVIDE x CLKOUT0_DIVIDE).

    19 to 450 MHz at the phase detector, 800 to 1600 MHz at the oscillator, 6.25 to 800 MHz out.
    """
    output, (divide, multiply, out) = nearest(wanted, _settings(reference), "7 series' PLL",
                                              f"6.25 to 800 MHz from {float(reference):g}")
    return Pll(
        "PLLE2_BASE", reference, output, {
            "CLKIN1_PERIOD": f"{float(1000 / reference):.3f}", "DIVCLK_DIVIDE": divide, "CLKFBOUT_MULT": multiply,
            "CLKOUT0_DIVIDE": out},
        clock_in="CLKIN1", clock_out="CLKOUT0", locked="LOCKED", feedback=("CLKFBIN", "CLKFBOUT"),
        tied={"RST": 0, "PWRDWN": 0})
