"""Codes are optimal, canonical and prefix codes; streams come back, and bits that are no code are refused."""

import itertools
import math

import numpy as np
import pytest
from bitarray import bitarray
from bitarray.util import canonical_decode, canonical_huffman
from hypothesis import given
from hypothesis import strategies as st

from gatewright.coding import huffman
from gatewright.coding.huffman import Huffman, code_lengths, decode, encode

COUNTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=40).filter(any)


@given(COUNTS)
def test_codes_take_as_few_bits_as_those_of_an_independent_library(counts):
    lengths = code_lengths(counts, limit=40)
    other, _, _ = canonical_huffman({symbol: count for symbol, count in enumerate(counts) if count})
    assert int(np.asarray(counts) @ lengths) == sum(len(code) * counts[symbol] for symbol, code in other.items())


@given(st.lists(st.integers(0, 40), min_size=1, max_size=200))
def test_an_independent_decoder_reads_the_stream(symbols):
    """It is told how many codes have each length, and the symbols in the order of their codes."""
    code = Huffman.of(symbols, 41)
    per_length = np.bincount(code.lengths[code.lengths > 0]).tolist()
    bits = bitarray(encode([code], symbols).tolist())
    assert list(canonical_decode(bits, per_length, code.order.tolist())) == symbols


@given(st.lists(st.integers(1, 50), min_size=2, max_size=5), st.integers(3, 5))
def test_limited_codes_are_the_best_of_all_that_there_are(counts, limit):
    every = itertools.product(range(1, limit + 1), repeat=len(counts))
    best = min(np.dot(counts, lengths) for lengths in every if sum(2.0**-length for length in lengths) <= 1)
    assert Huffman(code_lengths(counts, limit)).bits(counts) == best


@given(COUNTS, st.integers(6, 20))
def test_no_code_is_longer_than_the_limit_and_the_bits_lie_between_the_bounds(counts, limit):
    code = Huffman(code_lengths(counts, limit))
    used = np.array(counts) > 0
    assert code.longest <= limit
    assert ((code.lengths > 0) == used).all()
    assert Huffman.bound(counts) <= code.bits(counts) + 1e-6
    plain = max(1, (int(used.sum()) - 1).bit_length())
    assert code.bits(counts) <= plain * sum(counts)


def test_the_limited_code_of_a_known_example():
    """Counts like Fibonacci's numbers make Huffman's codes as long as can be; the limit flattens them."""
    counts = [1, 1, 2, 3, 5, 8, 13, 21]
    assert code_lengths(counts).tolist() == [7, 7, 6, 5, 4, 3, 2, 1]
    assert code_lengths(counts, 4).tolist() == [4, 4, 4, 4, 3, 3, 2, 2]


def test_a_canonical_code():
    """The example of the DEFLATE specification (RFC 1951, section 3.2.2): lengths of the symbols A to H."""
    code = Huffman([3, 3, 3, 3, 3, 2, 4, 4])
    assert [f"{value:0{length}b}" for value, length in zip(code.codes, code.lengths, strict=True)] == [
        "010", "011", "100", "101", "110", "00", "1110", "1111"]


@pytest.mark.parametrize("symbols", [2, 3, 8])
def test_equal_counts_reach_the_bound_where_it_can_be_reached(symbols):
    counts = [5] * symbols
    assert Huffman.bound(counts) == pytest.approx(5 * symbols * math.log2(symbols), rel=1e-12)
    assert (Huffman(code_lengths(counts)).bits(counts) == round(Huffman.bound(counts))) == (symbols != 3)


@st.composite
def streams(draw):
    """Entries of one to three fields, and a code for each."""
    alphabets = draw(st.lists(st.integers(1, 30), min_size=1, max_size=3))
    entries = draw(st.lists(st.tuples(*(st.integers(0, size - 1) for size in alphabets)), min_size=1, max_size=200))
    entries = np.array(entries).reshape(len(entries), -1)
    return [Huffman.of(entries[:, field], size) for field, size in enumerate(alphabets)], entries


@given(streams(), st.integers(0, 40))
def test_any_stream_comes_back(stream, more):
    codes, entries = stream
    bits = encode(codes, entries)
    assert len(bits) == sum(code.bits(np.bincount(column, minlength=len(code.lengths)))
                            for code, column in zip(codes, entries.T, strict=True))
    back, used = decode(codes, np.concatenate([bits, np.ones(more, dtype=np.uint8)]), len(entries))
    assert np.array_equal(back, entries)
    assert used == len(bits)


@given(streams())
def test_a_stream_that_ends_early_is_refused(stream):
    codes, entries = stream
    bits = encode(codes, entries)
    with pytest.raises(ValueError, match=rf"bits must hold {len(entries)} entries: those from bit \d+ on begin none"):
        decode(codes, bits[:-1], len(entries))


def test_bits_that_are_no_code_are_refused():
    code = Huffman([1, 0, 2])
    with pytest.raises(ValueError, match="bits must hold 3 entries: those from bit 3 on begin none, after 2"):
        decode([code], [0, 1, 0, 1, 1, 0], 3)


def test_long_streams_are_decoded_in_blocks(monkeypatch):
    monkeypatch.setattr(huffman, "BLOCK", 100)
    entries = np.random.default_rng(0).integers(0, [9, 4], (1000, 2))
    codes = [Huffman.of(entries[:, 0], 9), Huffman.of(entries[:, 1], 4)]
    back, used = decode(codes, encode(codes, entries), 1000)
    assert np.array_equal(back, entries)
    assert used == len(encode(codes, entries))


def test_no_entries_take_no_bits():
    code = Huffman([1])
    assert encode([code], np.zeros((0, 1))).tolist() == []
    assert decode([code], [], 0) == (pytest.approx(np.zeros((0, 1))), 0)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: code_lengths([]), "counts must be a list of integers from 0 on, one of them positive"),
    (lambda: code_lengths([0, 0]), "counts must be a list of integers from 0 on, one of them positive"),
    (lambda: code_lengths([1] * 9, 3), "limit must be at least 4 bits for 9 symbols, not 3"),
    (lambda: Huffman([0]), "lengths must be a list of 0 to 62 bits, one of them positive"),
    (lambda: Huffman([1, 1, 2]), r"lengths must be those of a prefix code \(Kraft's sum at most 1\), not \[1, 1, 2\]"),
    (lambda: encode([Huffman([1, 0, 1])], [[1]]), "symbols must have a code, unlike 1"),
    (lambda: encode([Huffman([1, 0, 1])], [[3]]), "symbols must have a code, unlike 3"),
])
def test_what_cannot_be_coded(call, message):
    with pytest.raises(ValueError, match=message):
        call()
