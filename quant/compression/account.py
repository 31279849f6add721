"""What a layer's weights take in memory, counted on the integers that are exported and the codes made of them.

Of dense weights every one is a value; of pruned ones each entry is a value and a run of zeros (``coding.csc``, padding
counted); shared ones have a code in place of the value, and a codebook; where a seed says what stands where, there is
no index. Pointers to the columns are counted apart: Deep Compression leaves them out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import nn

from ...coding import csc
from ...coding.huffman import LONGEST, Huffman
from ...coding.lfsr import Lfsr
from ..layers import Weighted
from .constrained import Blocked, Hashed, Shared, constraint, integers, mask_of, named

__all__ = ["FLOAT_BITS", "Account", "Coded", "account", "sharing_ratio"]

FLOAT_BITS = 32
"""Bits of an uncompressed weight, which all ratios are against."""
_LENGTH_BITS = LONGEST.bit_length()


@dataclass(frozen=True)
class Coded:
    """Symbols and what they take: ``plain`` bits in all at a fixed width, ``huffman`` bits with the best prefix code,
    ``bound`` their entropy, and ``table`` the bits that say the code.
    """

    symbols: int
    plain: int
    huffman: int
    bound: float
    table: int

    @classmethod
    def of(cls, symbols: np.ndarray, bits: int) -> Coded:
        """Symbols below ``2 ** bits``."""
        if not len(symbols):
            return cls(0, 0, 0, 0.0, 0)
        counts = np.bincount(symbols)
        code = Huffman.of(symbols, len(counts))
        return cls(len(symbols), bits * len(symbols), code.bits(counts), Huffman.bound(counts),
                   _LENGTH_BITS * len(counts))


@dataclass(frozen=True)
class Account:
    """One layer. ``kind`` is ``dense``, ``runs``, ``blocks``, ``lfsr`` or ``hash``; ``values`` counts distinct ones.

    ``entries`` are what the memory holds, padding included: ``codes`` their values (or codes, if ``shared``), ``runs``
    their indices, both in bits. ``codebook`` and ``pointers`` are bits too, and so is ``width``, of one weight.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    shared: bool
    weights: int
    nonzeros: int
    entries: int
    values: int
    width: int
    codes: Coded
    runs: Coded
    codebook: int
    pointers: int

    def bits(self, huffman: bool) -> int:
        """All but the pointers."""
        if huffman and self.shared:
            return (self.codes.huffman + self.codes.table + self.runs.huffman + self.runs.table + self.codebook)
        return self.codes.plain + self.runs.plain + self.codebook

    def ratio(self, huffman: bool) -> float:
        """Against as many floats."""
        return FLOAT_BITS * self.weights / self.bits(huffman)


def sharing_ratio(layers: Iterable[Account]) -> float:
    """Deep Compression's ``r = n b / (n log2(k) + k b)`` (equation 1): n non-zeros of b = 32 bits, k shared values.

    Over several layers, numerators and denominators add up.
    """
    full = coded = 0.0
    for layer in layers:
        full += layer.nonzeros * FLOAT_BITS
        coded += layer.nonzeros * math.log2(max(2, layer.values)) + layer.values * FLOAT_BITS
    return full / coded


def account(module: nn.Module, *, elements: int = 1, run_bits: int = 5) -> tuple[Account, ...]:
    """Count every layer of a module under compression, its weights being matrices of outputs by inputs.

    Runs are those of compressed sparse columns over ``elements`` elements, of ``run_bits`` bits.
    """
    return tuple(_count(name, layer, elements, run_bits) for name, layer in named(module).items())


def _count(name: str, layer: Weighted, elements: int, run_bits: int) -> Account:
    found = constraint(layer)
    codes = integers(layer)
    matrix = codes.reshape(len(codes), -1)
    width = int(layer.quant_weight().bit_width)
    shared = isinstance(found, Shared)
    note = json.loads(found.note or "{}") if found is not None else {}
    runs, pointers = Coded.of(np.zeros(0, np.int64), 0), 0
    if isinstance(found, Hashed):
        kind, held = "hash", np.zeros(found.size, np.int64)
    elif isinstance(found, Blocked):
        kind, held = "blocks", matrix[found.mask.flatten(1).numpy() > 0]
        runs = Coded.of(found.blocks.flatten().numpy().astype(np.int64), 1)
    elif note.get("kind") == "lfsr":
        kind = "lfsr"
        held = Lfsr(*matrix.shape, note["elements"], note["kept"], note["seed"]).entries(matrix).ravel()
    elif not bool(mask_of(layer).all()):
        kind = "runs"
        coded = csc.encode(matrix, elements, run_bits)
        held = coded.codebook[np.concatenate(coded.codes)]
        runs = Coded.of(np.concatenate(coded.runs), run_bits)
        pointers = coded.pointers.size * int(coded.pointers.max()).bit_length()
    else:
        kind, held = "dense", matrix.ravel()
    codebook, symbols = np.unique(held, return_inverse=True)
    if shared:
        values = Coded.of(symbols, max(1, (len(codebook) - 1).bit_length()))
    else:  # one width for all, and no code
        values = Coded(len(held), width * len(held), width * len(held), float(width * len(held)), 0)
    return Account(name, codes.shape, kind, shared, codes.size, int((codes != 0).sum()), len(held), len(codebook),
                   width, values, runs, len(codebook) * width if shared else 0, pointers)
