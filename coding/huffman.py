"""Canonical Huffman codes, and streams of symbols coded with one of them or with several in turn.

Deep Compression (Han, Mao, Dally: "Deep Compression", ICLR 2016, section 4) codes the codebook indices of pruned
weights and the zero runs between them, each with a code of its own: here the tables alternate, entry after entry. A
canonical code is said by its lengths alone (Schwartz, Kallick: "Generating a canonical prefix encoding",
Communications of the ACM 7(3), 1964), so a file holds those, and a decoder in gates needs no tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Huffman", "code_lengths", "decode", "encode"]

BLOCK = 1 << 20
"""Bits that are decoded together."""

LONGEST = 16
"""Bits of the longest code, unless said otherwise: a decoder compares with each length."""


def code_lengths(counts: ArrayLike, limit: int = LONGEST) -> np.ndarray:
    """Lengths of an optimal prefix code of at most ``limit`` bits: int64 ``[symbols]``, 0 where a count is 0.

    By package-merge (Larmore, Hirschberg: "A fast algorithm for optimal length-limited Huffman codes", Journal of the
    ACM 37(3), 1990); with a limit that binds nowhere, the lengths of Huffman's own code. A symbol that is alone gets
    one bit.

    Raises
    ------
    ValueError
        If counts are negative, none is positive, or the limit is too short for so many symbols.
    """
    counts = np.asarray(counts, dtype=np.int64)
    if counts.ndim != 1 or not counts.size or counts.min() < 0 or not counts.any():
        raise ValueError("counts must be a list of integers from 0 on, one of them positive")
    used = np.flatnonzero(counts)
    if limit < 1 or len(used) > 1 << limit:
        raise ValueError(f"limit must be at least {(len(used) - 1).bit_length()} bits for {len(used)} symbols, not "
                         f"{limit!r}")
    lengths = np.zeros(len(counts), dtype=np.int64)
    if len(used) == 1:
        lengths[used] = 1
        return lengths
    # A package is its weight and how often it holds each symbol; sorting is stable, so the code is deterministic.
    leaves = [(int(counts[symbol]), np.arange(len(used)) == place) for place, symbol in enumerate(used)]
    leaves.sort(key=lambda package: package[0])
    packages: list[tuple[int, np.ndarray]] = []
    for _ in range(limit):
        paired = [(a[0] + b[0], a[1].astype(np.int64) + b[1])
                  for a, b in zip(packages[::2], packages[1::2], strict=False)]
        packages = sorted(leaves + paired, key=lambda package: package[0])
    lengths[used] = sum(members.astype(np.int64) for _, members in packages[: 2 * len(used) - 2])
    return lengths


@dataclass(frozen=True, eq=False)
class Huffman:
    """A canonical prefix code, by its ``lengths``: int64 ``[symbols]``, 0 for a symbol that never occurs.

    Codes rise with their length, and with the symbol where lengths are equal. Their first bit is the highest.

    Raises
    ------
    ValueError
        If no symbol has a code, or no prefix code has such lengths.
    """

    lengths: np.ndarray

    def __post_init__(self):
        lengths = np.array(self.lengths, dtype=np.int64)
        if lengths.ndim != 1 or not lengths.size or lengths.min() < 0 or not lengths.any() or lengths.max() > 62:
            raise ValueError("lengths must be a list of 0 to 62 bits, one of them positive")
        used = lengths[lengths > 0]
        if int((1 << int(used.max()) - used).sum()) > 1 << int(used.max()):
            raise ValueError(f"lengths must be those of a prefix code (Kraft's sum at most 1), not {lengths.tolist()}")
        lengths.flags.writeable = False
        object.__setattr__(self, "lengths", lengths)

    @classmethod
    def of(cls, symbols: ArrayLike, alphabet: int, limit: int = LONGEST) -> Huffman:
        """The best code for integers below ``alphabet``. Symbols that are not there get no code."""
        return cls(code_lengths(np.bincount(np.asarray(symbols).ravel(), minlength=alphabet), limit))

    @property
    def longest(self) -> int:
        """Bits of the longest code."""
        return int(self.lengths.max())

    @cached_property
    def order(self) -> np.ndarray:
        """The symbols that have a code, in the order of their codes: int64 ``[symbols used]``."""
        order = np.argsort(self.lengths, kind="stable")
        return order[self.lengths[order] > 0]

    @cached_property
    def firsts(self) -> np.ndarray:
        """int64 ``[longest + 1, 2]``: of each length, the first code and the place of its symbol in ``order``."""
        table = np.zeros((self.longest + 1, 2), dtype=np.int64)
        per_length = np.bincount(self.lengths[self.order], minlength=self.longest + 1)
        for length in range(1, self.longest + 1):
            table[length, 0] = table[length - 1, 0] + per_length[length - 1] << 1
            table[length, 1] = table[length - 1, 1] + per_length[length - 1]
        return table

    @cached_property
    def codes(self) -> np.ndarray:
        """int64 ``[symbols]``: each symbol's code, as a number of its length's bits."""
        codes = np.zeros(len(self.lengths), dtype=np.int64)
        lengths = self.lengths[self.order]
        first, place = self.firsts[lengths].T
        codes[self.order] = first + np.arange(len(self.order)) - place
        return codes

    def bits(self, counts: ArrayLike) -> int:
        """Bits that so many of each symbol take."""
        return int(np.asarray(counts) @ self.lengths)

    @staticmethod
    def bound(counts: ArrayLike) -> float:
        """The entropy of so many of each symbol, in bits: no code of single symbols takes fewer."""
        counts = np.asarray(counts)[np.asarray(counts) > 0]
        return float(-(counts * np.log2(counts / counts.sum())).sum()) + 0.0

    @cached_property
    def _windows(self) -> tuple[np.ndarray, np.ndarray]:
        """The symbol and the length that each ``longest`` bits begin with; length 0 if they begin with no code."""
        # Canonical codes, filled up to the longest, are in rising order without gaps: what remains begins no code.
        spans = 1 << self.longest - self.lengths[self.order]
        rest = (1 << self.longest) - int(spans.sum())
        symbols = np.concatenate([np.repeat(self.order, spans), np.zeros(rest, dtype=np.int64)])
        lengths = np.concatenate([np.repeat(self.lengths[self.order], spans), np.zeros(rest, dtype=np.int64)])
        return symbols, lengths

    def _at_each_bit(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The symbol and the code length that would begin at each bit; length 0 for none, also beyond the end."""
        filled = np.concatenate([bits, np.zeros(self.longest, dtype=bits.dtype)])
        window = np.zeros(len(bits) + 1, dtype=np.int64)
        for place in range(self.longest):
            window = window << 1 | filled[place : place + len(window)]
        symbols, lengths = self._windows
        symbol, length = symbols[window], lengths[window]
        length[np.arange(len(length)) + length > len(bits)] = 0
        return symbol, length


def encode(codes: Sequence[Huffman], entries: ArrayLike) -> np.ndarray:
    """Code int ``[entries, len(codes)]``: each entry's symbols one after another, each with its own code.

    Returns
    -------
    uint8 ``[bits]`` of 0 and 1, in the order in which a decoder meets them. ``np.packbits(..., bitorder="little")``
    makes the bytes of words whose lowest bit comes first.

    Raises
    ------
    ValueError
        If a symbol has no code.
    """
    entries = np.asarray(entries, dtype=np.int64).reshape(-1, len(codes))
    lengths, values = np.empty_like(entries), np.empty_like(entries)
    for column, code in enumerate(codes):
        symbols = entries[:, column]
        good = (symbols >= 0) & (symbols < len(code.lengths))
        if not good.all() or not code.lengths[symbols].all():
            bad = symbols[~good] if not good.all() else symbols[code.lengths[symbols] == 0]
            raise ValueError(f"symbols must have a code, unlike {int(bad[0])}")
        lengths[:, column], values[:, column] = code.lengths[symbols], code.codes[symbols]
    lengths, values = lengths.ravel(), values.ravel()
    ends = np.cumsum(lengths)
    bits = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    for back in range(max(code.longest for code in codes)):
        here = lengths > back
        bits[ends[here] - 1 - back] = values[here] >> back & 1
    return bits


def decode(codes: Sequence[Huffman], bits: ArrayLike, entries: int) -> tuple[np.ndarray, int]:
    """Decode so many entries from the beginning of ``bits``; the inverse of :func:`encode`.

    Returns
    -------
    int64 ``[entries, len(codes)]``, and the bits that they took.

    Raises
    ------
    ValueError
        If bits are no code, or end too early.
    """
    bits = np.asarray(bits, dtype=np.uint8)
    margin = sum(code.longest for code in codes)
    parts, start, left = [np.zeros((0, len(codes)), dtype=np.int64)], 0, entries
    while left:
        begins, after = _chain(codes, bits[start : start + BLOCK + margin], min(left, BLOCK // margin))
        if len(begins) < min(left, BLOCK // margin):
            raise ValueError(f"bits must hold {entries} entries: those from bit {start + after} on begin none, after "
                             f"{entries - left + len(begins)}")
        parts.append(begins)
        left -= len(begins)
        start += after
    return np.concatenate(parts), start


def _chain(codes: Sequence[Huffman], bits: np.ndarray, entries: int) -> tuple[np.ndarray, int]:
    """At most so many entries from the beginning of ``bits``, until one is wrong; and the bits that they took."""
    # The entry that would begin at each bit, then those that do.
    ends = np.arange(len(bits) + 1)
    good = np.ones(len(ends), dtype=bool)
    fields = []
    for code in codes:
        symbol, length = code._at_each_bit(bits)
        fields.append(symbol[ends])
        good &= length[ends] > 0
        ends = ends + length[ends]
    following = np.where(good, ends, -1).tolist()
    begins, place = [], 0
    while len(begins) < entries and following[place] >= 0:
        begins.append(place)
        place = following[place]
    return np.stack([field[begins] for field in fields], axis=1), place
