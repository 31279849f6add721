"""The PLLs of ECP5 (Lattice FPGA-DS-02012, FPGA-TN-02200) and MachXO2 (FPGA-DS-02056, FPGA-TN-02157)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from .pll import Pll, nearest

__all__ = ["ecp5", "machxo2"]


@dataclass(frozen=True)
class _Limits:
    """In MHz: phase detector, oscillator, output; and how far the three dividers go (input, feedback, output)."""

    detector: tuple[Fraction, int]
    vco: tuple[int, int]
    output: tuple[Fraction, int]
    dividers: tuple[int, int, int]


_ECP5 = _Limits((Fraction("3.125"), 400), (400, 800), (Fraction(10), 400), (128, 80, 128))
_MACHXO2 = _Limits((Fraction(7), 400), (200, 800), (Fraction(10), 400), (40, 40, 128))


def _settings(reference: Fraction, wanted: Fraction,
              limits: _Limits) -> Iterator[tuple[Fraction, tuple[int, int, int]]]:
    """Dividers of the input, the feedback and the output: the oscillator as near as can be to the range's middle."""
    middle = sum(limits.vco) // 2
    inputs, feedbacks, outputs = limits.dividers
    for into in range(1, inputs + 1):
        detector = reference / into
        if not limits.detector[0] <= detector <= limits.detector[1]:
            continue
        for feedback in range(1, feedbacks + 1):
            out = detector * feedback
            if not limits.output[0] <= out <= limits.output[1] or abs(out - wanted) * 10 > wanted:
                continue
            dividers = [each for each in range(1, outputs + 1) if limits.vco[0] <= out * each <= limits.vco[1]]
            if dividers:
                yield out, (into, feedback, min(dividers, key=lambda each: abs(out * each - middle)))


def _pll(cell: str, reference: Fraction, wanted: Fraction, limits: _Limits, what: str, muxes: str,
         tied: dict[str, int]) -> Pll:
    output, (into, feedback, divider) = nearest(
        wanted, _settings(reference, wanted, limits), what,
        f"{float(limits.output[0]):g} to {limits.output[1]} MHz from {float(reference):g}")
    return Pll(
        cell, reference, output, {
            "PLLRST_ENA": "DISABLED", "INTFB_WAKE": "DISABLED", "STDBY_ENABLE": "DISABLED",
            "DPHASE_SOURCE": "DISABLED", "FEEDBK_PATH": "CLKOP", "CLKOP_ENABLE": "ENABLED",
            "CLKI_DIV": into, "CLKFB_DIV": feedback, "CLKOP_DIV": divider,
            # Half a period of the output, so that its edge and the input's coincide.
            "CLKOP_CPHASE": (divider - 1) // 2, "CLKOP_FPHASE": 0,
            **{f"OUTDIVIDER_MUX{letter}{muxes}": f"DIV{letter}" for letter in "ABCD"}},
        clock_in="CLKI", clock_out="CLKOP", locked="LOCK", feedback=("CLKFB", ""),
        tied={"RST": 0, "STDBY": 0, "PHASESEL0": 0, "PHASESEL1": 0, "PHASEDIR": 1, "PHASESTEP": 1, "PLLWAKESYNC": 0,
              "ENCLKOP": 0, **tied},
        # nextpnr takes the frequencies from here; the others are what Lattice's tool writes for the loop filter.
        attributes={"FREQUENCY_PIN_CLKI": f"{float(reference):g}", "FREQUENCY_PIN_CLKOP": f"{float(output):g}",
                    "ICP_CURRENT": "12", "LPF_RESISTOR": "8", "MFG_ENABLE_FILTEROPAMP": "1", "MFG_GMCREF_SEL": "2"})


def ecp5(reference: Fraction, wanted: Fraction) -> Pll:
    """Out = in / CLKI_DIV x CLKFB_DIV, the oscillator being CLKOP_DIV times that.

    3.125 to 400 MHz at the phase detector, 400 to 800 MHz at the oscillator, 10 to 400 MHz out.
    """
    return _pll("EHXPLLL", reference, wanted, _ECP5, "ECP5's PLL", "", {"PHASELOADREG": 1})


def machxo2(reference: Fraction, wanted: Fraction) -> Pll:
    """Likewise; 7 to 400 MHz at the phase detector, 200 to 800 MHz at the oscillator."""
    return _pll("EHXPLLJ", reference, wanted, _MACHXO2, "MachXO2's PLL", "2", {"LOADREG": 1})
