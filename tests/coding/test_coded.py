"""Coded streams give their words back, and nothing else passes for one: no flipped bit, no other port, no other end."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.coding.coded import Layout, Section, decode, encode

EIE = Layout((Section(3, ((9, None),)), Section(20, ((4, 0), (4, 1)), 8), Section(4, ((8, None), (8, None)))))
"""Pointers, eight pairs of code and run a word, and a codebook."""


def random_words(layout, rng):
    return [int.from_bytes(rng.bytes(40), "little") & int.from_bytes(rng.bytes(40), "little")
            & (1 << section.bits) - 1 for section in layout.sections for _ in range(section.words)]


@st.composite
def layouts(draw):
    tables = draw(st.lists(st.integers(1, 6), max_size=3))
    fields = [(bits, table) for table, bits in enumerate(tables)] + [(bits, None) for bits in (1, 5, 8)]
    sections = [Section(draw(st.integers(1, 5)), tuple(draw(st.lists(st.sampled_from(fields), min_size=1, max_size=5))),
                        draw(st.integers(1, 4))) for _ in range(draw(st.integers(1, 3)))]
    if tables:
        sections.append(Section(draw(st.integers(1, 20)), tuple(fields[: len(tables)])))
    return Layout(tuple(sections), 9)


@given(layouts(), st.integers(0, 2**32 - 1))
def test_any_words_come_back(layout, seed):
    words = random_words(layout, np.random.default_rng(seed))
    stream = encode(layout, words, "port")
    assert stream.dtype == np.uint32
    assert decode(layout, stream, "port") == words
    assert layout.plain_bits == sum(section.words * section.bits for section in layout.sections)
    assert layout.symbols == sum(section.symbols for section in layout.sections)


def test_the_stream_is_as_described():
    """Two words of two symbols of 2 bits: 3, 1, 3, 0. Lengths 2, 2, 0, 1, so the codes 10, 11 and 0."""
    layout = Layout((Section(2, ((2, 0), (2, 0))),))
    stream = encode(layout, [0b0111, 0b0011], "x")
    bits = "0010" "0010" "0000" "0001" "0" "11" "0" "10"
    assert stream[0] == layout.identity("x")
    assert stream[1] == int(bits[::-1], 2)
    assert stream[2] == zlib.crc32(stream[:2].tobytes())
    assert len(stream) == 3


def test_every_flipped_bit_is_refused():
    stream = encode(EIE, random_words(EIE, np.random.default_rng(1)), "u")
    for place in range(len(stream) * 32):
        damaged = stream.copy()
        damaged[place // 32] ^= np.uint32(1 << place % 32)
        with pytest.raises(ValueError, match=r"the stream must end with the CRC-32 of what is before: it is damaged"):
            decode(EIE, damaged, "u")


def sealed(words):
    words = np.array(words, dtype="<u4")
    return np.append(words, np.array([zlib.crc32(words.tobytes())], dtype="<u4"))


def test_what_has_a_good_checksum_must_still_be_a_stream_for_the_port():
    words = random_words(EIE, np.random.default_rng(2))
    stream = encode(EIE, words, "u")
    with pytest.raises(ValueError, match=r"the stream must be for v with this layout \([0-9a-f]{8}\), not for "):
        decode(EIE, stream, "v")
    with pytest.raises(ValueError, match=r"the stream must be for u with this layout"):
        decode(Layout(EIE.sections, 11), stream, "u")
    with pytest.raises(ValueError, match=r"the stream must end after .* coded bits, and not go on"):
        decode(EIE, sealed([*stream[:-1], 0]), "u")
    with pytest.raises(ValueError, match=r"bits must hold .* entries: those from bit .* begin none"):
        decode(EIE, sealed(stream[:-2]), "u")
    with pytest.raises(ValueError, match=r"bits must hold 16 entries: those from bit 0 on begin none"):
        decode(EIE, sealed(stream[:1]), "u")
    with pytest.raises(ValueError, match="codes must have at most 12 bits, not 15"):
        decode(EIE, sealed([stream[0], 0xFFFFFFFF, *stream[2:-1]]), "u")
    with pytest.raises(ValueError, match="lengths must be those of a prefix code"):
        decode(EIE, sealed([stream[0], 0x88888888, *stream[2:-1]]), "u")


@pytest.mark.parametrize(("call", "message"), [
    (lambda: Layout(()), "sections must be one or more, each of one or more words of one or more fields"),
    (lambda: Layout((Section(1, ()),)), "sections must be one or more, each of one or more words of one or more"),
    (lambda: Layout((Section(1, ((13, None),)),)), "a field must be of 1 to 12 bits, not 13"),
    (lambda: Layout((Section(1, ((3, 0), (4, 0))),)), r"tables must be numbered from 0 on, .* not \[\(0, 3\), \(0, 4"),
    (lambda: Layout((Section(1, ((3, 1),)),)), r"tables must be numbered from 0 on, .* not \[\(1, 3\)\]"),
    (lambda: Layout((Section(1, ((3, 0),)),), 16), "longest must be from 1 to 15 bits, not 16"),
    (lambda: encode(EIE, [0], "u"), "words must be the layout's 27, not 1"),
    (lambda: encode(EIE, [512] * 27, "u"), "words must be of 9 bits, not 0x200"),
])
def test_what_cannot_be_coded(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_words_of_any_port_can_be_coded():
    layout = Layout.of_words(5, 21, symbol=4)
    assert layout.sections == (Section(5, ((4, 0),) * 5 + ((1, None),)),)
    words = [0, 1, 1 << 20, 0x12345, 0x1FFFFF]
    assert decode(layout, encode(layout, words, "p"), "p") == words
