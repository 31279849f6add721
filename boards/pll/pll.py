"""What a PLL is to the rest: a cell with its settings, the frequency that comes out, and how it is wired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

from amaranth.hdl import Instance, Signal

from ...errors import UserError

__all__ = ["Pll", "mhz", "nearest"]


@dataclass(frozen=True)
class Pll:
    """A PLL cell, set up.

    Parameters
    ----------
    cell
        What the family calls it.
    input_mhz, output_mhz
        Frequencies, exact.
    parameters
        The cell's settings.
    clock_in, clock_out, locked
        Names of the cell's ports.
    feedback
        A port that takes the output, "" if there is none; one of the cell's own outputs may feed it, named second.
    tied
        Ports that are held at a constant.
    """

    cell: str
    input_mhz: Fraction
    output_mhz: Fraction
    parameters: Mapping[str, int | str]
    clock_in: str
    clock_out: str
    locked: str
    feedback: tuple[str, str] = ("", "")
    tied: Mapping[str, int] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)

    def instance(self, clock_in: Signal, clock_out: Signal, locked: Signal) -> Instance:
        """The cell, from ``clock_in`` to ``clock_out``; ``locked`` is up while the output is good."""
        into, out_of = self.feedback
        wires = {}
        if into:
            loop = clock_out if not out_of else Signal(name="pll_feedback")
            wires[f"i_{into}"] = loop
            if out_of:
                wires[f"o_{out_of}"] = loop
        return Instance(
            self.cell, **{f"p_{name}": value for name, value in self.parameters.items()},
            **{f"a_{name}": value for name, value in self.attributes.items()},
            **{f"i_{name}": value for name, value in self.tied.items()},
            **{f"i_{self.clock_in}": clock_in, f"o_{self.clock_out}": clock_out, f"o_{self.locked}": locked}, **wires)


def mhz(value: Fraction | float | str) -> Fraction:
    """A frequency as an exact number: what a person writes, to the hertz."""
    return Fraction(value).limit_denominator(1_000_000)


_Setting = TypeVar("_Setting")


def nearest(wanted: Fraction, settings: Iterable[tuple[Fraction, _Setting]], what: str, limits: str,
            ) -> tuple[Fraction, _Setting]:
    """The setting whose frequency comes nearest; the first of those that are equally near.

    Raises
    ------
    UserError
        If none comes within a twentieth of it. The message names ``what`` PLL, and its ``limits``.
    """
    best = min(settings, key=lambda each: abs(each[0] - wanted), default=None)
    if best is None or abs(best[0] - wanted) * 20 > wanted:
        near = "" if best is None else f"; {float(best[0]):.4g} MHz comes nearest"
        raise UserError(f"{what} makes no {float(wanted):g} MHz ({limits})", where="--clock",
                        remedy=f"ask for another clock{near}")
    return best
