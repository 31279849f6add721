"""The errors that a person reads: one line each, saying what, where and what to do.

This module imports nothing and stands below every layer; ``hdl`` does not use it (its units raise ``ValueError`` and
``TypeError`` like any Amaranth library).
"""

from __future__ import annotations

__all__ = ["GatewrightError", "MismatchError", "UserError"]


class GatewrightError(Exception):
    """Base of everything Gatewright raises on purpose. ``exit_code`` is what the command line ends with."""

    exit_code = 2


class UserError(GatewrightError):
    """Bad or unsupported input: a file, a model, an option, a missing tool. The message is one line."""

    def __init__(self, what: str, *, where: str = "", remedy: str = ""):
        self.what, self.where, self.remedy = what, where, remedy
        line = f"{where}: {what}" if where else what
        super().__init__(" ".join(f"{line}; {remedy}".split()) if remedy else " ".join(line.split()))


class MismatchError(GatewrightError):
    """Two sides of the chain of equalities differ, or a cycle was not the predicted one.

    ``verification`` is the record of the verification that found it, where there was one.
    """

    exit_code = 1
    verification: object = None
