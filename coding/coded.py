"""The words of a load port as a coded stream that says what it is for and shows when it is damaged.

A unit whose weights can be loaded takes words of fixed widths, in which the same few fields follow one another: codes
and zero runs, say (``coding.csc``). The stream has them in canonical Huffman codes (``coding.huffman``), in words of 32
bits, the lowest bit first:

- one word, which names the port and its layout: what was made for another is not taken;
- for each table, the length of each symbol's code in 4 bits, 0 where it has none;
- the fields in order, each in its table's code or as it is; then zeros to the end of the word;
- one word, the CRC-32 of all bytes before it, as ``zlib`` has it.

Codes, lengths and plain fields have their highest bit first. ``hdl.checked_load`` reads such a stream in gates.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from . import huffman
from .huffman import Huffman

__all__ = ["LENGTH_BITS", "WORD", "Layout", "Section", "decode", "encode"]

WORD = 32
"""Bits of a word of the stream."""

LENGTH_BITS = 4
"""Bits of a code's length."""


@dataclass(frozen=True)
class Section:
    """``words`` words of a load port, in each of which ``fields`` follow one another ``times`` times, lowest first.

    A field is its bits and the number of its table, or None where it is not coded.
    """

    words: int
    fields: tuple[tuple[int, int | None], ...]
    times: int = 1

    @property
    def bits(self) -> int:
        """Bits of a word; those above mean nothing."""
        return sum(bits for bits, _ in self.fields) * self.times

    @property
    def symbols(self) -> int:
        return self.words * len(self.fields) * self.times


@dataclass(frozen=True)
class Layout:
    """All words of a load port, section by section. Codes and fields have ``longest`` bits at most.

    Raises
    ------
    ValueError
        If a number is not positive, a field is too wide, the fields of a table differ in bits, or table numbers do not
        begin at 0 without a gap.
    """

    sections: tuple[Section, ...]
    longest: int = 12

    def __post_init__(self):
        if not 1 <= self.longest < 1 << LENGTH_BITS:
            raise ValueError(f"longest must be from 1 to {(1 << LENGTH_BITS) - 1} bits, not {self.longest!r}")
        if not self.sections or min(min(s.words, s.times, len(s.fields)) for s in self.sections) < 1:
            raise ValueError("sections must be one or more, each of one or more words of one or more fields")
        fields = {field for section in self.sections for field in section.fields}
        for bits in sorted(bits for bits, _ in fields):
            if not 1 <= bits <= self.longest:
                raise ValueError(f"a field must be of 1 to {self.longest} bits, not {bits!r}")
        tables = sorted((table, bits) for bits, table in fields if table is not None)
        if [table for table, _ in tables] != list(range(len(tables))):
            raise ValueError(f"tables must be numbered from 0 on, each for fields of the same bits, not {tables}")

    @classmethod
    def of_words(cls, count: int, bits: int, symbol: int = 8, longest: int = 12) -> Layout:
        """A layout for any load port: words in symbols of so many bits with one table, and what is left as it is."""
        fields: tuple[tuple[int, int | None], ...] = ((symbol, 0),) * (bits // symbol)
        if bits % symbol:
            fields += ((bits % symbol, None),)
        return cls((Section(count, fields),), longest)

    @property
    def words(self) -> int:
        return sum(section.words for section in self.sections)

    @property
    def bits(self) -> int:
        """Bits of the widest word."""
        return max(section.bits for section in self.sections)

    @property
    def plain_bits(self) -> int:
        """Bits of all words, without any coding."""
        return sum(section.words * section.bits for section in self.sections)

    @property
    def symbols(self) -> int:
        """Fields of all words."""
        return sum(section.symbols for section in self.sections)

    @cached_property
    def tables(self) -> tuple[int, ...]:
        """Of each table, the bits of its symbols."""
        fields = {field for section in self.sections for field in section.fields}
        return tuple(bits for _, bits in sorted((table, bits) for bits, table in fields if table is not None))

    def identity(self, name: str) -> int:
        """The first word of a stream for the port of this name: from 0 to 2**32 - 1."""
        return zlib.crc32(repr((name, self)).encode())


def _fields_of(section: Section, words: Sequence[int]) -> np.ndarray:
    """The fields of the section's words: int64 ``[words * times, fields]``."""
    if max(words).bit_length() > section.bits or min(words) < 0:
        raise ValueError(f"words must be of {section.bits} bits, not {max(words):#x}")
    size = -(-section.bits // 8)
    rows = np.frombuffer(b"".join(word.to_bytes(size, "little") for word in words), dtype=np.uint8)
    ones = np.unpackbits(rows.reshape(len(words), size), axis=1, bitorder="little")[:, : section.bits]
    ones = ones.reshape(len(words) * section.times, -1)
    fields, low = np.empty((len(ones), len(section.fields)), dtype=np.int64), 0
    for number, (bits, _) in enumerate(section.fields):
        fields[:, number] = ones[:, low : low + bits] @ (1 << np.arange(bits))
        low += bits
    return fields


def _words_of(section: Section, fields: np.ndarray) -> list[int]:
    """The inverse of :func:`_fields_of`."""
    ones = np.concatenate([(fields[:, number, None] >> np.arange(bits) & 1).astype(np.uint8)
                           for number, (bits, _) in enumerate(section.fields)], axis=1)
    rows = np.packbits(ones.reshape(section.words, -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def _codes(section: Section, tables: Sequence[Huffman]) -> list[Huffman]:
    """The code of each field: all numbers of so many bits have that length where there is no table."""
    return [Huffman(np.full(1 << bits, bits)) if table is None else tables[table] for bits, table in section.fields]


def encode(layout: Layout, words: Sequence[int], name: str) -> np.ndarray:
    """The coded stream for the port of this name: uint32 ``[words]``.

    Raises
    ------
    ValueError
        If there are not as many words as the layout says, or one is too wide.
    """
    if len(words) != layout.words:
        raise ValueError(f"words must be the layout's {layout.words}, not {len(words)}")
    begin, parts = 0, []
    for section in layout.sections:
        parts.append(_fields_of(section, words[begin : begin + section.words]))
        begin += section.words
    counts = [np.zeros(1 << bits, dtype=np.int64) for bits in layout.tables]
    for section, fields in zip(layout.sections, parts, strict=True):
        for number, (bits, table) in enumerate(section.fields):
            if table is not None:
                counts[table] += np.bincount(fields[:, number], minlength=1 << bits)
    tables = [Huffman(huffman.code_lengths(count, layout.longest)) for count in counts]
    nibble = Huffman(np.full(1 << LENGTH_BITS, LENGTH_BITS))
    bits = [huffman.encode([nibble], table.lengths) for table in tables]
    bits += [huffman.encode(_codes(section, tables), fields)
             for section, fields in zip(layout.sections, parts, strict=True)]
    packed = np.packbits(np.concatenate(bits), bitorder="little")
    body = np.concatenate([packed, np.zeros(-len(packed) % (WORD // 8), dtype=np.uint8)]).view("<u4")
    stream = np.concatenate([[layout.identity(name)], body]).astype("<u4")
    return np.append(stream, np.array([zlib.crc32(stream.tobytes())], dtype="<u4")).astype(np.uint32)


def decode(layout: Layout, stream: ArrayLike, name: str) -> list[int]:
    """The words of a coded stream for the port of this name.

    Raises
    ------
    ValueError
        If the stream is damaged, made for another port or layout, or does not hold exactly the layout's words.
    """
    words = np.asarray(stream, dtype="<u4")
    if len(words) < 2 or zlib.crc32(words[:-1].tobytes()) != words[-1]:
        raise ValueError(f"the stream must end with the CRC-32 of what is before: it is damaged ({len(words)} words)")
    if words[0] != layout.identity(name):
        raise ValueError(f"the stream must be for {name} with this layout ({layout.identity(name):08x}), not for "
                         f"{words[0]:08x}")
    bits = np.unpackbits(words[1:-1].view(np.uint8), bitorder="little")
    nibble, start, tables = Huffman(np.full(1 << LENGTH_BITS, LENGTH_BITS)), 0, []
    for symbol in layout.tables:
        lengths, used = huffman.decode([nibble], bits[start:], 1 << symbol)
        if lengths.max() > layout.longest:
            raise ValueError(f"codes must have at most {layout.longest} bits, not {lengths.max()}")
        tables.append(Huffman(lengths[:, 0]))
        start += used
    result = []
    for section in layout.sections:
        fields, used = huffman.decode(_codes(section, tables), bits[start:], section.words * section.times)
        result += _words_of(section, fields)
        start += used
    if -(-start // WORD) != len(words) - 2 or bits[start:].any():
        raise ValueError(f"the stream must end after {start} coded bits, and not go on to {len(bits)}")
    return result
