"""Runs a unit in Amaranth's simulator under given stalls, noting every transfer's cycle and payload."""

import warnings

import numpy as np
import pytest
from amaranth.hdl import Shape, Value
from amaranth.sim import Simulator

from gatewright.sim import dataflow
from gatewright.sim.network import Network, Unit


def pack(lanes, bits):
    """Integers of ``bits`` bits as one word, lane 0 lowest."""
    return sum((int(lane) & ((1 << bits) - 1)) << k * bits for k, lane in enumerate(lanes))


def unpack(word, bits, lanes, signed=False):
    """A word as ``lanes`` integers of ``bits`` bits."""
    values = [(word >> k * bits) & ((1 << bits) - 1) for k in range(lanes)]
    return [v - (1 << bits) if signed and v >> (bits - 1) else v for v in values]


def simulate(unit, words, offers, accepts, outputs, max_cycles=20000):
    """Feed ``words``; return (output words, cycles of input transfers, cycles of output transfers)."""
    got, taken_at, given_at = [], [], []
    shape = Shape.cast(Value.cast(unit.i.payload).shape())

    async def bench(ctx):
        queue, held = list(words), None
        for cycle in range(max_cycles):
            if held is None and queue and offers[cycle % len(offers)]:
                held = queue.pop(0)
            ctx.set(unit.i.valid, held is not None)
            ctx.set(Value.cast(unit.i.payload), held if held is not None else (1 << shape.width) - 1)
            ready = int(accepts[cycle % len(accepts)])
            # The contract: valid and payload do not depend on ready.
            before = ctx.get(unit.o.valid), ctx.get(Value.cast(unit.o.payload))
            ctx.set(unit.o.ready, ready)
            assert before[0] == ctx.get(unit.o.valid)
            if ctx.get(unit.o.valid):
                assert before[1] == ctx.get(Value.cast(unit.o.payload))
                if ready:
                    got.append(before[1])
                    given_at.append(cycle)
            if held is not None and ctx.get(unit.i.ready):
                taken_at.append(cycle)
                held = None
            await ctx.tick()
            if len(got) == outputs:
                return

    with warnings.catch_warnings():
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    return got, taken_at, given_at


@pytest.fixture(scope="session")
def check_unit():
    """Runs a unit and holds every transfer against its schedule; returns the output words."""

    def check(unit, words, frames, offers=(1,), accepts=(1,), network=None):
        network = network or Network((Unit("unit", unit.schedule, ("i",), ("o",)),))
        offers, accepts = np.array(offers, dtype=np.uint8), np.array(accepts, dtype=np.uint8)
        trace = dataflow.simulate(network, frames, offers=offers, accepts=accepts)
        assert trace.finished
        got, taken_at, given_at = simulate(unit, words, offers, accepts, len(trace.times[network.output]))
        assert given_at == trace.times[network.output].tolist()
        # Words of a frame that only fill the pipeline may still be on their way in when the last word is out.
        assert taken_at == [t for t in trace.times[network.input].tolist() if t <= given_at[-1]]
        return got

    check.pack, check.unpack, check.simulate = pack, unpack, simulate
    return check
