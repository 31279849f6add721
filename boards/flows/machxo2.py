"""MachXO2: Yosys, nextpnr-machxo2, xo2pack. PyPI's nextpnr holds the LCMXO2-1200 alone."""

from __future__ import annotations

from collections.abc import Mapping

from ..board import Board, Pin
from ..family import MACHXO2
from .flow import Flow, lpf

__all__ = ["MachXo2"]


class MachXo2(Flow):
    """Constraints are LPF. Lookup tables, and those that carries and distributed memory take, are counted."""

    family = MACHXO2
    router, packer = "yowasp-nextpnr-machxo2", "yowasp-xo2pack"
    constraints_end, bitstream_end = ".lpf", ".bit"
    cells = {"luts": {"TRELLIS_COMB": 1}, "block_rams": {"DP8KC": 1}}

    def synthesis(self, board: Board, top: str) -> str:
        return f"synth_lattice -family xo2 -top {top} -nowidelut"

    def constraints(self, board: Board, ports: Mapping[str, Pin]) -> str:
        return lpf(board, ports)

    def place(self, board: Board, top: str) -> list[str]:
        return ["--device", board.part, "--lpf", f"{top}.lpf", "--textcfg", f"{top}.config"]

    def pack(self, board: Board, top: str) -> list[str]:
        return ["--compress", f"{top}.config", f"{top}.bit"]
