"""Compressed sparse columns: EIE's worked example, and every matrix comes back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gatewright.coding.csc import encode, entry_counts


def test_the_worked_example_of_eie():
    """Section 3 of the paper: a run of more than 15 zeros inserts an explicit zero."""
    column = np.array([0, 0, 1, 2, *[0] * 18, 3])[:, None]
    csc = encode(column, 1)
    assert csc.codebook[csc.codes[0]].tolist() == [1, 2, 0, 3]
    assert csc.runs[0].tolist() == [2, 0, 15, 2]
    assert csc.pointers.tolist() == [[0, 4]]
    assert csc.padding == 1


def test_rows_are_interleaved_and_runs_count_an_elements_own_rows():
    """Element 1 of 2 holds rows 1, 3 and 5."""
    csc = encode(np.array([[0], [0], [7], [0], [0], [5]]), 2)
    assert [codes.tolist() for codes in csc.codes] == [[1], [0]]
    assert [runs.tolist() for runs in csc.runs] == [[1], [2]]
    assert csc.counts.tolist() == [[1, 1]]


MATRICES = hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
                      elements=st.sampled_from([0, 0, 0, 0, 1, -3, 9]))


@given(MATRICES, st.integers(1, 64), st.integers(1, 5))
def test_any_matrix_comes_back(matrix, elements, run_bits):
    csc = encode(matrix, elements, run_bits)
    assert np.array_equal(csc.decode(), matrix)
    assert csc.entries - csc.padding == np.count_nonzero(matrix)
    assert all((runs < 1 << run_bits).all() for runs in csc.runs)
    assert np.array_equal(csc.counts, entry_counts(matrix != 0, elements, run_bits))


def test_a_matrix_of_zeros_has_no_entry():
    csc = encode(np.zeros((5, 3)), 4)
    assert csc.entries == 0
    assert csc.codebook.tolist() == [0]
    assert not csc.decode().any()


@pytest.mark.parametrize(("weights", "elements", "run_bits", "message"), [
    (np.zeros(3), 1, 4, r"weights must be a matrix \[rows, columns\], not an array of shape \(3,\)"),
    (np.zeros((2, 2)), 0, 4, "elements and run bits must be positive, not 0 and 4"),
    (np.zeros((2, 2)), 1, 0, "elements and run bits must be positive, not 1 and 0"),
])
def test_what_cannot_be_encoded(weights, elements, run_bits, message):
    with pytest.raises(ValueError, match=message):
        encode(weights, elements, run_bits)
