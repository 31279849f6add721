"""Notes on weights: what a layer's tensor alone cannot tell of where its weights come from, and whether it agrees.

A weight's quantiser may say in its node's metadata, under ``gatewright.index``, that its mask is that of a shift
register, ``{"kind": "lfsr", "elements": 8, "kept": 3, "seed": 1}``, or that a hash spreads a few real weights over it,
``{"kind": "hash", "size": 1024, "seed": 1}``. A sparse engine then stores no index.
"""

from __future__ import annotations

import json

import numpy as np

from ..coding.lfsr import Lfsr
from ..coding.xxhash32 import Hash

__all__ = ["KEY", "Index", "fits", "read_index"]

KEY = "gatewright.index"

Index = Lfsr | Hash


def read_index(text: str, shape: tuple[int, int]) -> Index:
    """What a note says of a matrix of ``shape`` (rows, columns).

    Raises
    ------
    ValueError
        If it says nothing that is known, or nothing for such a matrix; the message says what.
    """
    try:
        said = json.loads(text)
        kind, numbers = said.pop("kind"), {name: int(number) for name, number in said.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(f"{text[:80]!r} is no note on an index") from None
    makers = {"lfsr": lambda: Lfsr(*shape, **numbers), "hash": lambda: Hash(**numbers)}
    if kind not in makers:
        raise ValueError(f"an index is of kind {' or '.join(makers)}, not {kind!r}")
    try:
        return makers[kind]()
    except TypeError:
        raise ValueError(f"a note of kind {kind!r} does not say {', '.join(numbers) or 'nothing'} alone") from None


def fits(index: Index, matrix: np.ndarray) -> str | None:
    """Why integers ``[rows, columns]`` are not those of an index; None if they are."""
    try:
        _ = index.entries(matrix) if isinstance(index, Lfsr) else index.weights(matrix)
    except ValueError as error:
        return str(error)
    return None
