"""Flows from Verilog to a bitstream, one file a family."""

from __future__ import annotations

from ..board import Board
from .ecp5 import Ecp5
from .flow import Flow
from .gatemate import GateMate
from .gowin import Gowin
from .ice40 import Ice40
from .machxo2 import MachXo2
from .nexus import Nexus
from .xc7 import Xc7

__all__ = ["FLOWS", "Flow", "flow_for"]

FLOWS: dict[str, Flow] = {flow.family.name: flow for flow in (
    Ice40(), Ecp5(), Gowin(), GateMate(), Nexus(), MachXo2(), Xc7())}
"""Every flow, by the family's name."""


def flow_for(board: Board) -> Flow:
    """The flow of a board's family."""
    return FLOWS[board.device.family.name]
