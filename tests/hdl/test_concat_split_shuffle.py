"""Channels put side by side, shared out and moved: against NumPy, each port stalling by itself, in every cycle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.concat import ConcatParameters, ConcatUnit
from gatewright.hdl.shuffle import ShuffleParameters, ShuffleUnit
from gatewright.hdl.split import SplitParameters, SplitUnit

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=50)
@given(counts=st.lists(st.integers(1, 3), min_size=1, max_size=4), lanes=st.integers(1, 3) | st.none(),
       pixels=st.integers(1, 4), data=st.data(), accepts=stalls, seed=seeds)
def test_concat_puts_channels_side_by_side(check_unit, counts, lanes, pixels, data, accepts, seed):
    rng = np.random.default_rng(seed)
    channels = tuple(count * (lanes or 1) for count in counts)
    unit = ConcatUnit(3, ConcatParameters(channels, lanes, pixels))
    x = [rng.integers(0, 8, size=(3 * pixels, each)) for each in channels]
    sent = {f"i{k}": check_unit.to_words(each, lanes or each.shape[1], 3, rng) for k, each in enumerate(x)}
    got = check_unit(unit, sent, 3, {port: data.draw(stalls) for port in sent}, accepts)
    assert np.array_equal(check_unit.from_words(got["o"], sum(channels), lanes or sum(channels), 3), np.hstack(x))


@settings(max_examples=50)
@given(counts=st.lists(st.integers(1, 3), min_size=1, max_size=4), lanes=st.integers(1, 3) | st.none(),
       pixels=st.integers(1, 4), data=st.data(), offers=stalls, seed=seeds)
def test_split_is_the_reverse(check_unit, counts, lanes, pixels, data, offers, seed):
    rng = np.random.default_rng(seed)
    channels = tuple(count * (lanes or 1) for count in counts)
    order = None if lanes or data.draw(st.booleans()) else tuple(rng.permutation(sum(channels)).tolist())
    unit = SplitUnit(3, SplitParameters(channels, lanes, pixels, order))
    x = [rng.integers(0, 8, size=(3 * pixels, each)) for each in channels]
    whole = np.hstack(x) if order is None else np.hstack(x)[:, np.argsort(order)]
    sent = check_unit.to_words(whole, lanes or sum(channels), 3, rng)
    got = check_unit(unit, {"i": sent}, 3, offers, {f"o{k}": data.draw(stalls) for k in range(len(x))})
    for k, each in enumerate(x):
        assert np.array_equal(check_unit.from_words(got[f"o{k}"], channels[k], lanes or channels[k], 3), each)


@settings(max_examples=40)
@given(lanes=st.integers(1, 6), data=st.data(), pixels=st.integers(1, 4), offers=stalls, accepts=stalls, seed=seeds)
def test_shuffle_moves_lanes_within_a_word(check_unit, lanes, data, pixels, offers, accepts, seed):
    rng = np.random.default_rng(seed)
    index = np.array(data.draw(st.lists(st.integers(-1, lanes - 1), min_size=1, max_size=7)))
    x = rng.integers(0, 8, size=(3 * pixels, lanes))
    unit = ShuffleUnit(3, ShuffleParameters(index, lanes, pixels))
    got = check_unit(unit, check_unit.to_words(x, lanes, 3, rng), 3, offers, accepts)
    assert np.array_equal(check_unit.from_words(got, len(index), len(index), 3), np.where(index < 0, 0, x[:, index]))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: ConcatParameters((4, 6), 4, 1), r"lanes must divide the channels of every stream, \(4, 6\), not 4"),
    (lambda: ConcatParameters((), None, 1), r"channels must be a tuple of positive integers, not \(\)"),
    (lambda: SplitParameters((4, 6), 2, 0), "pixels must be a positive integer, not 0"),
    (lambda: SplitParameters((1, 2), 1, 1, (2, 0, 1)),
     r"order must be one of all 3 channels of whole pixels, not \(2, 0, 1\) with lanes 1"),
    (lambda: ShuffleParameters(np.array([0, 4]), 4, 1),
     r"index must be a vector of lanes from 0 to 3, or -1, not an array of shape \(2,\) from 0 to 4"),
])
def test_parameters_say_what_must_hold(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
