"""Multiply, add and shift: found where they exist, and only there."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.compiler.passes.affine import MAX_SHIFT, fit


def steps(integers, found):
    scaled = integers * found.multiplier + found.offset
    codes = scaled >> found.shift
    return codes - (codes & (scaled == codes << found.shift)) if found.even else codes


def steps_of(codes: np.ndarray, integers: np.ndarray):
    """What :func:`fit` is asked: the points at which each code above the lowest begins, and those just before."""
    levels = np.arange(codes.min() + 1, codes.max() + 1)
    first = integers[np.searchsorted(codes, levels)]
    return (first, levels), (first - 1, levels)


@settings(max_examples=200)
@given(st.integers(1, 1 << 20), st.integers(-(1 << 24), 1 << 24), st.integers(0, 20), st.integers(-5000, 5000),
       st.integers(1, 3000))
def test_what_exists_is_found(multiplier, offset, shift, lo, width):
    """And no shift is larger than needed: the one that made the codes serves."""
    integers = np.arange(lo, lo + width + 1)
    codes = (integers * multiplier + offset) >> shift
    assume(0 < codes.max() - codes.min() < 1 << 18)
    found = fit(*steps_of(codes, integers))
    assert found is not None
    assert found.shift <= shift
    np.testing.assert_array_equal(np.clip(steps(integers, found), codes.min(), codes.max()), codes)


@settings(max_examples=200)
@given(st.integers(1, 1 << 16), st.integers(0, 12), st.integers(-(1 << 12), 1 << 12), st.integers(-5000, 5000),
       st.integers(1, 3000))
def test_rounding_half_to_even(multiplier, shift, offset, lo, width):
    """As NumPy rounds float64, which holds all of this exactly."""
    integers = np.arange(lo, lo + width + 1)
    codes = np.rint((integers * multiplier + offset) / 2.0**shift).astype(np.int64)
    assume(0 < codes.max() - codes.min() < 1 << 18)
    found = fit(*steps_of(codes, integers), even=True)
    assert found is not None
    np.testing.assert_array_equal(np.clip(steps(integers, found), codes.min(), codes.max()), codes)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=7))
def test_what_is_refused_does_not_exist(rises):
    """Every multiplier and offset of small shifts, tried; and what is found is right and the smallest."""
    codes = np.cumsum([0, *rises])
    assume(codes[-1] > 0)
    integers = np.arange(len(codes))
    found = fit(*steps_of(codes, integers))

    def exists(shift):
        return any(np.array_equal(np.clip((integers * m + b) >> shift, 0, codes[-1]), codes)
                   for m, b in itertools.product(range((2 << shift) + 1), range(-(14 << shift), (3 << shift) + 1)))

    smallest = next((shift for shift in range(3) if exists(shift)), None)
    if smallest is not None:
        assert found is not None
        assert found.shift == smallest
    elif found is not None:
        assert 3 <= found.shift <= MAX_SHIFT
        np.testing.assert_array_equal(np.clip(steps(integers, found), 0, codes[-1]), codes)


def test_large_numbers_are_exact():
    """40 bits of integers to 16 bits of codes, by a multiplier that no float64 product keeps."""
    thresholds = np.array([-(-((code << 47) - 12345) // 5555555) for code in range(1, 1 << 16)])
    codes = np.arange(1, 1 << 16)
    found = fit((thresholds, codes), (thresholds - 1, codes))
    assert found is not None
    for step, code in zip(thresholds.tolist(), codes.tolist(), strict=True):
        assert (step * found.multiplier + found.offset) >> found.shift >= code
        assert ((step - 1) * found.multiplier + found.offset) >> found.shift < code


def test_none():
    """Steps of 1, 3, 1 integers are on no line."""
    thresholds, codes = np.array([0, 1, 4, 5, 6]), np.arange(1, 6)
    assert fit((thresholds, codes), (thresholds - 1, codes)) is None
