"""The edge for systems on chip: module ``NAME_axi``, frames over AXI4-Stream, everything else over AXI4-Lite.

The registers are those of ``hdl.axi_map``. Inside is a core of its own, ``NAME_tapped``, made of the same units as
``NAME``: whoever builds ``NAME`` or ``NAME_axis`` pays for no counter.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..hdl.activity import Watched
from ..hdl.axi_control import AxiControl, AxiControlParameters
from ..hdl.axis import padded_bits
from ..hdl.schedule import Schedule
from .checked import checked_top
from .dataflow import Dataflow
from .emit import convert_all, tapped_top

__all__ = ["emit_axi"]


class _AxiAccelerator(wiring.Component):
    """``s_axis_*`` to the core to ``m_axis_*``, and ``s_axil_*`` to the registers."""

    def __init__(self, name: str, bits_in: int, bits_out: int, units: list[str], control: AxiControlParameters):
        self._name, self._bits, self._units = name, (bits_in, bits_out), units
        self._control = AxiControl(control)
        axil = {port: member for port, member in self._control.signature.members.items() if port.startswith("s_axil_")}
        super().__init__({
            "s_axis_tdata": In(padded_bits(bits_in)), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
            "s_axis_tlast": In(1),
            "m_axis_tdata": Out(padded_bits(bits_out)), "m_axis_tvalid": Out(1), "m_axis_tready": In(1),
            "m_axis_tlast": Out(1), **axil,
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.control = control = self._control
        for port, member in control.signature.members.items():
            if port.startswith("s_axil_"):
                inner, outer = getattr(control, port), getattr(self, port)
                m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
        m.d.comb += [
            control.s_axis_tvalid.eq(self.s_axis_tvalid), control.s_axis_tlast.eq(self.s_axis_tlast),
            self.s_axis_tready.eq(control.s_axis_tready),
            control.m_axis_tvalid.eq(self.m_axis_tvalid), control.m_axis_tready.eq(self.m_axis_tready),
            control.m_axis_tlast.eq(self.m_axis_tlast),
        ]
        i, o = ({"payload": Signal(bits, name=f"{end}_payload"), "valid": Signal(name=f"{end}_valid"),
                 "ready": Signal(name=f"{end}_ready")} for end, bits in zip("io", self._bits, strict=True))
        clocked = {"i_clk": ClockSignal(), "i_rst": ResetSignal() | control.resets}
        m.submodules.slave = Instance(
            f"{self._name}_axis_slave", **clocked,
            i_s_axis_tdata=self.s_axis_tdata, i_s_axis_tvalid=control.slave_valid, i_s_axis_tlast=self.s_axis_tlast,
            o_s_axis_tready=control.slave_ready, o_early=control.early, o_late=control.late, i_clear=Const(0),
            o_malformed=Signal(name="malformed"),
            o_o__payload=i["payload"], o_o__valid=i["valid"], i_o__ready=i["ready"])
        checked, loads = control.parameters.checked, {}
        for number, unit in enumerate(self._units):
            bits = 33 if checked else control.parameters.loads[number][0]
            loads |= {f"i_load_{unit}__payload": control.load_payload[:bits],
                      f"i_load_{unit}__valid": control.load_valid[number],
                      f"o_load_{unit}__ready": control.load_ready[number]}
        if checked:
            loads |= {"o_loaded": control.loaded, "o_error": control.error}
        m.submodules.core = Instance(
            f"{self._name}_tapped_checked" if checked else f"{self._name}_tapped", **clocked,
            i_i__payload=i["payload"], i_i__valid=i["valid"], o_i__ready=i["ready"],
            o_o__payload=o["payload"], o_o__valid=o["valid"], i_o__ready=o["ready"],
            o_stream_valid=control.stream_valid, o_stream_ready=control.stream_ready, **loads)
        m.submodules.master = Instance(
            f"{self._name}_axis_master", **clocked,
            i_i__payload=o["payload"], i_i__valid=o["valid"], o_i__ready=o["ready"],
            o_m_axis_tdata=self.m_axis_tdata, o_m_axis_tvalid=self.m_axis_tvalid, i_m_axis_tready=self.m_axis_tready,
            o_m_axis_tlast=self.m_axis_tlast)
        return m


def _control(dataflow: Dataflow, identity: bytes, *, checked: bool) -> AxiControlParameters:
    first, last = dataflow.edges[0], dataflow.edges[-1]
    numbers = {edge.name: number for number, edge in enumerate(dataflow.edges)}
    units = tuple(
        Watched(tuple(numbers[edge.name] for edge in stage.inputs), tuple(numbers[edge.name] for edge in stage.outputs),
                not isinstance(stage.schedule, Schedule)) for stage in dataflow.stages)
    loads = tuple((stage.parameters.load_bits, len(stage.parameters.load_words)) for stage in dataflow.loadable)
    return AxiControlParameters(identity, (first.words, first.bits), (last.words, last.bits), len(numbers), units,
                                loads, checked)


def emit_axi(dataflow: Dataflow, name: str, identity: bytes, *, checked: bool = False) -> dict[str, str]:
    """Verilog files of ``NAME_axi`` and the core in it; ends, units and checked loads are in the build's other files.

    With ``checked`` its weights are loaded as coded streams with checksums (``checked.emit_checked``), if they can be
    loaded at all; it is then called ``NAME_axi_checked``.
    """
    checked = checked and bool(dataflow.loadable)
    units: dict[str, wiring.Component] = {
        f"{name}_axi_checked" if checked else f"{name}_axi": _AxiAccelerator(
            name, dataflow.edges[0].bits, dataflow.edges[-1].bits, [stage.name for stage in dataflow.loadable],
            _control(dataflow, identity, checked=checked))}
    if checked:
        units[f"{name}_tapped_checked"] = checked_top(dataflow, name, core=f"{name}_tapped",
                                                      streams=len(dataflow.edges))
    else:
        units[f"{name}_tapped"] = tapped_top(dataflow, name)
    texts = convert_all((module, unit, None) for module, unit in units.items())
    said = f"AXI4-Stream and AXI4-Lite edge of {name}: the registers are in soc/{name}_axi.h"
    return {f"{module}.v": f"// {said}.\n{text}" for module, text in texts.items()}
