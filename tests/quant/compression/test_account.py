"""The accounts: every bit is there, Huffman codes within a bit of the entropy, and the paper's own example."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.coding import csc
from gatewright.quant import Huffman, Prune, Share, compress
from gatewright.quant.compression import account, sharing_ratio
from gatewright.quant.compression.account import Account, Coded
from gatewright.quant.compression.constrained import integers, named


@given(symbols=st.lists(st.integers(0, 15), min_size=1, max_size=300))
def test_huffman_takes_at_least_the_entropy_and_less_than_a_bit_more_a_symbol(symbols):
    coded = Coded.of(np.array(symbols), 4)
    assert coded.plain == 4 * len(symbols)
    assert coded.bound <= coded.huffman + 1e-9
    assert coded.huffman < coded.bound + len(symbols) or (len(set(symbols)) == 1 and coded.huffman == len(symbols))


def layer(nonzeros, values):
    nothing = Coded(0, 0, 0, 0.0, 0)
    return Account("fc", (4, 4), "dense", True, nonzeros, nonzeros, nonzeros, values, 32, nothing, nothing, 0, 0)


def test_the_papers_example_of_sharing():
    """16 weights of 32 bits in 4 clusters: 16 * 32 / (4 * 32 + 2 * 16) = 3.2 (Deep Compression, section 3)."""
    assert sharing_ratio([layer(16, 4)]) == 3.2


@given(sizes=st.lists(st.tuples(st.integers(1, 10**6), st.integers(2, 256)), min_size=1, max_size=4))
def test_the_ratio_is_n_b_over_n_log_k_plus_k_b(sizes):
    expected = sum(32 * n for n, _ in sizes) / sum(n * math.log2(k) + 32 * k for n, k in sizes)
    assert sharing_ratio([layer(n, k) for n, k in sizes]) == pytest.approx(expected)


def test_each_step_is_counted_on_its_integers(trained, data):
    steps = [Prune(density=(0.3, 0.3, None), epochs=1), Share(bits=4, epochs=1), Huffman()]
    compressed = compress(trained, steps, data=data, elements=4, run_bits=3)
    dense, pruned, shared, coded = compressed.states
    weights = 64 * 24 + 24 * 16 + 16 * 10
    assert dense.weights == weights
    assert (dense.bits, dense.ratio, dense.pointers) == (8 * weights, 4.0, 0)
    for state in (pruned, shared):
        assert [each.kind for each in state.layers] == ["runs", "runs", "dense"]
        assert state.ratio == 32 * weights / state.bits
        assert [each.ratio(False) for each in state.layers] == [32 * each.weights / each.bits(False)
                                                               for each in state.layers]
    for counted, found in zip(shared.layers, named(compressed.module).values(), strict=True):
        matrix = integers(found)
        assert (counted.nonzeros, counted.shape) == (np.count_nonzero(matrix), matrix.shape)
        if counted.kind == "runs":
            encoded = csc.encode(matrix, 4, 3)
            assert counted.entries == encoded.entries
            assert counted.bits(False) == (encoded.code_bits + 3) * encoded.entries + 8 * len(encoded.codebook)
            assert counted.pointers == encoded.pointers.size * int(encoded.pointers.max()).bit_length()
        assert counted.bits(True) == (counted.codes.huffman + counted.codes.table + counted.runs.huffman
                                      + counted.runs.table + counted.codebook)
    assert coded.layers == shared.layers
    assert coded.bits == sum(each.bits(True) for each in coded.layers)
    assert coded.bits < shared.bits < pruned.bits < dense.bits


def test_what_is_shared_but_not_pruned_has_no_index_even_with_a_value_of_zero(trained, data):
    shared = compress(trained, [Share(bits=1, epochs=0)], data=data).states[-1]
    assert [each.kind for each in shared.layers] == ["dense"] * 3
    assert shared.bits == shared.weights + sum(8 * each.values for each in shared.layers)
    assert replace(shared, huffman=True).bits >= shared.weights


def test_a_plain_network_is_dense(trained):
    assert [(each.kind, each.bits(False), each.bits(True)) for each in account(trained)] == [
        ("dense", 8 * n, 8 * n) for n in (64 * 24, 24 * 16, 16 * 10)]
