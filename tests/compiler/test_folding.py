"""Foldings: read, chosen, and refused."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.folding import Fold, choose, cycles_for, parse
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


@given(rows=st.integers(1, 30), columns=st.integers(1, 30), cycles=st.integers(1, 400))
def test_the_choice_has_the_fewest_lanes_of_all_foldings(rows, columns, cycles):
    (fold,) = choose([(rows, columns)], cycles)
    assert fold.cycles(rows, columns) <= cycles
    everything = (Fold(pe, simd) for pe, simd in itertools.product(range(1, rows + 1), range(1, columns + 1)))
    assert fold.pe * fold.simd == min(f.pe * f.simd for f in everything if f.cycles(rows, columns) <= cycles)


def test_frames_a_second_become_cycles_a_frame():
    assert cycles_for(1e6, 64.0) == 64
    assert cycles_for(3, 1e-5) == 3
    with pytest.raises(UserError, match=r"^--fps: 2e\+08 frames/s are more than one a cycle at 100 MHz; ask for fewer"):
        cycles_for(2e8, 100)
    with pytest.raises(UserError, match=r"^--fps: a frame rate must be positive, not 0 frames/s$"):
        cycles_for(0, 100)
