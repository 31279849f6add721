"""The AXI4-Stream edge against a list-of-frames model: whole frames for the core, whatever the bus sends."""

import re

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import Shape, signed
from amaranth.lib import data
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.axis import AxiStreamMaster, AxiStreamSlave, padded_bits
from gatewright.sim import dataflow
from gatewright.sim.network import Network, Unit

PATTERN = st.lists(st.integers(0, 1), min_size=1, max_size=12).filter(any)


def exchange(unit, source, sink, queue, outputs, offers, accepts, max_cycles=5000):
    """Drive (payload, last) pairs through a unit.

    ``source`` and ``sink`` are its (payload, valid, ready, last or None). Returns the output pairs, the cycles of both
    sides' transfers, and ``malformed`` in each cycle. Holds the sink's stream to the rules.
    """
    got, taken_at, given_at, malformed = [], [], [], []

    async def bench(ctx):
        pending, held, stalled = list(queue), None, None
        for cycle in range(max_cycles):
            if held is None and pending and offers[cycle % len(offers)]:
                held = pending.pop(0)
            ctx.set(source[1], held is not None)
            ctx.set(source[0], held[0] if held else 0x5A5A5A5A & ((1 << len(source[0])) - 1))
            if source[3] is not None:
                ctx.set(source[3], held[1] if held else cycle & 1)
            now = []
            for ready in (0, 1, accepts[cycle % len(accepts)]):  # what is offered must not depend on ready
                ctx.set(sink[2], ready)
                valid = ctx.get(sink[1])
                now.append((ctx.get(sink[0]), ctx.get(sink[3]) if sink[3] is not None else 0) if valid else None)
            assert now[0] == now[1] == now[2]
            assert stalled is None or now[2] == stalled
            stalled = None if ready else now[2]
            if now[2] is not None and ready:
                got.append(now[2])
                given_at.append(cycle)
            if held is not None and ctx.get(source[2]):
                taken_at.append(cycle)
                held = None
            if hasattr(unit, "malformed"):
                malformed.append(ctx.get(unit.malformed))
            await ctx.tick()
            if len(got) == outputs and held is None and not pending:
                return
        raise AssertionError(f"only {len(got)} of {outputs} words came")

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return got, taken_at, given_at, malformed


def drive_slave(unit, queue, outputs, offers=(1,), accepts=(1,)):
    source = (unit.s_axis_tdata, unit.s_axis_tvalid, unit.s_axis_tready, unit.s_axis_tlast)
    sink = (unit.o.payload, unit.o.valid, unit.o.ready, None)
    got, *rest = exchange(unit, source, sink, queue, outputs, offers, accepts)
    return [payload for payload, _ in got], *rest


def drive_master(unit, queue, outputs, offers=(1,), accepts=(1,)):
    sink = (unit.m_axis_tdata, unit.m_axis_tvalid, unit.m_axis_tready, unit.m_axis_tlast)
    return exchange(unit, (unit.i.payload, unit.i.valid, unit.i.ready, None), sink, queue, outputs, offers, accepts)


def bus_words(lengths, first=1):
    """Frames of those lengths as (tdata, tlast), all data different and none of it zero."""
    words = [(k == length - 1) for length in lengths for k in range(length)]
    return [(first + k, int(last)) for k, last in enumerate(words)]


def expected_frames(queue, words):
    """What the core must get: for each tlast one frame, cut or filled up with zeros."""
    frames, frame = [], []
    for payload, last in queue:
        frame.append(payload)
        if last:
            frames.append((frame + [0] * words)[:words])
            frame = []
    return [payload for frame in frames for payload in frame]


@settings(deadline=None, max_examples=60)
@given(words=st.integers(1, 6), lengths=st.lists(st.integers(1, 9), min_size=1, max_size=8), offers=PATTERN,
       accepts=PATTERN)
def test_each_tlast_makes_one_whole_frame(words, lengths, offers, accepts):
    queue = bus_words(lengths)
    expected = expected_frames(queue, words)
    got, taken, _, malformed = drive_slave(AxiStreamSlave(8, words), queue, len(expected), offers, accepts)
    assert got == expected
    assert len(taken) == len(queue)
    wrong = [k for k, length in enumerate(lengths) if length != words]
    if wrong:
        # Raised by the first wrong frame's last word that fitted, and never lowered.
        culprit = sum(lengths[: wrong[0]]) + min(lengths[wrong[0]], words) - 1
        assert malformed == [int(cycle > taken[culprit]) for cycle in range(len(malformed))]
    else:
        assert not any(malformed)


@pytest.mark.parametrize(("lengths", "cycles_lost"), [((4, 4, 4, 4), 0), ((4, 2, 4, 4), 2), ((1, 1, 1, 4), 9)])
def test_only_filling_up_holds_the_bus(lengths, cycles_lost):
    queue = bus_words(lengths)
    _, taken, given, _ = drive_slave(AxiStreamSlave(8, 4), queue, 16)
    assert taken[-1] == len(queue) - 1 + cycles_lost
    assert given[-1] == taken[-1] + 1


def test_a_lost_tlast_costs_the_frames_up_to_the_next_one():
    queue = bus_words((3, 3, 3, 3))
    queue[5] = (queue[5][0], 0)
    got, _, _, malformed = drive_slave(AxiStreamSlave(8, 3), queue, 9)
    assert got == [1, 2, 3, 4, 5, 6, 10, 11, 12]
    assert malformed[-1]


def test_clear_lowers_malformed():
    unit = AxiStreamSlave(8, 2)
    seen = []

    async def bench(ctx):
        ctx.set(unit.s_axis_tvalid, 1)
        ctx.set(unit.o.ready, 1)
        # (tlast, clear): frames of 2, 3 (late), 2, then 1 (early) with a clear in the very cycle.
        for last, clear in ((0, 0), (1, 0), (0, 0), (0, 0), (1, 0), (0, 1), (1, 0), (1, 1), (0, 0), (0, 0)):
            ctx.set(unit.s_axis_tlast, last)
            ctx.set(unit.clear, clear)
            seen.append(ctx.get(unit.malformed))
            await ctx.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [0, 0, 0, 0, 1, 1, 0, 0, 1, 1]


@settings(deadline=None, max_examples=40)
@given(words=st.integers(1, 6), frames=st.integers(1, 6), bits=st.sampled_from([1, 5, 8, 12, 16, 17]), offers=PATTERN,
       accepts=PATTERN)
def test_the_last_word_of_each_frame_has_tlast(words, frames, bits, offers, accepts):
    payloads = [int(x) for x in np.random.default_rng(words).integers(0, 1 << bits, words * frames)]
    got, *_ = drive_master(AxiStreamMaster(bits, words), [(x, 0) for x in payloads], words * frames, offers, accepts)
    assert got == [(payload, int(k % words == words - 1)) for k, payload in enumerate(payloads)]


@settings(deadline=None, max_examples=40)
@given(words=st.integers(1, 5), frames=st.integers(1, 5), offers=PATTERN, accepts=PATTERN,
       unit_type=st.sampled_from([AxiStreamSlave, AxiStreamMaster]))
def test_every_transfer_is_in_the_cycle_that_the_schedule_says(words, frames, offers, accepts, unit_type):
    unit = unit_type(8, words)
    drive = drive_slave if unit_type is AxiStreamSlave else drive_master
    _, taken, given, _ = drive(unit, bus_words([words] * frames), words * frames, offers, accepts)
    trace = dataflow.simulate(Network((Unit("unit", unit.schedule, ("i",), ("o",)),)), frames,
                              offers=np.array(offers, dtype=np.uint8), accepts=np.array(accepts, dtype=np.uint8))
    assert taken == trace.times["i"].tolist()
    assert given == trace.times["o"].tolist()


@pytest.mark.parametrize(("shape", "bits"), [(1, 8), (8, 8), (9, 16), (signed(3), 8), (data.ArrayLayout(5, 5), 32)])
def test_tdata_is_whole_bytes_and_the_payload_keeps_its_shape(shape, bits):
    slave, master = AxiStreamSlave(shape, 1), AxiStreamMaster(shape, 1)
    assert len(slave.s_axis_tdata) == len(master.m_axis_tdata) == bits == padded_bits(Shape.cast(shape).width)
    assert slave.o.payload.shape() == master.i.payload.shape()


def test_a_negative_payload_is_zero_extended():
    got, *_ = drive_master(AxiStreamMaster(signed(3), 1), [(-1, 0), (2, 0)], 2)
    assert got == [(7, 1), (2, 1)]


def test_upper_bits_of_tdata_are_ignored():
    got, *_ = drive_slave(AxiStreamSlave(3, 1), [(0xFD, 1), (0x0A, 1)], 2)
    assert got == [5, 2]


def test_ports_have_the_names_that_tools_look_for():
    text = verilog.convert(AxiStreamSlave(12, 3), name="slave") + verilog.convert(AxiStreamMaster(12, 3), name="master")
    ports = set(re.findall(r"^  (?:in|out)put (?:reg )?(?:\[\d+:0\] )?(\w+);", text, re.MULTILINE))
    axis = {f"{side}_axis_{part}" for side in "sm" for part in ("tdata", "tvalid", "tready", "tlast")}
    streams = {f"{side}__{part}" for side in "io" for part in ("payload", "valid", "ready")}
    assert ports == {"clk", "rst", "malformed", "early", "late", "clear"} | axis | streams


@pytest.mark.parametrize("unit", [AxiStreamSlave, AxiStreamMaster])
def test_bad_parameters_are_refused(unit):
    with pytest.raises(ValueError, match=r"^payload bits must be a positive integer, not 0$"):
        unit(0, 3)
    with pytest.raises(ValueError, match=r"^words must be a positive integer, not 0$"):
        unit(8, 0)
