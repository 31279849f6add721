"""The hash is that of the reference library, and hashed matrices share their real weights as HashedNets do."""

import struct

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from gatewright.coding.xxhash32 import Hash, hashed_index, hashed_matrix, xxhash32

WORDS = st.integers(0, 2**32 - 1)


@given(WORDS, WORDS, WORDS)
def test_any_pair_hashes_as_in_the_reference_library(i, j, seed):
    assert int(xxhash32(np.array(i), np.array(j), seed)) == xxhash.xxh32(struct.pack("<II", i, j), seed).intdigest()


def test_whole_matrices_are_hashed_at_once():
    hashed = xxhash32(np.arange(5)[:, None], np.arange(7), 3)
    assert hashed.dtype == np.uint32
    assert hashed.tolist() == [[xxhash.xxh32(struct.pack("<II", i, j), 3).intdigest() for j in range(7)]
                               for i in range(5)]


def test_the_index_is_the_lowest_bits_and_the_sign_the_highest():
    hashed = xxhash32(np.arange(100), 9, 1)
    index, sign = hashed_index(np.arange(100), np.array(9), 16, 1)
    assert index.tolist() == [int(h) % 16 for h in hashed]
    assert sign.tolist() == [-1 if h >= 2**31 else 1 for h in hashed]


def test_real_weights_are_shared_evenly_and_with_both_signs():
    index, sign = hashed_index(np.arange(300)[:, None], np.arange(784), 1024)
    uses = np.bincount(index.ravel(), minlength=1024)
    assert uses.min() > 150 < 230 < uses.max() < 310  # 229.7 on average, standard deviation 15
    assert abs(sign.mean()) < 0.01


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_the_virtual_matrix_holds_the_real_weights_and_their_negatives(dtype):
    matrix = hashed_matrix(np.array([1, 2, 4, 8], dtype=dtype), 30, 20, 5)
    index, sign = hashed_index(np.arange(30)[:, None], np.arange(20), 4, 5)
    assert matrix.dtype == dtype
    assert np.array_equal(matrix, sign * 2**index)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 6), st.integers(0, 6), WORDS)
def test_real_weights_are_found_in_their_matrix(rows, columns, bits, banks, seed):
    own, banks = Hash(1 << bits, seed, 1 << min(bits, banks)), 1 << min(bits, banks)
    real = np.arange(1, (1 << bits) + 1)
    matrix = own.matrix(real, rows, columns)
    found = own.weights(matrix)
    assert ((found == real) | (found == 0)).all()
    assert np.array_equal(own.matrix(found, rows, columns), matrix)
    # Bank by bank: row i meets the weights of bank i mod banks alone.
    assert np.array_equal((np.abs(matrix) - 1) // own.bank_size, np.arange(rows)[:, None] % banks + 0 * matrix)
    if banks == 1:
        assert np.array_equal(matrix, hashed_matrix(real, rows, columns, seed))


def test_a_matrix_of_other_weights_is_refused():
    matrix = Hash(4).matrix(np.array([1, 2, 3, 4]), 9, 9)
    matrix[8, 8] += 1
    with pytest.raises(ValueError, match="the matrix must have one real weight behind all places of a hash, unlike ro"):
        Hash(4).weights(matrix)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: Hash(12), "size must be a power of two below 2\\*\\*32, not 12"),
    (lambda: Hash(8, 0, 16), "banks must be a power of two, at most the 8 weights, not 16"),
    (lambda: Hash(8).matrix(np.zeros(4), 2, 2), r"weights must be 8, not an array of shape \(4,\)"),
    (lambda: hashed_index(1, 1, 12), "size must be a power of two below 2\\*\\*32, not 12"),
    (lambda: hashed_matrix(np.zeros(3), 2, 2), "size must be a power of two below 2\\*\\*32, not 3"),
    (lambda: xxhash32(np.array([0, -4]), 0), "i must be from 0 to 2\\*\\*32 - 1, not -4"),
    (lambda: xxhash32(0, 1 << 32), "j must be from 0 to 2\\*\\*32 - 1, not 4294967296"),
    (lambda: xxhash32(0, 0, 1 << 32), "seed must be from 0 to 2\\*\\*32 - 1, not 4294967296"),
])
def test_what_cannot_be_hashed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
