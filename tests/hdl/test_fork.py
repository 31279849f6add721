"""The fork: every reader gets every word, in its own time, and the cycles are those of its schedule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.fork import ForkParameters, ForkUnit

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])


@settings(max_examples=40)
@given(outputs=st.integers(1, 4), lanes=st.integers(1, 3), words=st.integers(1, 6), data=st.data(), offers=stalls,
       seed=st.integers(0, 2**32 - 1))
def test_every_reader_gets_every_word_in_its_own_time(check_unit, outputs, lanes, words, data, offers, seed):
    rng = np.random.default_rng(seed)
    unit = ForkUnit(3, ForkParameters(outputs, lanes, words))
    assert unit.schedule.words_out == (words,) * outputs
    sent = rng.integers(0, 1 << 3 * lanes, size=4 * words).tolist()
    accepts = {f"o{k}": data.draw(stalls) for k in range(outputs)}
    got = check_unit(unit, {"i": sent}, 4, {"i": offers}, accepts)
    assert got == {f"o{k}": sent for k in range(outputs)}


def test_a_reader_that_waits_holds_up_the_others_by_one_word_only(check_unit):
    unit = ForkUnit(4, ForkParameters(2, 1, 1))
    got = check_unit(unit, {"i": [1, 2, 3]}, 3, accepts={"o0": [1], "o1": [0, 0, 0, 0, 1]})
    assert got == {"o0": [1, 2, 3], "o1": [1, 2, 3]}


def test_fork_refuses_no_outputs():
    with pytest.raises(ValueError, match=r"^outputs must be a positive integer, not 0$"):
        ForkParameters(0, 1, 1)
