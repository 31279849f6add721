"""Bytes at pins against plain Python: every word arrives, whatever the pauses, and each frame's last byte is marked."""

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.byte_pins import BytePins, Packing

PATTERN = st.lists(st.integers(0, 1), min_size=1, max_size=12).filter(any)
BITS = st.sampled_from([1, 2, 3, 4, 5, 8, 9, 16, 17])


def move(unit, source, sink, queue, count, offers, accepts):
    """Drive ``source`` (payload, valid, ready) and collect from ``sink``: the payloads, and ``out_last`` with each."""
    got = []

    async def bench(ctx):
        left, held, stalled = list(queue), None, None
        for cycle in range(5000):
            if held is None and left and offers[cycle % len(offers)]:
                held = left.pop(0)
            ctx.set(source[0], 0 if held is None else held)
            ctx.set(source[1], held is not None)
            ctx.set(sink[2], accepts[cycle % len(accepts)])
            now = (ctx.get(sink[0]), ctx.get(unit.out_last)) if ctx.get(sink[1]) else None
            assert stalled in (None, now)
            stalled = None if accepts[cycle % len(accepts)] else now
            if now is not None and accepts[cycle % len(accepts)]:
                got.append(now)
            if held is not None and ctx.get(source[2]):
                held = None
            await ctx.tick()
            if len(got) == count and held is None and not left:
                return
        raise AssertionError(f"only {len(got)} of {count} came")

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return got


@settings(max_examples=50)
@given(data=st.data(), bits=BITS, words=st.integers(1, 9), offers=PATTERN, accepts=PATTERN)
def test_bytes_become_words(data, bits, words, offers, accepts):
    frames = data.draw(st.lists(st.lists(st.integers(0, (1 << bits) - 1), min_size=words, max_size=words),
                                min_size=1, max_size=3))
    packing = Packing(bits, words)
    unit = BytePins(packing, Packing(1, 1))
    given_bytes = b"".join(packing.to_bytes(frame) for frame in frames)
    assert len(given_bytes) == packing.bytes * len(frames)
    got = move(unit, (unit.in_data, unit.in_valid, unit.in_ready), (unit.i.payload, unit.i.valid, unit.i.ready),
               given_bytes, words * len(frames), offers, accepts)
    assert [word for word, _ in got] == [word for frame in frames for word in frame]


@settings(max_examples=50)
@given(data=st.data(), bits=BITS, words=st.integers(1, 9), offers=PATTERN, accepts=PATTERN)
def test_words_become_bytes(data, bits, words, offers, accepts):
    frames = data.draw(st.lists(st.lists(st.integers(0, (1 << bits) - 1), min_size=words, max_size=words),
                                min_size=1, max_size=3))
    packing = Packing(bits, words)
    unit = BytePins(Packing(1, 1), packing)
    wanted = b"".join(packing.to_bytes(frame) for frame in frames)
    got = move(unit, (unit.o.payload, unit.o.valid, unit.o.ready), (unit.out_data, unit.out_valid, unit.out_ready),
               [word for frame in frames for word in frame], len(wanted), offers, accepts)
    assert bytes(byte for byte, _ in got) == wanted
    assert [bool(last) for _, last in got] == [k % packing.bytes == packing.bytes - 1 for k in range(len(wanted))]


@pytest.mark.parametrize(("bits", "words", "size"), [(1, 64, 8), (1, 63, 63), (2, 32, 8), (3, 5, 5), (4, 1, 1),
                                                     (8, 3, 3), (9, 3, 6), (17, 1, 3)])
def test_small_words_share_a_byte_where_a_frame_stays_whole(bits, words, size):
    assert Packing(bits, words).bytes == size


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match=r"^bits must be a positive integer, not 0$"):
        Packing(0, 1)
    with pytest.raises(ValueError, match=r"^words must be a positive integer, not 0$"):
        Packing(1, 0)
