"""The design on a serial line: module ``NAME_uart`` joins the core ``NAME`` with a :class:`~..hdl.link.Link`.

The line's timing depends on clock and baud, so this module is made when a board is chosen, not when a design is built.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..errors import UserError
from ..hdl.link import Link, LinkParameters
from ..hdl.uart import divider_of
from .dataflow import Dataflow
from .emit import convert_all

__all__ = ["emit_uart", "link_of"]


class _UartAccelerator(wiring.Component):
    """``rx`` to the core to ``tx``."""

    def __init__(self, name: str, link: LinkParameters, loads: dict[str, int]):
        self._name, self._link, self._loads = name, link, loads
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        p = self._link
        link = Link(p.bits_in, p.words_in, p.bits_out, p.words_out, p.identity, p.divider)
        m.submodules.link = link
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        # Nothing is loaded over this line; weights stay as they were built.
        loads = {}
        for layer, bits in self._loads.items():
            loads |= {f"i_load_{layer}__payload": Const(0, bits), f"i_load_{layer}__valid": Const(0, 1)}
        m.submodules.core = Instance(
            self._name, i_clk=ClockSignal(), i_rst=ResetSignal(),
            i_i__payload=link.i.payload, i_i__valid=link.i.valid, o_i__ready=link.i.ready,
            o_o__payload=link.o.payload, o_o__valid=link.o.valid, i_o__ready=link.o.ready, **loads)
        return m


def link_of(dataflow: Dataflow, identity: bytes, clock_hz: float, baud: float) -> LinkParameters:
    """The link of a design.

    Raises
    ------
    UserError
        If the clock (Hz) does not make the rate (bits/s), or a frame is too large for a serial line.
    """
    try:
        divider = divider_of(clock_hz, baud)
    except ValueError as error:
        raise UserError(str(error), where="--baud", remedy="say another --baud or clock") from None
    first, last = dataflow.edges[0], dataflow.edges[-1]
    try:
        return LinkParameters(first.bits, first.words, last.bits, last.words, identity, divider)
    except ValueError as error:
        raise UserError(f"too large for a serial line: {error}", where=dataflow.stages[0].layer,
                        remedy="join the design by its AXI4-Stream edge, module NAME_axis") from None


def emit_uart(dataflow: Dataflow, name: str, identity: bytes, clock_hz: float, baud: float) -> dict[str, str]:
    """The Verilog file of ``NAME_uart``: ports clk, rst (synchronous, active high), rx, tx.

    Raises
    ------
    UserError
        As of :func:`link_of`.
    """
    link = link_of(dataflow, identity, clock_hz, baud)
    loads = {stage.name: stage.parameters.load_bits for stage in dataflow.loadable}
    module = f"{name}_uart"
    text = convert_all([(module, _UartAccelerator(name, link, loads), None)])[module]
    return {f"{module}.v": f"// {name} on a serial line: {link.bytes_in} bytes a frame in, {link.bytes_out} out, "
                           f"{clock_hz / link.divider:.0f} baud at {clock_hz / 1e6:g} MHz.\n{text}"}
