"""The boards: one small file each. Found by listing this folder, so that a new board is a new file."""

from __future__ import annotations

import importlib
import pkgutil

from ..board import Board
from ..device import DEVICES, Device

__all__ = ["BOARDS", "find", "find_board"]


def _listed() -> dict[str, Board]:
    boards = [board for module in sorted(each.name for each in pkgutil.iter_modules(__path__))
              for board in importlib.import_module(f"{__name__}.{module}").BOARDS]
    return {board.name: board for board in boards}


BOARDS: dict[str, Board] = _listed()
"""Every board, by name, in the order of their files."""


def find_board(name: str) -> Board | None:
    """The board of that name, or None."""
    return BOARDS.get(name)


def find(name: str) -> Device | None:
    """The device of that name, or on the board of that name; None if there is neither."""
    board = BOARDS.get(name)
    return DEVICES.get(name) if board is None else board.device
