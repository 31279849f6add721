"""GateMate's PLL: Cologne Chip UG1001, "Primitives library", CC_PLL, and DS1001."""

from __future__ import annotations

from fractions import Fraction

from .pll import Pll, nearest

__all__ = ["gatemate"]


def gatemate(reference: Fraction, wanted: Fraction) -> Pll:
    """CC_PLL is told its frequencies and finds its own dividers; it hits any whole tenth of a MHz.

    Input to 50 MHz; output to 416.75 MHz at full speed (1.1 V), 312.5 MHz in economy (1.0 V), which is what boards
    run at, and 250 MHz in low power. Economy is asked for.
    """
    # A quarter of the fastest oscillator above, some 16 oscillator periods below.
    settings = ((Fraction(tenths, 10), tenths) for tenths in range(10, 3126)) if reference <= 50 else ()
    output, _ = nearest(wanted, settings, "GateMate's PLL", "1 to 312.5 MHz in steps of 0.1, from at most 50")
    return Pll(
        "CC_PLL", reference, output, {
            "REF_CLK": f"{float(reference):g}", "OUT_CLK": f"{float(output):.1f}", "PERF_MD": "ECONOMY",
            "LOW_JITTER": 1, "CI_FILTER_CONST": 2, "CP_FILTER_CONST": 4, "LOCK_REQ": 1},
        clock_in="CLK_REF", clock_out="CLK0", locked="USR_PLL_LOCKED",
        tied={"CLK_FEEDBACK": 0, "USR_CLK_REF": 0, "USR_LOCKED_STDY_RST": 0})
