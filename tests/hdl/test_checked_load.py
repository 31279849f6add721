"""What is loaded through the checked path is what the words say; no flipped bit passes, and none is computed with."""

import itertools
import warnings

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal, Value
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.coding.coded import Layout, Section, encode
from gatewright.hdl.checked_load import CheckedLoad, CheckedLoadParameters, CheckedUnit
from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from gatewright.hdl.number import IntType

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=12).map(lambda bits: [*bits, 1])


def simulated(unit, bench):
    with warnings.catch_warnings():
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()


async def load(ctx, port, stream, offers=(1,), watch=lambda cycle: None, last=None):
    """Send a stream, its last word marked, and wait for the verdict."""
    words, cycle, held = [int(word) for word in stream], 0, False
    last = len(words) - 1 if last is None else last
    for place, word in enumerate(words):
        while True:
            held = held or offers[cycle % len(offers)]
            ctx.set(port.valid, held)
            ctx.set(port.payload, {"data": word, "last": place == last})
            watch(cycle)
            cycle, taken = cycle + 1, held and ctx.get(port.ready)
            await ctx.tick()
            if taken:
                held = False
                break
    ctx.set(port.valid, 0)
    while not ctx.get(port.ready):
        watch(cycle)
        cycle += 1
        await ctx.tick()


@st.composite
def layouts(draw):
    tables = draw(st.lists(st.integers(1, 5), max_size=2))
    fields = [(bits, table) for table, bits in enumerate(tables)] + [(bits, None) for bits in (1, 5, 8)]
    sections = [Section(draw(st.integers(1, 4)), tuple(draw(st.lists(st.sampled_from(fields), min_size=1, max_size=4))),
                        draw(st.integers(1, 4))) for _ in range(draw(st.integers(1, 3)))]
    if tables:
        sections.append(Section(draw(st.integers(1, 6)), tuple(fields[: len(tables)])))
    return Layout(tuple(sections), 9)


def random_words(layout, rng):
    return [int.from_bytes(rng.bytes(40), "little") & int.from_bytes(rng.bytes(40), "little")
            & (1 << section.bits) - 1 for section in layout.sections for _ in range(section.words)]


@settings(max_examples=10)
@given(layouts(), st.integers(0, 2**32 - 1), patterns, patterns)
def test_the_words_of_any_layout_arrive(layout, seed, offers, accepts):
    """Between two good loads are bad ones: whatever they wrote, the port's words begin anew with the next."""
    rng = np.random.default_rng(seed)
    first, second = random_words(layout, rng), random_words(layout, rng)
    unit, written = CheckedLoad(CheckedLoadParameters(layout, "u")), []
    good = [encode(layout, words, "u") for words in (first, second)]
    flipped = good[0].copy()
    flipped[rng.integers(len(flipped))] ^= np.uint32(1 << rng.integers(32))

    async def bench(ctx):
        def watch(cycle):
            ready = accepts[cycle % len(accepts)]
            ctx.set(unit.load.ready, ready)
            if ready and ctx.get(unit.load.valid):
                written.append(ctx.get(unit.load.payload))

        assert (ctx.get(unit.good), ctx.get(unit.loaded), ctx.get(unit.error)) == (1, 0, 0)
        for stream, fine in ((good[0], True), (flipped, False), (good[1][:-1], False), ([1, 2, 3], False),
                             ([5], False), ([*good[1], 0], False), (good[1], True)):
            written.clear()
            await load(ctx, unit.i, stream, offers, watch)
            assert (ctx.get(unit.good), ctx.get(unit.loaded), ctx.get(unit.error)) == (fine, fine, not fine)
            assert len(written) in ((layout.words,) if fine else (0, layout.words))
            if fine:
                assert written == (first if stream is good[0] else second)

    simulated(unit, bench)


RNG = np.random.default_rng(11)
TRAININGS = [RNG.choice([-3, -1, 0, 0, 0, 2], size=(6, 8)) for _ in range(2)]
PARAMETERS = [MatrixVectorParameters(weights, 2, 2, input=IntType(3), memory="loadable", weight=IntType(3, signed=True),
                                     output=IntType(9, signed=True), lane="multiply")
              for weights in TRAININGS]
LAYOUT = Layout.of_words(len(PARAMETERS[0].load_words), PARAMETERS[0].load_bits, symbol=3)
FRAMES = RNG.integers(0, 8, size=(3, 8))


def checked():
    return CheckedUnit(MatrixVectorUnit(PARAMETERS[0]), CheckedLoadParameters(LAYOUT, "fc"))


def stream_of(number):
    return encode(LAYOUT, PARAMETERS[number].load_words, "fc")


async def computed(ctx, unit, check_unit):
    """The dot products of all frames."""
    words = check_unit.to_words(FRAMES, 2, 3, RNG)
    given_words = []
    ctx.set(unit.o.ready, 1)
    for _ in range(200):
        ctx.set(unit.i.valid, bool(words))
        if words:
            ctx.set(Value.cast(unit.i.payload), words[0])
            if ctx.get(unit.i.ready):
                words.pop(0)
        if ctx.get(unit.o.valid):
            given_words.append(ctx.get(Value.cast(unit.o.payload)))
        await ctx.tick()
        if len(given_words) == 9:
            break
    return check_unit.from_words(given_words, 6, 2, 9, signed=True)


def test_every_flipped_bit_of_a_stream_is_flagged_and_nothing_computes_on_it(check_unit):
    unit, stream = checked(), stream_of(1)
    assert len(stream) < 12

    async def bench(ctx):
        assert (await computed(ctx, unit, check_unit)).tolist() == (FRAMES @ TRAININGS[0].T).tolist()

        def closed(cycle):
            if cycle:
                assert not ctx.get(unit.i.ready)

        for place in range(32 * len(stream)):
            damaged = stream.copy()
            damaged[place // 32] ^= np.uint32(1 << place % 32)
            await load(ctx, unit.load, damaged, watch=closed)
            assert (ctx.get(unit.error), ctx.get(unit.loaded), ctx.get(unit.i.ready)) == (1, 0, 0)
            ctx.set(unit.i.valid, 1)
            for _ in range(8):
                await ctx.tick()
                assert not ctx.get(unit.i.ready)
                assert not ctx.get(unit.o.valid)
            ctx.set(unit.i.valid, 0)
            if place % 16 == 5:
                number = place // 16 % 2
                await load(ctx, unit.load, stream_of(number), watch=closed)
                assert (ctx.get(unit.error), ctx.get(unit.loaded)) == (0, 1)
                assert (await computed(ctx, unit, check_unit)).tolist() == (FRAMES @ TRAININGS[number].T).tolist()

    simulated(unit, bench)


@pytest.mark.parametrize("offers", [(1,), (0, 0, 1)])
def test_an_error_stands_until_a_load_is_good(check_unit, offers):
    unit = checked()

    async def bench(ctx):
        def flags():
            return ctx.get(unit.error), ctx.get(unit.loaded)

        damaged = stream_of(1)
        damaged[-1] ^= np.uint32(1)
        assert flags() == (0, 0)
        await load(ctx, unit.load, damaged, offers)
        assert flags() == (1, 0)
        seen = []
        await load(ctx, unit.load, stream_of(1), offers, lambda cycle: seen.append(flags()))
        assert set(seen) == {(1, 0)}
        assert flags() == (0, 1)
        assert (await computed(ctx, unit, check_unit)).tolist() == (FRAMES @ TRAININGS[1].T).tolist()
        seen.clear()
        await load(ctx, unit.load, stream_of(0), offers, lambda cycle: seen.append(flags()))
        assert [each for each, _ in itertools.groupby(seen)] == [(0, 1), (0, 0)]
        assert flags() == (0, 1)
        # A stream in two halves is two bad ones.
        await load(ctx, unit.load, stream_of(1), offers, last=3)
        assert flags() == (1, 0)

    simulated(unit, bench)


def test_a_load_begins_when_no_word_of_the_input_waits():
    """The unit never sees an offered word withdrawn; here its output is blocked and its pipeline full."""
    unit = checked()

    async def bench(ctx):
        ctx.set(unit.i.valid, 1)
        for _ in range(60):
            await ctx.tick()
        assert not ctx.get(unit.i.ready)
        ctx.set(unit.load.valid, 1)
        for _ in range(10):
            await ctx.tick()
            assert not ctx.get(unit.load.ready)
        ctx.set(unit.i.valid, 0)
        assert ctx.get(unit.load.ready)

    simulated(unit, bench)


def test_a_reset_during_a_load_is_an_error(check_unit):
    """The memories keep what had come; afterwards, the next load's words begin with the first one."""
    inner, reset = checked(), Signal()
    top = Module()
    top.submodules.unit = ResetInserter(reset)(inner)

    async def bench(ctx):
        for count in (0, 1, 2, 5):
            for word in stream_of(1)[:count]:
                ctx.set(inner.load.payload, {"data": int(word), "last": 0})
                ctx.set(inner.load.valid, 1)
                while not ctx.get(inner.load.ready):
                    await ctx.tick()
                await ctx.tick()
            ctx.set(inner.load.valid, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert ctx.get(inner.error) == (count > 0)
            assert ctx.get(inner.i.ready) == (count == 0)
            await load(ctx, inner.load, stream_of(1))
            assert (ctx.get(inner.error), ctx.get(inner.loaded)) == (0, 1)
            assert (await computed(ctx, inner, check_unit)).tolist() == (FRAMES @ TRAININGS[1].T).tolist()

    simulated(top, bench)


@settings(max_examples=10)
@given(stalls=st.tuples(patterns, patterns))
def test_the_gate_keeps_the_units_timing(check_integers, without_load, stalls):
    """Unloaded, the unit behind its gate transfers in the cycles of its own schedule."""
    got = check_integers(without_load(checked()), FRAMES, 8, 6, stalls, RNG)
    assert got.tolist() == (FRAMES @ TRAININGS[0].T).tolist()


def test_the_layout_must_fit_the_port():
    with pytest.raises(ValueError, match="layout must be of words of 12 bits, not 13"):
        CheckedUnit(MatrixVectorUnit(PARAMETERS[0]), CheckedLoadParameters(Layout.of_words(24, 13), "fc"))
