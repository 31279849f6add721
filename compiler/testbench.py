"""The build folder's ``tb/``: a cocotb bench of the AXI4-Stream module, with vectors, that a user runs with ``make``."""

from __future__ import annotations

from .design import Design

__all__ = ["files"]


def files(design: Design) -> dict[str, bytes]:
    return {}
