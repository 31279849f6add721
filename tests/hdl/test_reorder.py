"""Words in any other order, and upsampling: against NumPy, in every cycle as scheduled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.reorder import ReorderParameters, ReorderUnit
from gatewright.hdl.upsample import UpsampleParameters, UpsampleUnit

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=80)
@given(words_in=st.integers(1, 8), lanes=st.integers(1, 3), data=st.data(), extra=st.integers(0, 9), offers=stalls,
       accepts=stalls, seed=seeds)
def test_reorder_gives_any_words_in_any_order(check_unit, words_in, lanes, data, extra, offers, accepts, seed):
    rng = np.random.default_rng(seed)
    index = np.array(data.draw(st.lists(st.integers(-1, words_in - 1), min_size=1, max_size=12)))
    depth = ReorderParameters(index, words_in, lanes).depth + extra
    unit = ReorderUnit(2, ReorderParameters(index, words_in, lanes, depth))
    x = rng.integers(0, 4, size=(4, words_in, lanes))
    got = check_unit(unit, check_unit.to_words(x, lanes, 2, rng), 4, offers, accepts)
    expected = np.where(index[:, None] < 0, 0, x[:, index])
    assert np.array_equal(check_unit.from_words(got, lanes, lanes, 2), expected.reshape(-1, lanes))


@pytest.mark.parametrize(("index", "words_in", "depth"), [
    ([0, 1, 2, 3], 4, 1),  # nothing to reorder
    ([3, 2, 1, 0], 4, 4),  # backwards: all of it
    ([1, 0, 3, 2], 4, 2),
    ([2], 9, 3),  # words before the first that is used wait until it is read
    ([0, 3, 6, 1, 4, 7, 2, 5, 8], 9, 6),  # a transpose
])
def test_reorder_holds_what_is_still_needed_and_no_more(index, words_in, depth):
    assert ReorderParameters(np.array(index), words_in, 1).depth == depth


def test_a_transpose_with_room_for_two_frames_runs_at_full_rate(check_unit):
    unit = ReorderUnit(4, ReorderParameters(np.arange(9).reshape(3, 3).T.reshape(-1), 9, 1, depth=18))
    _, taken_at, given_at = check_unit.simulate(unit, [1] * 45, [1], [1], 45)
    assert np.diff(taken_at).tolist() == [1] * 44
    assert np.diff(given_at[9:]).tolist() == [1] * 35


@settings(max_examples=50)
@given(height=st.integers(1, 3), width=st.integers(1, 4), words=st.integers(1, 3), lanes=st.integers(1, 2),
       factors=st.tuples(st.integers(1, 3), st.integers(1, 3)), extra=st.integers(0, 5), offers=stalls, accepts=stalls,
       seed=seeds)
def test_upsampling_repeats_rows_and_columns(check_unit, height, width, words, lanes, factors, extra, offers, accepts,
                                             seed):
    rng = np.random.default_rng(seed)
    depth = UpsampleParameters(height, width, words, lanes, factors).depth + extra
    unit = UpsampleUnit(2, UpsampleParameters(height, width, words, lanes, factors, depth))
    x = rng.integers(0, 4, size=(3, height, width, words * lanes))
    got = check_unit(unit, check_unit.to_words(x, lanes, 2, rng), 3, offers, accepts)
    expected = x.repeat(factors[0], axis=1).repeat(factors[1], axis=2)
    assert np.array_equal(check_unit.from_words(got, words * lanes, lanes, 2), expected.reshape(-1, words * lanes))


@pytest.mark.parametrize(("factors", "depth"), [((2, 2), 8 * 3), ((1, 2), 3), ((1, 1), 1)])
def test_upsampling_holds_a_row_or_a_pixel(factors, depth):
    assert UpsampleParameters(4, 8, 3, 2, factors).depth == depth


@pytest.mark.parametrize(("make", "message"), [
    (lambda: ReorderParameters(np.array([0, 4]), 4, 1),
     r"index must be a vector of words from 0 to 3, or -1, not an array of shape \(2,\) from 0 to 4"),
    (lambda: ReorderParameters(np.array([1, 0]), 2, 1, 1),
     "depth must be at least 2 words, which the order asks for, not 1"),
    (lambda: UpsampleParameters(1, 1, 1, 1, (2, 0)), "factors must be a positive integer, not 0"),
    (lambda: UpsampleParameters(1, 1, 1, 1, 2), "factors must be a tuple of 2 integers, not 2"),
    (lambda: UpsampleParameters(2, 4, 1, 1, (2, 2), 3), "depth must be at least 4 words, not 3"),
])
def test_parameters_say_what_must_hold(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
