"""The design's AXI4-Stream edge: module ``NAME_axis`` wraps the core for a bus, frame by frame."""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..hdl.axis import AxiStreamMaster, AxiStreamSlave, padded_bits
from ..hdl.lanes import word_stream
from .dataflow import Dataflow
from .emit import convert_all

__all__ = ["emit_axis"]


class _AxiAccelerator(wiring.Component):
    """``s_axis_*`` to the core to ``m_axis_*``; ``malformed`` tells of a frame of the wrong length, until ``clear``."""

    def __init__(self, name: str, bits_in: int, bits_out: int, loads: dict[str, int]):
        self._name, self._bits, self._loads = name, (bits_in, bits_out), loads
        super().__init__({
            **{f"load_{layer}": In(word_stream(bits)) for layer, bits in loads.items()},
            "s_axis_tdata": In(padded_bits(bits_in)), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
            "s_axis_tlast": In(1),
            "m_axis_tdata": Out(padded_bits(bits_out)), "m_axis_tvalid": Out(1), "m_axis_tready": In(1),
            "m_axis_tlast": Out(1),
            "malformed": Out(1), "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        ends = {}
        for end, bits in zip("io", self._bits, strict=True):
            ends[end] = {"payload": Signal(bits, name=f"{end}_payload"), "valid": Signal(name=f"{end}_valid"),
                         "ready": Signal(name=f"{end}_ready")}
        loads = {}
        for layer in self._loads:
            port = getattr(self, f"load_{layer}")
            loads |= {f"i_load_{layer}__payload": port.payload, f"i_load_{layer}__valid": port.valid,
                      f"o_load_{layer}__ready": port.ready}
        clocked = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        i, o = ends["i"], ends["o"]
        m.submodules.slave = Instance(
            f"{self._name}_axis_slave", **clocked,
            i_s_axis_tdata=self.s_axis_tdata, i_s_axis_tvalid=self.s_axis_tvalid, o_s_axis_tready=self.s_axis_tready,
            i_s_axis_tlast=self.s_axis_tlast, o_malformed=self.malformed, i_clear=self.clear,
            o_early=Signal(name="early"), o_late=Signal(name="late"),
            o_o__payload=i["payload"], o_o__valid=i["valid"], i_o__ready=i["ready"])
        m.submodules.core = Instance(
            self._name, **clocked, i_i__payload=i["payload"], i_i__valid=i["valid"], o_i__ready=i["ready"],
            o_o__payload=o["payload"], o_o__valid=o["valid"], i_o__ready=o["ready"], **loads)
        m.submodules.master = Instance(
            f"{self._name}_axis_master", **clocked,
            i_i__payload=o["payload"], i_i__valid=o["valid"], o_i__ready=o["ready"],
            o_m_axis_tdata=self.m_axis_tdata, o_m_axis_tvalid=self.m_axis_tvalid, i_m_axis_tready=self.m_axis_tready,
            o_m_axis_tlast=self.m_axis_tlast)
        return m


def emit_axis(dataflow: Dataflow, name: str) -> dict[str, str]:
    """Verilog files of ``NAME_axis`` and its two ends; the core's own files are those of :func:`.emit.emit`."""
    first, last = dataflow.edges[0], dataflow.edges[-1]
    loads = {stage.name: stage.parameters.load_bits for stage in dataflow.loadable}
    units = {
        f"{name}_axis_slave": AxiStreamSlave(first.bits, first.words),
        f"{name}_axis_master": AxiStreamMaster(last.bits, last.words),
        f"{name}_axis": _AxiAccelerator(name, first.bits, last.bits, loads),
    }
    said = f"takes {first.words} words of {first.lanes} x {first.type} a frame, gives {last.words} of {last.lanes} x " \
           f"{last.type}"
    texts = convert_all((module, unit, None) for module, unit in units.items())
    return {f"{module}.v": f"// AXI4-Stream edge of {name}: {said}.\n{text}" for module, text in texts.items()}
