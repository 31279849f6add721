"""The script that makes a Vivado IP of ``NAME_axi``: ``soc/NAME_axi_ip.tcl``, for those who have Vivado.

Written after Vivado's command reference (UG835) and the guide to packaging IP (UG1118); Vivado itself has not run it.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["as_tcl"]

_TCL = """\
# Makes an IP of {name}_axi in soc/ip:   vivado -mode batch -source {name}_axi_ip.tcl
# Then add soc/ip to ip_repo_paths of your project, and the IP to a block design.
set here [file dirname [file normalize [info script]]]
create_project -in_memory -part xc7z020clg400-1
add_files -norecurse [list {verilog}]
{memories}set_property top {name}_axi [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir $here/ip -vendor user.org -library user -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name {name}_axi $core
set_property display_name "{name} (Gatewright)" $core
# The streams and the registers share one clock and one reset, which is active high.
ipx::infer_bus_interface clk xilinx.com:signal:clock_rtl:1.0 $core
ipx::infer_bus_interface rst xilinx.com:signal:reset_rtl:1.0 $core
set reset [ipx::get_bus_interfaces rst -of_objects $core]
set_property value ACTIVE_HIGH [ipx::add_bus_parameter POLARITY $reset]
foreach bus {{s_axis m_axis s_axil}} {{
  ipx::associate_bus_interfaces -busif $bus -clock clk $core
}}
ipx::associate_bus_interfaces -clock clk -reset rst $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
"""


def as_tcl(name: str, files: Iterable[str]) -> str:
    """The script for a design whose ``rtl/`` holds ``files``; other tops than ``NAME_axi`` are left out."""
    tops = (f"{name}.v", f"{name}_axis.v", f"{name}_checked.v", f"{name}_axi_checked.v", f"{name}_tapped_checked.v")
    kept = sorted(set(files) - set(tops))
    verilog = " ".join(f"$here/../rtl/{file}" for file in kept if file.endswith(".v"))
    memories = " ".join(f"$here/../rtl/{file}" for file in kept if file.endswith(".hex"))
    return _TCL.format(name=name, verilog=verilog,
                       memories=f"add_files -norecurse [list {memories}]\n" if memories else "")
