"""The design with checked loads: module ``NAME_checked`` wraps a core whose weights can be loaded.

Its ports ``load_UNIT`` take coded streams (``coding.coded``) instead of plain words, and its input is shut from a
load's first word on until all units hold what was found good (``hdl.checked_load``).
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..coding.coded import Layout
from ..hdl.checked_load import CheckedLoad, CheckedLoadParameters
from ..hdl.huffman import CodedWord
from ..hdl.lanes import word_stream
from .dataflow import Dataflow
from .emit import convert_all

__all__ = ["checked_top", "emit_checked", "layouts_of"]


def layouts_of(dataflow: Dataflow) -> dict[str, Layout]:
    """Of each unit that can be loaded, how its words are coded."""
    found = {}
    for stage in dataflow.loadable:
        p = stage.parameters
        # Few bits are coded together, so that also weights of one bit gain from a code.
        field = getattr(p, "weight_bits", 1)
        symbol = field * max(1, 6 // field) if field <= 8 else 8
        found[stage.name] = getattr(p, "load_layout", None) or Layout.of_words(
            len(p.load_words), p.load_bits, min(symbol, p.load_bits))
    return found


class _Checked(wiring.Component):
    """The core behind its checked loads.

    Members
    -------
    i, o
        The core's.
    load_UNIT : In(word_stream(33))
        A word of 32 bits and, above it, the mark of the stream's last word.
    loaded, error : Out(units)
        Those of each unit's ``CheckedLoad``, the first unit's in the lowest bit.
    stream_valid, stream_ready : Out(streams)
        The core's, if that is one with such ports: ``streams`` is not 0, and ``core`` its name.
    """

    def __init__(self, name: str, bits_in: int, bits_out: int, layouts: dict[str, Layout], *, core: str = "",
                 streams: int = 0):
        self._name, self._layouts, self._core, self._streams = name, layouts, core or name, streams
        super().__init__({
            "i": In(word_stream(bits_in)), "o": Out(word_stream(bits_out)),
            **{f"load_{unit}": In(word_stream(Shape.cast(CodedWord).width)) for unit in layouts},
            "loaded": Out(len(layouts)), "error": Out(len(layouts)),
            **({"stream_valid": Out(streams), "stream_ready": Out(streams)} if streams else {}),
        })

    def elaborate(self, platform):
        m = Module()
        good, waits, valid, ready = (Signal(name=name) for name in ("good", "waits", "core_valid", "core_ready"))
        joined, goods = {}, []
        for number, unit in enumerate(self._layouts):
            port = getattr(self, f"load_{unit}")
            words = {what: Signal(bits, name=f"{unit}_{what}") for what, bits in (
                ("payload", self._layouts[unit].bits), ("valid", 1), ("ready", 1), ("good", 1), ("taken", 1))}
            m.submodules[f"load_{unit}"] = Instance(
                f"{self._name}_load_{unit}", i_clk=ClockSignal(), i_rst=ResetSignal(),
                i_i__payload=port.payload, i_i__valid=port.valid & ~waits, o_i__ready=words["taken"],
                o_load__payload=words["payload"], o_load__valid=words["valid"], i_load__ready=words["ready"],
                o_loaded=self.loaded[number], o_error=self.error[number], o_good=words["good"])
            m.d.comb += port.ready.eq(words["taken"] & ~waits)
            joined |= {f"i_load_{unit}__payload": words["payload"], f"i_load_{unit}__valid": words["valid"],
                       f"o_load_{unit}__ready": words["ready"]}
            goods.append(words["good"])
        m.d.comb += [
            good.eq(Cat(goods).all()), valid.eq(self.i.valid & good), self.i.ready.eq(ready & good),
            # A word that the core has been offered stays until it is taken.
            waits.eq(valid & ~ready),
        ]
        if self._streams:
            joined |= {"o_stream_valid": self.stream_valid, "o_stream_ready": self.stream_ready}
        m.submodules.core = Instance(
            self._core, i_clk=ClockSignal(), i_rst=ResetSignal(),
            i_i__payload=self.i.payload, i_i__valid=valid, o_i__ready=ready,
            o_o__payload=self.o.payload, o_o__valid=self.o.valid, i_o__ready=self.o.ready, **joined)
        return m


def checked_top(dataflow: Dataflow, name: str, *, core: str, streams: int) -> wiring.Component:
    """The wrapper around a core whose streams can be watched, module ``core``; its loads are of :func:`emit_checked`.
    """
    layouts = layouts_of(dataflow)
    return _Checked(name, dataflow.edges[0].bits, dataflow.edges[-1].bits, layouts, core=core, streams=streams)


def emit_checked(dataflow: Dataflow, name: str) -> dict[str, str]:
    """Verilog files of ``NAME_checked`` and its loads; none if nothing can be loaded."""
    layouts = layouts_of(dataflow)
    if not layouts:
        return {}
    loads = {f"{name}_load_{unit}": CheckedLoad(CheckedLoadParameters(layout, f"load_{unit}"))
             for unit, layout in layouts.items()}
    top = _Checked(name, dataflow.edges[0].bits, dataflow.edges[-1].bits, layouts)
    texts = convert_all((module, unit, None) for module, unit in (loads | {f"{name}_checked": top}).items())
    return {f"{module}.v": f"// Checked loads of {name}: coded streams in, nothing computed on a bad one.\n{text}"
            for module, text in texts.items()}
