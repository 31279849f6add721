"""Stall patterns: the one home of the seeded gaps and stalls that the dataflow engine and the RTL harness both obey.

A pattern is a plain ``uint8`` array of 0 and 1; cycle ``t`` uses ``pattern[t % len(pattern)]``, and cycle 0 ends with
the first clock edge after reset. The contract that both simulators share:

- the source is valid in a cycle if it still holds an offered word that was not taken, or if words are left and
  ``offers`` is 1; once valid it stays valid, with the same payload, until the word is taken;
- the sink is ready in a cycle exactly if ``accepts`` is 1;
- a transfer happens in a cycle if valid and ready are both 1 just before the edge that ends it.

The patterns come in blocks of different duty, so that long starvation, long back-pressure and cycle-by-cycle jitter all
occur. They are made from the raw output of PCG64 and integer arithmetic alone: NumPy promises the raw stream for every
version and machine, which it does not promise for the distributions of ``Generator``.
"""

from __future__ import annotations

import numpy as np

__all__ = ["ACCEPTS_LENGTH", "OFFERS_LENGTH", "accepts", "always", "offers"]

# Different primes: the pair repeats only after their product.
OFFERS_LENGTH = 8191
ACCEPTS_LENGTH = 8179

# Of 256: the chance that a cycle of a block is on. Off and on blocks are as likely as all others together.
_DUTIES = np.array([0, 256, 256, 26, 128, 128, 230, 243], dtype=np.uint64)
_SHORTEST, _DOUBLINGS = 2, 8  # blocks of 2 to 511 cycles, each power of two equally likely


def always() -> np.ndarray:
    """The pattern without a gap or a stall: one 1."""
    return np.ones(1, dtype=np.uint8)


def offers(seed: int, length: int = OFFERS_LENGTH) -> np.ndarray:
    """When the source may begin to offer a word: ``uint8[length]``, 1 = it may in this cycle.

    Raises
    ------
    ValueError
        If the seed is negative or the length is not positive.
    """
    return _pattern(seed, 0, length)


def accepts(seed: int, length: int = ACCEPTS_LENGTH) -> np.ndarray:
    """When the sink is ready: ``uint8[length]``, 1 = ready in this cycle. Independent of ``offers`` of the same seed.

    Raises
    ------
    ValueError
        If the seed is negative or the length is not positive.
    """
    return _pattern(seed, 1, length)


def _pattern(seed: int, stream: int, length: int) -> np.ndarray:
    if seed < 0:
        raise ValueError(f"seed must be a non-negative integer, not {seed!r}")
    if length < 1:
        raise ValueError(f"length must be a positive integer, not {length!r}")
    raw = np.random.PCG64(np.random.SeedSequence([seed, stream])).random_raw
    threshold = np.empty(length, dtype=np.uint64)
    begin = 0
    while begin < length:
        duty, size, jitter = (int(word) >> 8 for word in raw(3))
        shortest = _SHORTEST << (size % _DOUBLINGS)
        end = begin + shortest + jitter % shortest
        threshold[begin:end] = _DUTIES[duty % len(_DUTIES)]
        begin = end
    pattern = ((raw(length) >> np.uint64(56)) < threshold).astype(np.uint8)
    if not pattern.any():  # a pattern that is never on would hang every run
        pattern[-1] = 1
    return pattern
