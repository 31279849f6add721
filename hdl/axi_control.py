"""All of the AXI edge but the core: the registers of ``axi_map``, the counters, and the gate in front of the frames."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .activity import Activity, Watched
from .axi_loads import AxiLoads
from .axi_map import MAGIC, VERSION, Layout, register
from .axil import AxiLiteSlave

__all__ = ["AxiControl", "AxiControlParameters"]

# Cycles for which the core is held in reset.
_RESET = 4


@dataclass(frozen=True)
class AxiControlParameters:
    """What the registers say of a core, and what is watched of it.

    ``identity`` are 8 bytes; ``frame_in`` and ``frame_out`` words and bits of a word; ``loads`` bits and words of each
    load port, which are behind ``CheckedLoad`` if ``checked``.

    Raises
    ------
    ValueError
        If the identity has another length.
    """

    identity: bytes
    frame_in: tuple[int, int]
    frame_out: tuple[int, int]
    streams: int
    units: tuple[Watched, ...]
    loads: tuple[tuple[int, int], ...] = ()
    checked: bool = False

    def __post_init__(self):
        if len(self.identity) != 8:
            raise ValueError(f"identity must be of 8 bytes, not {len(self.identity)}")

    @property
    def layout(self) -> Layout:
        """Where the registers lie."""
        return Layout(len(self.units), self.streams, bool(self.loads))


class AxiControl(wiring.Component):
    """Registers, counters and gate around a core between ``AxiStreamSlave`` and ``AxiStreamMaster``.

    Members
    -------
    s_axil_… :
        The bus (``AxiLiteSlave``).
    s_axis_tvalid, s_axis_tlast : In(1), s_axis_tready : Out(1)
        The frames' bus. ``slave_valid`` and ``slave_ready`` are the slave's side of it, behind the gate.
    early, late : In(1)
        The slave's.
    m_axis_tvalid, m_axis_tready, m_axis_tlast : In(1)
        The bus of answers, to look at.
    resets : Out(1)
        The slave, the core and the master are to be reset.
    stream_valid, stream_ready : In(streams)
        Of every stream in the core, the first in the lowest bit.
    load_payload, load_valid, load_ready, loaded, error
        As ``AxiLoads`` has them; there are none if nothing can be loaded.

    Resources: those of ``AxiLiteSlave``, ``Activity`` and ``AxiLoads``, and five more counters.
    """

    def __init__(self, parameters: AxiControlParameters):
        p = self._parameters = parameters
        self._bus = AxiLiteSlave(p.layout.address_bits)
        self._loads = AxiLoads(p.loads, checked=p.checked, address_bits=p.layout.address_bits) if p.loads else None
        members = {port: member for port, member in self._bus.signature.members.items() if port.startswith("s_axil_")}
        members |= {name: In(1) for name in ("s_axis_tvalid", "s_axis_tlast", "slave_ready", "early", "late",
                                             "m_axis_tvalid", "m_axis_tready", "m_axis_tlast")}
        members |= {name: Out(1) for name in ("s_axis_tready", "slave_valid", "resets")}
        members |= {"stream_valid": In(p.streams), "stream_ready": In(p.streams)}
        if self._loads is not None:
            count = len(p.loads)
            members |= {"load_payload": Out(len(self._loads.payload)), "load_valid": Out(count),
                        "load_ready": In(count), "loaded": In(count), "error": In(count)}
        super().__init__(members)

    @property
    def parameters(self) -> AxiControlParameters:
        """The validated parameters."""
        return self._parameters

    def elaborate(self, platform):
        m = Module()
        m.submodules.bus = self._bus
        for port, member in self._bus.signature.members.items():
            if port.startswith("s_axil_"):
                inner, outer = getattr(self._bus, port), getattr(self, port)
                m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
        freeze, pause, clear = self._control(m)
        events, busy, paused = self._frames(m, pause)
        values = {"CONTROL": Cat(freeze, pause), **self._counters(m, freeze, clear, events),
                  "STATUS": self._status(m, busy, paused)}
        self._answers(m, values)
        return m

    def _writes(self, name: str) -> Value:
        """Whether a register is being written, whatever its bytes."""
        return self._bus.write & (self._bus.write_address == register(name).offset >> 2)

    def _control(self, m):
        """What the host asks for: freeze, pause, and the cycle in which counters are cleared."""
        control, data, strobe = register("CONTROL"), self._bus.write_data, self._bus.write_strobe
        writes, freeze, pause, clear = (Signal(name=name) for name in ("writes_control", "freeze", "pause", "clear"))
        m.d.comb += writes.eq(self._writes("CONTROL"))
        with m.If(writes & strobe[0]):
            m.d.sync += [freeze.eq(data[control.field("FREEZE").low]), pause.eq(data[control.field("PAUSE").low])]
        left = Signal(range(_RESET + 1), name="reset_left")
        m.d.comb += [clear.eq(writes & strobe[1] & data[control.field("CLEAR").low]), self.resets.eq(left != 0)]
        with m.If(self.resets):
            m.d.sync += left.eq(left - 1)
        with m.If(writes & strobe[1] & data[control.field("RESET").low]):
            m.d.sync += left.eq(_RESET)
        return freeze, pause, clear

    def _frames(self, m, pause):
        """The gate, and what is to be known of frames."""
        # Between frames the bus may be shut. What is left of a frame that a reset cut off goes nowhere.
        partial, drops, opened = (Signal(name=name) for name in ("partial", "drops", "opened"))
        taken, ended, given = (Signal(name=name) for name in ("word_taken", "frame_ended", "frame_given"))
        m.d.comb += [
            opened.eq(~self.resets & ~drops & (partial | ~pause)),
            self.slave_valid.eq(self.s_axis_tvalid & opened),
            self.s_axis_tready.eq((opened & self.slave_ready) | (drops & ~self.resets)),
            taken.eq(self.s_axis_tvalid & self.s_axis_tready), ended.eq(taken & self.s_axis_tlast),
            given.eq(self.m_axis_tvalid & self.m_axis_tready & self.m_axis_tlast),
        ]
        with m.If(taken):
            m.d.sync += partial.eq(~self.s_axis_tlast)
        with m.If(self.resets & partial):
            m.d.sync += drops.eq(1)
        with m.Elif(ended):
            m.d.sync += drops.eq(0)
        inside, busy, paused = Signal(32, name="frames_inside"), Signal(name="busy"), Signal(name="paused")
        with m.If(self.resets):
            m.d.sync += inside.eq(0)
        with m.Else():
            m.d.sync += inside.eq(inside + (taken & ~partial) - given)
        m.d.comb += [busy.eq((inside != 0) | partial | self.resets), paused.eq(pause & ~partial)]
        return {"FRAMES_IN": ended & ~drops, "FRAMES_OUT": given, "MALFORMED": self.early | self.late}, busy, paused

    def _counters(self, m, freeze, clear, events):
        """All that stands still while ``FREEZE`` is set, as of one cycle."""
        counts = Signal(name="counts")
        m.submodules.activity = self._activity = Activity(self._parameters.streams, self._parameters.units)
        m.d.comb += [
            counts.eq(~freeze), self._activity.counts.eq(counts), self._activity.clear.eq(clear),
            self._activity.valid.eq(self.stream_valid), self._activity.ready.eq(self.stream_ready),
        ]
        values = {}
        for name, event in (*events.items(), ("CYCLES", 1)):
            seen, count = Signal(name=f"{name.lower()}_seen"), Signal(64 if name == "CYCLES" else 32, name=name.lower())
            # A cycle late, like those of units and streams: so all tell of the same cycles.
            m.d.sync += seen.eq(event & counts)
            with m.If(clear):
                m.d.sync += count.eq(0)
            with m.Elif(seen):
                m.d.sync += count.eq(count + 1)
            values[name] = count
        cycles = values.pop("CYCLES")
        return values | {"CYCLES_0": cycles[:32], "CYCLES_1": cycles[32:]}

    def _status(self, m, busy, paused):
        status, loads, value = register("STATUS"), self._loads, Signal(32, name="status")
        clears = Signal(8, name="status_clears")
        with m.If(self._writes("STATUS") & self._bus.write_strobe[0]):
            m.d.comb += clears.eq(self._bus.write_data)
        sticky = {"EARLY": self.early, "LATE": self.late}
        bits = {"BUSY": busy, "PAUSED": paused}
        if loads is not None:
            sticky |= {"OVERRUN": loads.overrun}
            bits |= {"LOADING": loads.waiting, "DAMAGED": self.error.any()}
        for name, event in sticky.items():
            bits[name] = Signal(name=f"was_{name.lower()}")
            with m.If(event):
                m.d.sync += bits[name].eq(1)
            with m.Elif(clears[status.field(name).low]):
                m.d.sync += bits[name].eq(0)
        m.d.comb += [value[status.field(name).low].eq(bit) for name, bit in bits.items()]
        return value

    def _answers(self, m, values):
        """What is read where, and which accesses are wrong."""
        p, layout, bus, loads = self._parameters, self._parameters.layout, self._bus, self._loads
        values |= {
            "MAGIC": MAGIC, "VERSION": VERSION,
            "IDENTITY_0": int.from_bytes(p.identity[:4], "little"),
            "IDENTITY_1": int.from_bytes(p.identity[4:], "little"),
            "IN_WORDS": p.frame_in[0], "IN_BITS": p.frame_in[1],
            "OUT_WORDS": p.frame_out[0], "OUT_BITS": p.frame_out[1],
            "SHAPE": layout.units | layout.streams << 16, "LOADS": len(p.loads) | int(p.checked) << 31,
        }
        if loads is not None:
            m.submodules.loads = loads
            m.d.comb += [getattr(loads, name).eq(getattr(bus, name))
                         for name in ("write", "write_address", "write_data", "write_strobe")]
            m.d.comb += [
                self.load_payload.eq(loads.payload), self.load_valid.eq(loads.valid),
                loads.ready.eq(self.load_ready), loads.loaded.eq(self.loaded), loads.error.eq(self.error),
            ]
            values |= {name.upper(): getattr(loads, name)
                       for name in ("load_port", "load_bits", "load_words", "load_state")}
        readable = {each.offset >> 2: values[each.name] for each in layout.registers if "r" in each.access}
        writable = [each.offset >> 2 for each in layout.registers if "w" in each.access]

        # Registers of the table are in the lowest block, counters in the two after it.
        within = layout.address_bits - 4
        place, block = bus.read_address[:within], bus.read_address[within:]
        plain, known, counter = Signal(32, name="plain"), Signal(name="known"), Signal(name="is_counter")
        m.d.comb += self._activity.which.eq(Mux(block[0], place, place + layout.units))
        m.d.sync += [plain.eq(0), known.eq(0), counter.eq(block != 0)]
        with m.Switch(block):
            with m.Case(0), m.Switch(place):
                for offset, value in readable.items():
                    with m.Case(offset):
                        m.d.sync += [plain.eq(value), known.eq(1)]
            with m.Case(1):
                m.d.sync += known.eq(place < layout.units)
            with m.Case(2):
                m.d.sync += known.eq(place < layout.streams)
        m.d.comb += [
            bus.read_error.eq(~known), bus.read_data.eq(Mux(~known, 0, Mux(counter, self._activity.value, plain)))]
        wrong = Signal(name="write_unknown")
        m.d.comb += [wrong.eq(1), bus.write_error.eq(wrong | (0 if loads is None else loads.refuses))]
        with m.Switch(bus.write_address), m.Case(*writable):
            m.d.comb += wrong.eq(0)
