"""The AXI4-Lite end against a register file in Python: whatever comes in which order, each access happens once."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.axil import AxiLiteSlave

PATTERN = st.lists(st.integers(0, 1), min_size=1, max_size=12).filter(any)


class Words(wiring.Component):
    """Eight words behind the bus, of which the last two are none."""

    def __init__(self):
        self.bus = AxiLiteSlave(5)
        super().__init__({name: Out(member.shape) if member.flow == Out else In(member.shape)
                          for name, member in self.bus.signature.members.items() if name.startswith("s_axil_")})

    def elaborate(self, platform):
        from amaranth.hdl import Array, Signal

        m = Module()
        m.submodules.bus = bus = self.bus
        for name in self.signature.members:
            inner, outer = getattr(bus, name), getattr(self, name)
            m.d.comb += outer.eq(inner) if self.signature.members[name].flow == Out else inner.eq(outer)
        words = Array(Signal(32, name=f"word{k}") for k in range(8))
        m.d.comb += bus.write_error.eq(bus.write_address >= 6)
        m.d.sync += [bus.read_data.eq(words[bus.read_address]), bus.read_error.eq(bus.read_address >= 6)]
        for byte in range(4):
            with m.If(bus.write & bus.write_strobe[byte] & ~bus.write_error):
                m.d.sync += words[bus.write_address].word_select(byte, 8).eq(bus.write_data.word_select(byte, 8))
        return m


def drive(writes, reads, patterns, cycles):
    """Send both lists of accesses at once; returns the responses to writes and the answers to reads, in order."""
    dut, answers, responses = Words(), [], []
    queues = {"aw": [{"addr": 4 * address} for address, _, _ in writes],
              "w": [{"data": data, "strb": strobe} for _, data, strobe in writes],
              "ar": [{"addr": 4 * address} for address in reads]}

    async def bench(ctx):
        held = dict.fromkeys(queues)
        stalled = {}
        for cycle in range(cycles):
            for channel, queue in queues.items():
                if held[channel] is None and queue and patterns[channel][cycle % len(patterns[channel])]:
                    held[channel] = queue.pop(0)
                ctx.set(getattr(dut, f"s_axil_{channel}valid"), held[channel] is not None)
                for part, value in (held[channel] or {}).items():
                    ctx.set(getattr(dut, f"s_axil_{channel}{part}"), value)
            for channel, parts, found in (("b", ("resp",), responses), ("r", ("resp", "data"), answers)):
                accepts = patterns[channel][cycle % len(patterns[channel])]
                ctx.set(getattr(dut, f"s_axil_{channel}ready"), accepts)
                valid = ctx.get(getattr(dut, f"s_axil_{channel}valid"))
                now = tuple(ctx.get(getattr(dut, f"s_axil_{channel}{part}")) for part in parts) if valid else None
                assert stalled.get(channel) in (None, now), "a response changed before it was taken"
                stalled[channel] = None if accepts else now
                if accepts and valid:
                    found.append(now)
            for channel in queues:
                if held[channel] is not None and ctx.get(getattr(dut, f"s_axil_{channel}ready")):
                    held[channel] = None
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return [code for code, in responses], answers


@settings(max_examples=40)
@given(data=st.data(), writes=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2**32 - 1), st.integers(0, 15)),
                                       max_size=8))
def test_every_access_happens_once_and_in_order(data, writes):
    patterns = {channel: data.draw(PATTERN) for channel in ("aw", "w", "b", "ar", "r")}
    responses, _ = drive(writes, [], patterns, 40 + 60 * len(writes))
    assert responses == [2 if address >= 6 else 0 for address, _, _ in writes]


@settings(max_examples=40)
@given(data=st.data(), reads=st.lists(st.integers(0, 7), min_size=1, max_size=8),
       writes=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**32 - 1), st.integers(0, 15)), max_size=4))
def test_reads_give_what_was_written_byte_by_byte(data, reads, writes):
    patterns = {channel: data.draw(PATTERN) for channel in ("aw", "w", "b", "ar", "r")}
    words = [0] * 8
    for address, word, strobe in writes:
        mask = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
        words[address] = words[address] & ~mask | word & mask
    # Reads begin when all writes are through.
    patterns["ar"] = [0] * (40 + 60 * len(writes)) + patterns["ar"] * 60
    _, answers = drive(writes, reads, patterns, len(patterns["ar"]))
    assert answers == [(2 if address >= 6 else 0, words[address]) for address in reads]


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match=r"^address bits must be a positive integer, not 0$"):
        AxiLiteSlave(0)
    with pytest.raises(ValueError, match=r"^address bits must be at least 3, not 2$"):
        AxiLiteSlave(2)
