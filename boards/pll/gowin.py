"""Gowin's PLL: UG286, "Gowin Clock"; limits from DS117 (GW1NR, C6/I5) and DS226 (GW2AR, C8/I7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from .pll import Pll, nearest

__all__ = ["gowin"]


@dataclass(frozen=True)
class _Limits:
    """In MHz: phase detector, oscillator, output."""

    detector: tuple[int, int]
    vco: tuple[int, int]
    output: tuple[Fraction, int]
    name: str


_LIMITS = {
    "gw1nr-9": _Limits((3, 400), (400, 1200), (Fraction("3.125"), 600), "GW1N-9C"),
    "gw2ar-18": _Limits((3, 500), (500, 1250), (Fraction("3.90625"), 625), "GW2A-18C"),
}
_OUTPUTS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


def _settings(reference: Fraction, limits: _Limits) -> Iterator[tuple[Fraction, tuple[int, int, int]]]:
    for idiv in range(64):
        detector = reference / (idiv + 1)
        if not limits.detector[0] <= detector <= limits.detector[1]:
            continue
        for fbdiv in range(64):
            output = detector * (fbdiv + 1)
            if not limits.output[0] < output < limits.output[1]:
                continue
            for odiv in _OUTPUTS:
                if limits.vco[0] < output * odiv < limits.vco[1]:
                    yield output, (idiv, fbdiv, odiv)


def gowin(device: str, reference: Fraction, wanted: Fraction) -> Pll:
    """Out = in x (FBDIV_SEL + 1) / (IDIV_SEL + 1), the oscillator being ODIV_SEL times that."""
    limits = _LIMITS[device]
    output, (idiv, fbdiv, odiv) = nearest(
        wanted, _settings(reference, limits), "Gowin's PLL",
        f"{float(limits.output[0]):g} to {limits.output[1]} MHz from {float(reference):g}")
    return Pll(
        "rPLL", reference, output, {
            "DEVICE": limits.name, "FCLKIN": f"{float(reference):g}", "IDIV_SEL": idiv, "FBDIV_SEL": fbdiv,
            "ODIV_SEL": odiv, "DYN_IDIV_SEL": "false", "DYN_FBDIV_SEL": "false", "DYN_ODIV_SEL": "false",
            "CLKFB_SEL": "internal"},
        clock_in="CLKIN", clock_out="CLKOUT", locked="LOCK",
        tied={"RESET": 0, "RESET_P": 0, "CLKFB": 0, "FBDSEL": 0, "IDSEL": 0, "ODSEL": 0, "PSDA": 0, "DUTYDA": 0,
              "FDLY": 0})
