"""GateMate: Yosys, nextpnr-himbaechel-gatemate, gmpack."""

from __future__ import annotations

from collections.abc import Mapping

from ..board import Board, Pin
from ..family import GATEMATE
from .flow import Flow

__all__ = ["GateMate"]


class GateMate(Flow):
    """Constraints are CCF. Halves of elements are counted, as lookup tables of four inputs; memories in 40 kbit."""

    family = GATEMATE
    router, packer = "yowasp-nextpnr-himbaechel-gatemate", "yowasp-gmpack"
    constraints_end, bitstream_end = ".ccf", ".bit"
    cells = {"luts": {"CPE_LT": 1}, "block_rams": {"RAM_HALF": 0.5}}

    def synthesis(self, board: Board, top: str) -> str:
        # Unlike those of other families, this command leaves cells unnamed.
        return f"synth_gatemate -top {top} -luttree -nomx8\nautoname"

    def constraints(self, board: Board, ports: Mapping[str, Pin]) -> str:
        return "".join(f'Net "{port}" Loc = "{pin.name}"{" | PULLUP=true" if pin.pulled else ""};\n'
                       for port, pin in ports.items())

    def place(self, board: Board, top: str) -> list[str]:
        return ["--device", board.part, "--vopt", f"ccf={top}.ccf", "--vopt", f"out={top}.txt"]

    def pack(self, board: Board, top: str) -> list[str]:
        return [f"{top}.txt", f"{top}.bit"]
