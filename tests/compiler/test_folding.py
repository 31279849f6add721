"""Foldings: read, chosen, and refused."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.folding import Fold, Work, choose, cycles_for, options, parse
from gatewright.errors import UserError


def test_text_and_json_say_the_same(tmp_path):
    expected = (Fold(16, 49), Fold(8, 8))
    assert parse("16x49, 8x8") == expected
    for content in ([[16, 49], [8, 8]], ["16x49", "8x8"]):
        path = tmp_path / "folding.json"
        path.write_text(json.dumps(content))
        assert parse(str(path)) == expected


@pytest.mark.parametrize("text", ["", "16", "16x", "0x4", "-1x4", "4x4x4", "axb", "4x4,,4x4", "1e3x2"])
def test_what_is_no_folding_is_refused(text):
    with pytest.raises(UserError, match=r"^--folding: .* is no folding; write PE x SIMD for each layer in order, as"):
        parse(text)


@pytest.mark.parametrize(("content", "message"), [
    ("{", "cannot read"), ("3", "must hold a list"), ("[[1, 2, 3]]", "is no folding"), ("[[1, true]]", "is no folding"),
    ("[[1, 2.0]]", "is no folding")])
def test_bad_folding_files_are_refused(tmp_path, content, message):
    path = tmp_path / "folding.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        parse(str(path))
    with pytest.raises(UserError, match="cannot read"):
        parse(str(tmp_path / "absent.json"))


works = st.builds(Work, st.integers(1, 30), st.integers(1, 30), st.integers(1, 5), st.integers(1, 3))
depthwise = st.builds(lambda rows, taps, positions, unrolls: Work(rows, taps, positions, 1, True, unrolls),
                      st.integers(1, 30), st.integers(1, 9), st.integers(1, 5),
                      st.sampled_from(["words", "pixels", "none"]))


def every_fold(work):
    if work.depthwise:
        pes = [pe for pe in range(1, work.rows + 1) if work.rows % pe == 0]
        return list({*(Fold(pe, 1) for pe in pes),
                     *(Fold(pe, work.columns) for pe in pes
                       if work.unrolls == "words" or (work.unrolls == "pixels" and pe == work.rows))})
    return [Fold(*pair) for pair in itertools.product(range(1, work.rows + 1), range(1, work.columns + 1))]


@given(work=works | depthwise, cycles=st.integers(1, 400))
def test_the_choice_has_the_fewest_lanes_of_all_foldings(work, cycles):
    (fold,) = choose([work], cycles)
    fast = [f for f in every_fold(work) if work.cycles(f) <= cycles]
    if not fast:
        assert fold == Fold(work.rows, 1 if work.depthwise and work.unrolls == "none" else work.columns)
        return
    assert work.cycles(fold) <= cycles
    assert fold.pe * fold.simd == min(f.pe * f.simd for f in fast)


@given(work=works | depthwise)
def test_options_leave_out_only_what_a_smaller_fold_does_as_fast(work):
    listed = [Fold(*map(int, row)) for row in options(work)]
    assert len(set(listed)) == len(listed)
    assert set(listed) <= set(every_fold(work))
    for fold in every_fold(work):
        assert any(work.cycles(other) == work.cycles(fold) and other.pe <= fold.pe and other.simd <= fold.simd
                   for other in listed)


@pytest.mark.parametrize(("work", "fold", "cycles"), [
    (Work(10, 784), Fold(10, 784), 1),
    (Work(10, 784), Fold(1, 1), 7840),
    (Work(10, 7), Fold(4, 3), 3 * 3),
    (Work(64, 27, positions=900), Fold(16, 3), 4 * 9 * 900),
    (Work(16, 9, positions=49, groups=4), Fold(5, 9), 4 * 49 * 4),
    (Work(32, 9, positions=49, depthwise=True), Fold(8, 1), 4 * 9 * 49),
    (Work(32, 9, positions=49, depthwise=True), Fold(8, 9), 4 * 49),
])
def test_cycles_of_a_fold(work, fold, cycles):
    assert work.cycles(fold) == cycles
    assert work.cycles_of(np.array([[fold.pe, fold.simd]])).tolist() == [cycles]


def test_frames_a_second_become_cycles_a_frame():
    assert cycles_for(1e6, 64.0) == 64
    assert cycles_for(3, 1e-5) == 3
    with pytest.raises(UserError, match=r"^--fps: 2e\+08 frames/s are more than one a cycle at 100 MHz; ask for fewer"):
        cycles_for(2e8, 100)
    with pytest.raises(UserError, match=r"^--fps: a frame rate must be positive, not 0 frames/s$"):
        cycles_for(0, 100)
