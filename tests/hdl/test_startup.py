"""A reset until the clock is good, and a lamp that stays lit."""

import pytest
from amaranth.sim import Simulator

from gatewright.hdl.startup import Lamp, PowerOnReset


def run(unit, bench):
    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_reset_ends_after_the_clock_has_been_good_for_long_enough():
    unit, seen = PowerOnReset(5), []

    async def bench(ctx):
        for good in [0] * 4 + [1] * 20:
            ctx.set(unit.good, good)
            seen.append(ctx.get(unit.rst))
            await ctx.tick()

    run(unit, bench)
    # Two cycles to cross into the domain, five of waiting, one for the register.
    assert seen == [1] * (4 + 2 + 5 + 1) + [0] * 12


def test_reset_comes_back_when_the_clock_fails():
    unit, seen = PowerOnReset(3), []

    async def bench(ctx):
        for good in [1] * 10 + [0] + [1] * 12:
            ctx.set(unit.good, good)
            seen.append(ctx.get(unit.rst))
            await ctx.tick()

    run(unit, bench)
    assert seen[8:13] == [0] * 5
    assert seen[13:17] == [1] * 4
    assert seen[17:] == [0] * 6


def test_the_lamp_stays_lit_after_what_it_shows():
    unit, seen = Lamp(4), []

    async def bench(ctx):
        for active in [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]:
            ctx.set(unit.active, active)
            seen.append(ctx.get(unit.lit))
            await ctx.tick()

    run(unit, bench)
    assert seen == [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("unit", [PowerOnReset, Lamp])
@pytest.mark.parametrize("cycles", [0, -1, 2.0])
def test_cycles_are_positive_integers(unit, cycles):
    with pytest.raises(ValueError, match=rf"^cycles must be a positive integer, not {cycles!r}$"):
        unit(cycles)
