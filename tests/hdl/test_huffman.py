"""The decoder gives the symbols of any stream, one a cycle, to the cycle of a plain model; what is wrong is flagged."""

import warnings

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.coding import huffman
from gatewright.coding.coded import Layout, Section
from gatewright.coding.huffman import Huffman
from gatewright.hdl.huffman import HuffmanDecoder, HuffmanParameters

WORD, NIBBLE = 32, Huffman(np.full(16, 4))
patterns = st.lists(st.integers(0, 1), min_size=1, max_size=12).map(lambda bits: [*bits, 1])


def run(parameters, frames, offers=(1,), accepts=(1,), cycles=100000):
    """Feed frames of words; returns of each the symbols, whether there was an error, and each symbol's cycle.

    Also the cycle in which each word was taken, over all frames.
    """
    unit, words = HuffmanDecoder(parameters), [(word, k == len(f) - 1) for f in frames for k, word in enumerate(f)]
    found, taken = [([], None, [])], []

    async def bench(ctx):
        held = False
        for cycle in range(cycles):
            held = bool(words) and (held or bool(offers[cycle % len(offers)]))
            ctx.set(unit.i.valid, held)
            ctx.set(unit.i.payload, {"data": words[0][0], "last": words[0][1]} if held else {"data": 1, "last": 1})
            before = ctx.get(unit.o.valid), ctx.get(unit.o.payload)
            ctx.set(unit.o.ready, accepts[cycle % len(accepts)])
            assert before == (ctx.get(unit.o.valid), ctx.get(unit.o.payload))
            if held and ctx.get(unit.i.ready):
                words.pop(0)
                taken.append(cycle)
                held = False
            if before[0] and accepts[cycle % len(accepts)]:
                found[-1][0].append(before[1])
                found[-1][2].append(cycle)
            if ctx.get(unit.done):
                found[-1] = found[-1][0], bool(ctx.get(unit.error)), found[-1][2]
                found.append(([], None, []))
                if len(found) > len(frames):
                    return
            await ctx.tick()

    with warnings.catch_warnings():
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    return found[: len(frames)], taken


def packed(bits):
    packed = np.packbits(bits, bitorder="little")
    return np.concatenate([packed, np.zeros(-len(packed) % 4, np.uint8)]).view("<u4").tolist()


def in_order(layout, entries):
    """The symbols of a frame, each with its table."""
    return [(int(symbol), section.fields[place][1], section.fields[place][0])
            for section, rows in zip(layout.sections, entries, strict=True) for row in rows
            for place, symbol in enumerate(row)]


@st.composite
def streams(draw, frames=2):
    """A layout, and of some frames the entries of its sections and the codes of its tables."""
    sizes = draw(st.lists(st.integers(1, 5), max_size=3))
    fields = [(bits, table) for table, bits in enumerate(sizes)]
    sections = [Section(draw(st.integers(1, 12)), tuple(draw(st.permutations(fields)))) for _ in range(bool(sizes))]
    plain = [(bits, None) for bits in (1, 3, 7)]
    sections += [Section(draw(st.integers(1, 4)), tuple(draw(st.lists(st.sampled_from(fields + plain), min_size=1,
                                                                      max_size=4))), draw(st.integers(1, 3)))
                 for _ in range(draw(st.integers(0 if sizes else 1, 2)))]
    layout = Layout(tuple(sections), draw(st.sampled_from([7, 12, 15])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made = []
    for _ in range(frames):
        entries = [np.stack([(rng.geometric(0.4, section.words * section.times) - 1).clip(0, (1 << bits) - 1)
                             for bits, _ in section.fields], axis=1) for section in sections]
        symbols = in_order(layout, entries)
        codes = [Huffman.of([s for s, t, _ in symbols if t == table], 1 << bits, layout.longest)
                 for table, bits in enumerate(sizes)]
        made.append((entries, codes))
    return layout, made


def coded(layout, entries, codes, loaded):
    """The bits of a frame."""
    lengths = [huffman.encode([NIBBLE], code.lengths) for code in codes] if loaded else []
    return np.concatenate(lengths + [
        huffman.encode([Huffman(np.full(1 << bits, bits)) if table is None else codes[table]
                        for bits, table in section.fields], rows)
        for section, rows in zip(layout.sections, entries, strict=True)])


def model(parameters, frames, offers, accepts):
    """The cycles of every transfer, from rules in plain words: (symbols' cycles of each frame, words' cycles).

    Each frame is the lengths in bits of what it has: its tables' code lengths (if loaded), then its symbols. At most
    one leaves the buffer a cycle, if ``longest`` bits are there or the last word is; a symbol is at the output in the
    next cycle, and must be taken before the next one leaves. A word is taken if at most 32 bits are there.
    """
    longest, cycle, given_at, taken_at, held = parameters.longest, 0, [], [], False
    full, total = False, sum(words for words, _, _ in frames)
    for words, headers, lengths in frames:
        times, level, left, ended, waiting, resting = [], 0, words, False, 0, 0
        queue = []
        for size in headers:
            queue += [("length", 4)] * size + [("build", parameters.layout.longest * size)]
        queue += [("symbol", bits) for bits in lengths]
        while True:
            held = held or bool(total and offers[cycle % len(offers)])
            ready = bool(accepts[cycle % len(accepts)])
            takes = held and level <= WORD and not ended
            leaves = full and ready
            if leaves:
                times.append(cycle)
            done = resting >= 1 and (not full or ready)
            room, enters, used = not full or ready, False, 0
            if queue and queue[0][0] == "build":
                waiting += 1
                if waiting == queue[0][1]:
                    queue.pop(0)
                    waiting = 0
            elif queue and (level >= longest or ended) and (room or queue[0][0] == "length"):
                kind, used = queue.pop(0)
                enters = kind == "symbol"
            elif not queue:
                resting += 1
            full = enters or (full and not leaves)
            level += WORD * takes - used
            if takes:
                taken_at.append(cycle)
                left, total, held = left - 1, total - 1, False
                ended = not left
            cycle += 1
            if done:
                break
        given_at.append(times)
    return given_at, taken_at


@settings(max_examples=60)
@given(streams(), st.booleans(), patterns, patterns)
def test_any_stream_gives_its_symbols_in_the_predicted_cycles(stream, loaded, offers, accepts):
    layout, made = stream
    if not loaded:
        made = made[:1] * 2
    parameters = HuffmanParameters(layout, None if loaded else tuple(made[0][1]))
    frames, expected = [], []
    for entries, codes in made:
        frames.append(packed(coded(layout, entries, codes, loaded)))
        headers = [len(code.lengths) for code in codes] if loaded else []
        lengths = [bits if table is None else int(codes[table].lengths[symbol])
                   for symbol, table, bits in in_order(layout, entries)]
        expected.append((len(frames[-1]), headers, lengths))
    found, taken = run(parameters, frames, offers, accepts)
    assert [symbols for symbols, _, _ in found] == [[s for s, _, _ in in_order(layout, e)] for e, _ in made]
    assert [error for _, error, _ in found] == [False, False]
    assert ([times for _, _, times in found], taken) == model(parameters, expected, offers, accepts)


def test_codes_and_runs_alternate_at_a_symbol_a_cycle():
    """Words as wide as the longest codes allow: from the first symbol on, there is one in every cycle."""
    rng = np.random.default_rng(3)
    entries = np.stack([rng.geometric(0.3, 500) - 1, rng.geometric(0.5, 500) - 1], axis=1).clip(0, 15)
    codes = [Huffman.of(column, 16) for column in entries.T]
    parameters = HuffmanParameters(Layout((Section(500, ((4, 0), (4, 1))),), 15), tuple(codes))
    [(symbols, error, times)], _ = run(parameters, [packed(huffman.encode(codes, entries))])
    assert symbols == entries.ravel().tolist()
    assert not error
    assert times == list(range(2, 1002))


LAYOUT = Layout((Section(6, ((2, 0), (2, 1))),), 6)
CODES = Huffman([1, 0, 2, 0]), Huffman([2, 2, 2, 0])
ENTRIES = np.array([[0, 0], [2, 1], [0, 2], [2, 2], [0, 0], [0, 1]])
BITS = huffman.encode(CODES, ENTRIES)


@pytest.mark.parametrize(("frame", "symbols"), [
    (packed(BITS[:5]), None),  # zeros behind the end are codes here, and so it is the count that is wrong
    ([*packed(BITS), 0], 12),
    ([*packed(BITS), 0, 7, 0, 0], 12),
    (packed(np.concatenate([BITS[:3], [1, 1], BITS[3:]])), 2),
    ([0xFFFFFFFF], 0),
])
def test_what_is_wrong_is_flagged_and_the_next_frame_is_right(frame, symbols):
    parameters = HuffmanParameters(Layout((Section(6, ((2, 0), (2, 1))), Section(9, ((6, None),))), 6), CODES)
    tail = huffman.encode([Huffman(np.full(64, 6))], np.arange(9))
    good = packed(np.concatenate([BITS, tail]))
    right = [*ENTRIES.ravel().tolist(), *range(9)]
    for frames in ([good, frame, good], [frame, good, frame, good]):
        found, _ = run(parameters, frames, (1, 0, 1), (1, 1, 0))
        for words, (symbols_out, error, _) in zip(frames, found, strict=True):
            assert error == (words is frame)
            if not error:
                assert symbols_out == right
            elif symbols is not None:
                assert symbols_out[:symbols] == right[:symbols]


def test_lengths_that_are_no_prefix_code_are_flagged():
    parameters = HuffmanParameters(LAYOUT)
    lengths = [huffman.encode([NIBBLE], code.lengths) for code in CODES]
    good = packed(np.concatenate([*lengths, BITS]))
    bad = packed(np.concatenate([huffman.encode([NIBBLE], [1, 1, 0, 6]), lengths[1], BITS]))
    found, _ = run(parameters, [bad, good, bad, good])
    assert [error for _, error, _ in found] == [True, False, True, False]
    assert [len(symbols) for symbols, _, _ in found] == [0, 12, 0, 12]


def test_a_stream_may_end_anywhere_and_the_next_one_is_right():
    """Also among the lengths, after the first table is built, or where a table's lengths are no code's."""
    layout = Layout((Section(20, ((3, 0), (3, 1))),), 5)
    entries = np.random.default_rng(5).integers(0, 8, (20, 2))
    codes = [Huffman.of(column, 8, 5) for column in entries.T]
    good = packed(coded(layout, [entries], codes, True))
    wrong = [0x11111111, *good[1:]], [good[0], 0x11111111, *good[2:]]
    for bad in (*(good[:count] for count in range(1, len(good))), *wrong):
        found, _ = run(HuffmanParameters(layout), [bad, good, bad, bad, good])
        assert [error for _, error, _ in found] == [True, False, True, True, False]
        assert [found[k][0] for k in (1, 4)] == [entries.ravel().tolist()] * 2


def test_resources_are_said():
    assert HuffmanParameters(LAYOUT, CODES).table_bits == 0
    loaded = HuffmanParameters(LAYOUT)
    # For each table 4 symbols of 2 bits, and of the lengths 1 to 6 a limit (one bit more) and a base; the lengths.
    assert loaded.table_bits == 2 * (4 * 2 + 27 + 6 * 2) + 4 * 4
    assert loaded.building == 2 * 4 * 6


@pytest.mark.parametrize(("call", "message"), [
    (lambda: HuffmanParameters(LAYOUT, CODES[:1]),
     r"tables must be for symbols of \(2, 2\) bits, not of \[4\] symbols"),
    (lambda: HuffmanParameters(Layout(LAYOUT.sections, 2), (Huffman([3, 3, 3, 1]), CODES[1])),
     "codes must have at most the layout's 2 bits"),
])
def test_what_cannot_be_built(call, message):
    with pytest.raises(ValueError, match=message):
        call()
