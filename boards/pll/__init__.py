"""PLLs: the clock that is asked for, made from the clock that a board has. One file a family (Lattice's two share)."""

from __future__ import annotations

from fractions import Fraction

from ...errors import UserError
from ..board import Board
from .gatemate import gatemate
from .gowin import gowin
from .ice40 import ice40
from .lattice import ecp5, machxo2
from .pll import Pll, mhz
from .xc7 import xc7

__all__ = ["Pll", "pll_for"]

_SOLVERS = {"ecp5": ecp5, "gatemate": gatemate, "machxo2": machxo2, "xc7": xc7}


def pll_for(board: Board, clock_mhz: Fraction | float | str) -> Pll | None:
    """The PLL that makes a clock from a board's oscillator; None where the oscillator is that clock.

    Raises
    ------
    UserError
        If the family's PLL cannot make anything near it, or the family's PLL is not known here.
    """
    reference, wanted = mhz(board.clock_mhz), mhz(clock_mhz)
    if wanted <= 0:
        raise UserError(f"a clock of {float(wanted):g} MHz is out of range", where="--clock",
                        remedy="say MHz, as in --clock 50")
    if reference == wanted:
        return None
    family = board.device.family.name
    if family == "ice40":
        return ice40(reference, wanted, board.pll_pad)
    if family == "gowin":
        return gowin(board.device.name, reference, wanted)
    if family not in _SOLVERS:
        raise UserError(f"no PLL of {board.device.family.title} is known here", where="--clock",
                        remedy=f"ask for the oscillator's {float(reference):g} MHz")
    return _SOLVERS[family](reference, wanted)
