"""What a folding is to reach: a frame rate, a budget of a device, or both; read from what users say."""

from __future__ import annotations

from dataclasses import dataclass

from ..boards.catalogue import BOARDS, find
from ..boards.device import DEVICES, UNLIMITED, Budget
from ..boards.family import FAMILIES
from ..errors import UserError
from .folding import cycles_for

__all__ = ["Goal", "check_clock", "read_goal"]

_OPTIONS = {"luts": "--luts", "bram": "--bram", "dsp": "--dsp"}


@dataclass(frozen=True)
class Goal:
    """At most ``cycles`` a frame, and at most the ``budget``, on a device ``family``. ``device`` names whose it is."""

    family: str
    cycles: int | None = None
    budget: Budget = UNLIMITED
    device: str | None = None

    @property
    def asks(self) -> bool:
        """Whether it decides a folding."""
        return self.cycles is not None or bool(self.budget)

    def to_json(self) -> dict:
        """The fields, as plain JSON."""
        return {"family": self.family, "device": self.device, "cycles": self.cycles,
                "budget": dict(zip(("luts", "block_rams", "dsps"), self.budget.limits, strict=True))}


def check_clock(mhz: float) -> None:
    """Raise ``UserError`` unless a clock is of a frequency that hardware may have."""
    if not 0 < mhz <= 10_000:
        raise UserError(f"a clock of {mhz:g} MHz is out of range", where="--clock",
                        remedy="say MHz, as in --clock 50")


def read_goal(*, fps: float | None = None, clock: float = 50.0, luts: int | None = None, bram: int | None = None,
              dsp: int | None = None, board: str | None = None, family: str | None = None,
              lut: int | None = None) -> Goal | None:
    """The goal that options say, or None where none is said.

    Numbers take the place of the board's. Without a board or a family, ``lut``, the inputs of its lookup tables, tells
    the family: ECP5 (4, or None) or 7 series (6).

    Raises
    ------
    UserError
        If there is no such board or family, they disagree, or a number is out of range.
    """
    check_clock(clock)
    if all(option is None for option in (fps, luts, bram, dsp, board, family)):
        return None
    if family is not None and family not in FAMILIES:
        raise UserError(f"no device family is called {family!r}", where="--family",
                        remedy=f"say one of {', '.join(FAMILIES)}")
    device = None if board is None else find(board)
    if board is not None and device is None:
        raise UserError(f"no device or board is called {board!r}", where="--board",
                        remedy=f"say one of {', '.join((*DEVICES, *BOARDS))}, or --family with --luts, --bram, --dsp")
    if device is not None and family not in (None, device.family.name):
        raise UserError(f"{board} is an {device.family.name}", where="--family", remedy="leave --family out")
    for name, limit in (("luts", luts), ("bram", bram), ("dsp", dsp)):
        if limit is not None and limit < 0:
            raise UserError(f"a budget must be at least 0, not {limit}", where=_OPTIONS[name])
    limits = (None, None, None) if device is None else device.budget.limits
    budget = Budget(*(own if said is None else said for said, own in zip((luts, bram, dsp), limits, strict=True)))
    chosen = device.family.name if device else family or ("xc7" if lut == 6 else "ecp5")
    return Goal(chosen, None if fps is None else cycles_for(fps, clock), budget, device and device.name)
