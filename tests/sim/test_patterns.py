"""The patterns are the same everywhere, and both long stalls and jitter occur in them."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.sim import patterns


@settings(deadline=None)
@given(st.integers(0, 2**40), st.integers(1, 9000), st.sampled_from([patterns.offers, patterns.accepts]))
def test_a_pattern_is_zeros_and_ones_and_never_hangs_a_run(seed, length, pattern):
    made = pattern(seed, length)
    assert made.dtype == np.uint8
    assert made.shape == (length,)
    assert set(np.unique(made)) <= {0, 1}
    assert made.any()
    assert (made == pattern(seed, length)).all()


def _runs(pattern, value):
    """Lengths of the runs of ``value``."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (pattern == value).astype(np.int8), [0]))))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize("pattern", [patterns.offers, patterns.accepts])
@pytest.mark.parametrize("seed", range(10))
def test_long_bursts_and_jitter_both_occur(pattern, seed):
    made = pattern(seed)
    assert 0.3 < made.mean() < 0.8
    for value in (0, 1):
        assert _runs(made, value).max() >= 64
        assert (_runs(made, value) == 1).sum() >= 50


def test_seeds_and_sides_differ():
    made = {pattern(seed, 1000).tobytes() for seed in range(50) for pattern in (patterns.offers, patterns.accepts)}
    assert len(made) == 100


def test_patterns_are_those_of_every_other_machine_and_release():
    digest = hashlib.sha256(patterns.offers(7).tobytes() + patterns.accepts(7).tobytes()).hexdigest()
    assert digest == "02f359fdcf1deef793fd020ef7a50f65e82beac779561d6999446235687c6e93"


def test_always_is_one_cycle_of_one():
    assert patterns.always().tolist() == [1]
    assert patterns.always().dtype == np.uint8


def test_lengths_have_no_common_factor():
    assert np.gcd(patterns.OFFERS_LENGTH, patterns.ACCEPTS_LENGTH) == 1


@pytest.mark.parametrize(("seed", "length", "message"), [
    (-1, 5, "seed must be a non-negative integer, not -1"), (0, 0, "length must be a positive integer, not 0")])
def test_bad_arguments_are_refused(seed, length, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        patterns.offers(seed, length)
