"""The serial line: every byte arrives, also from a line whose clock is off, and what is no byte is said to be none."""

import itertools

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.uart import UartReceiver, UartTransmitter, divider_of


def levels(data):
    """A line's levels, one a bit, for bytes back to back."""
    return [bit for byte in data for bit in (0, *(byte >> k & 1 for k in range(8)), 1)]


def receive(divider, bits, period, phase=0.0, after=40):
    """What a receiver makes of a line with ``period`` cycles a bit: ``(byte, error)`` each."""
    unit, got = UartReceiver(divider), []
    edges = [phase + period * k for k in range(len(bits) + 1)]

    async def bench(ctx):
        bit = -1
        for cycle in itertools.count():
            while bit < len(bits) and cycle >= edges[bit + 1]:
                bit += 1
            if cycle > edges[-1] + after:
                return
            ctx.set(unit.rx, bits[bit] if 0 <= bit < len(bits) else 1)
            await ctx.tick()
            if ctx.get(unit.done):
                got.append((ctx.get(unit.data), ctx.get(unit.error)))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return got


class Loop(wiring.Component):
    """A transmitter whose line ends at a receiver."""

    def __init__(self, divider):
        self.divider = divider
        super().__init__({"i": UartTransmitter(divider).signature.members["i"], "done": Out(1), "data": Out(8),
                          "error": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.transmitter = transmitter = UartTransmitter(self.divider)
        m.submodules.receiver = receiver = UartReceiver(self.divider)
        m.d.comb += [receiver.rx.eq(transmitter.tx), transmitter.i.payload.eq(self.i.payload),
                     transmitter.i.valid.eq(self.i.valid), self.i.ready.eq(transmitter.i.ready),
                     self.done.eq(receiver.done), self.data.eq(receiver.data), self.error.eq(receiver.error)]
        return m


@pytest.mark.parametrize("divider", [4, 5, 9, 16])
def test_what_is_sent_arrives_ten_bits_a_byte(divider):
    unit, got, at = Loop(divider), [], []
    data = [0x00, 0xFF, 0x55, 0xAA, 0x7E, 0x80, 0x01]

    async def bench(ctx):
        waiting = list(data)
        for cycle in range(len(data) * 11 * divider + 40):
            ctx.set(unit.i.valid, bool(waiting))
            ctx.set(unit.i.payload, waiting[0] if waiting else 0)
            if waiting and ctx.get(unit.i.ready):
                waiting.pop(0)
            await ctx.tick()
            if ctx.get(unit.done):
                got.append((ctx.get(unit.data), ctx.get(unit.error)))
                at.append(cycle)

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert got == [(byte, 0) for byte in data]
    assert {b - a for a, b in itertools.pairwise(at)} == {10 * divider + 1}


@settings(max_examples=25)
@given(data=st.binary(min_size=1, max_size=4), divider=st.sampled_from([4, 5, 8, 25]),
       off=st.floats(-0.02, 0.02), phase=st.floats(0, 30))
def test_bytes_arrive_from_a_line_whose_clock_is_two_percent_off(data, divider, off, phase):
    got = receive(divider, levels(data), divider * (1 + off), phase)
    assert got == [(byte, 0) for byte in data]


@pytest.mark.parametrize("divider", [4, 9])
def test_a_byte_without_a_stop_bit_is_an_error_and_the_next_waits_for_an_idle_line(divider):
    torn = [0] * 10  # no stop bit, and the line stays low
    assert receive(divider, torn + [0] * 30 + [1] + levels(b"\x5a"), divider) == [(0, 1), (0x5A, 0)]


def test_a_glitch_is_no_start_bit_and_flips_no_bit():
    divider = 16
    glitch = [1] * 5 + [0] * 3 + [1] * 40
    line = glitch + [level for bit in levels(b"\xa5") for level in [bit] * divider]
    spoilt = list(line)
    for bit in range(10):  # one cycle in the middle of each bit
        middle = len(glitch) + bit * divider + divider // 2 - 1
        spoilt[middle] ^= 1
    for samples in (line, spoilt):
        assert receive(divider, samples, 1) == [(0xA5, 0)]


@pytest.mark.parametrize(("clock", "baud", "divider"), [
    (12e6, 1e6, 12), (25e6, 1e6, 25), (25e6, 3.125e6, 8), (100e6, 115200, 868), (12e6, 3e6, 4), (25e6, 1.02e6, 25)])
def test_the_divider_is_the_nearest_integer(clock, baud, divider):
    assert divider_of(clock, baud) == divider


@pytest.mark.parametrize(("clock", "baud", "message"), [
    (25e6, 3e6, r"baud must be within 2 % of the clock of 25 MHz divided by an integer, such as 3125000, not 3e\+06"),
    (12e6, 4e6, r"baud must be at most 3000000 for a clock of 12 MHz, not 4e\+06"),
    (12e6, 0, r"baud and clock must be positive numbers, not 0 and 12000000.0 Hz"),
    (float("nan"), 9600, r"baud and clock must be positive numbers, not 9600 and nan Hz")])
def test_a_rate_that_the_clock_cannot_make_is_refused(clock, baud, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        divider_of(clock, baud)


@pytest.mark.parametrize("unit", [UartReceiver, UartTransmitter])
def test_bad_dividers_are_refused(unit):
    with pytest.raises(ValueError, match=r"^divider must be at least 4, not 3$"):
        unit(3)
    with pytest.raises(ValueError, match=r"^divider must be a positive integer, not 4.0$"):
        unit(4.0)
