"""What a flow is: how a family's tools are called, and where their reports say what was used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from ..board import Board, Pin
from ..family import Family

__all__ = ["Flow", "lpf"]


class Flow(ABC):
    """From Verilog to a bitstream on one family. A file of this folder holds each; nothing here runs anything.

    ``router`` and ``packer`` are the tools' names, "" where there is none; ``constraints_end`` and ``bitstream_end``
    are how their files' names end. ``algorithms`` are the router's, the next one tried where one comes to no end; "" is
    its own choice. ``cells`` says which rows of nextpnr's report count as what: LUTs, block RAMs and
    DSPs, each row with its weight.
    """

    family: ClassVar[Family]
    router: ClassVar[str] = ""
    packer: ClassVar[str] = ""
    algorithms: ClassVar[tuple[str, ...]] = ("",)
    constraints_end: ClassVar[str]
    bitstream_end: ClassVar[str] = ""
    cells: ClassVar[dict[str, dict[str, float]]] = {}

    @abstractmethod
    def synthesis(self, board: Board, top: str) -> str:
        """Yosys' commands, one a line. Pads are put in; hierarchy is flattened, with names that tell of it."""

    @abstractmethod
    def constraints(self, board: Board, ports: Mapping[str, Pin]) -> str:
        """The text that says which pin each port of the top module is."""

    def place(self, board: Board, top: str) -> list[str]:
        """Arguments for the router, but for those that all share (netlist, clock, seed, report); if there is one."""
        return []

    def pack(self, board: Board, top: str) -> list[str]:
        """Arguments for the packer, which turns what the router wrote into a bitstream, if there is one."""
        return []

    def extras(self, board: Board, top: str) -> dict[str, str]:
        """Further files for tools that pip cannot install, by name; Verilog and memories lie in ``verilog/`` there."""
        return {}

    @property
    def reach(self) -> str:
        """How far it goes with what pip installs: "bitstream", or "script" for those who own the maker's tool."""
        return "bitstream" if self.router else "script"


def lpf(board: Board, ports: Mapping[str, Pin]) -> str:
    """Lattice's preference file, which ECP5 and MachXO2 share: each port's pin and pad, and the oscillator's MHz."""
    lines = []
    for port, pin in ports.items():
        pull = " PULLMODE=UP" if pin.pulled else ""
        lines += [f'LOCATE COMP "{port}" SITE "{pin.name}";',
                  f'IOBUF PORT "{port}" IO_TYPE={board.standard}{pull};']
    return "\n".join([*lines, f'FREQUENCY PORT "clk" {board.clock_mhz:g} MHZ;']) + "\n"
