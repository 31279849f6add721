"""The build folder's ``tb/``: a cocotb bench of the AXI4-Stream module, with vectors, run with ``make``."""

from __future__ import annotations

from .compiled import Compiled

__all__ = ["files"]


def files(design: Compiled) -> dict[str, bytes]:
    return {}
