"""How a report says a number or a state, on the page and in the terminal."""

from __future__ import annotations

__all__ = ["count", "figure", "plural", "share", "state"]


def state(verification: dict | None) -> str:
    """``unverified``, ``verified`` or ``failed``."""
    if verification is None:
        return "unverified"
    return "failed" if verification["mismatches"] or verification["failure"] else "verified"


def count(number: float) -> str:
    """A number in full, with thousands separated."""
    return f"{number:,}"


def figure(number: float, digits: int = 3) -> str:
    """A rate or a time at a few significant digits: 781,250; 4.78; 0.34."""
    return f"{number:,.0f}" if abs(number) >= 10 ** (digits - 1) else f"{number:.{digits}g}"


def share(number: float) -> str:
    """A fraction as a percentage to a tenth, without the tenth where it is nothing or everything."""
    return f"{number:.0%}" if number in (0, 1) else f"{number:.1%}"


def plural(number: float, noun: str) -> str:
    """``1 cycle``, ``64 cycles``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
