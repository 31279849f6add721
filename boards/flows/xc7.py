"""7 series: Yosys for figures in lookup tables of six inputs, and what Vivado needs, for those who own it."""

from __future__ import annotations

from collections.abc import Mapping

from ..board import Board, Pin
from ..family import XC7
from .flow import Flow

__all__ = ["Xc7"]


class Xc7(Flow):
    """Constraints are XDC. ``vivado -mode batch -source project.tcl`` makes the bitstream; ``ip.tcl`` packages an IP.

    No place and route for 7 series comes with pip, so what is counted is Yosys' netlist.
    """

    family = XC7
    constraints_end, bitstream_end = ".xdc", ".bit"

    def synthesis(self, board: Board, top: str) -> str:
        return f"synth_xilinx -family xc7 -flatten -top {top}"

    def constraints(self, board: Board, ports: Mapping[str, Pin]) -> str:
        lines = []
        for port, pin in ports.items():
            pull = " PULLTYPE PULLUP" if pin.pulled else ""
            lines.append(f"set_property -dict {{ PACKAGE_PIN {pin.name} IOSTANDARD {board.standard}{pull} }} "
                         f"[get_ports {{ {port} }}]")
            if port == "clk":
                lines.append(f"create_clock -add -name clk -period {1000 / board.clock_mhz:.3f} [get_ports {{ clk }}]")
        return "\n".join(lines) + "\n"

    def extras(self, board: Board, top: str) -> dict[str, str]:
        return {"project.tcl": _project(board, top), "ip.tcl": _ip(board, top)}


_SOURCES = """set here [file dirname [file normalize [info script]]]
read_verilog [glob $here/verilog/*.v]
foreach memory [glob -nocomplain $here/verilog/*.hex] { add_files $memory }
"""


def _project(board: Board, top: str) -> str:
    return f"""# {board.title}: from Verilog to {top}.bit with Vivado.
#   vivado -mode batch -source project.tcl
{_SOURCES}read_xdc $here/{top}.xdc
synth_design -top {top} -part {board.part}
opt_design
place_design
phys_opt_design
route_design
report_utilization -file $here/utilisation.rpt
report_timing_summary -file $here/timing.rpt
write_bitstream -force $here/{top}.bit
"""


def _ip(board: Board, top: str) -> str:
    return f"""# An IP of the same Verilog for Vivado's block designs, in the folder ip/.
#   vivado -mode batch -source ip.tcl
# Set "wrapped" first to package another module: NAME_axi, say, whose files lie in the build's rtl/, has AXI ports.
if {{![info exists wrapped]}} {{ set wrapped {top} }}
create_project -in_memory -part {board.part}
{_SOURCES}foreach file [glob -nocomplain $here/core/rtl/*_axi*.v] {{ read_verilog $file }}
set_property top $wrapped [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir $here/ip -vendor gatewright -library user -taxonomy /UserIP -import_files -force
set_property name $wrapped [ipx::current_core]
set_property version 1.0 [ipx::current_core]
ipx::infer_bus_interfaces xilinx.com:interface:axis_rtl:1.0 [ipx::current_core]
ipx::create_xgui_files [ipx::current_core]
ipx::update_checksums [ipx::current_core]
ipx::save_core [ipx::current_core]
"""
