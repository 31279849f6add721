"""HashedNets: V[i, j] = sign * w[h(i, j)] with xxHash32, its real weights learned by summed, signed gradients."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatewright.coding import xxhash32 as hashes_of
from gatewright.coding.xxhash32 import hashed_matrix, xxhash32
from gatewright.quant import Hash, Prune, compress
from gatewright.quant.compression import hash_layer
from gatewright.quant.compression.constrained import constraint, integers, named
from gatewright.quant.layers import conv, latent, linear


@given(rows=st.integers(1, 12), columns=st.integers(1, 12), bits=st.integers(0, 6), seed=st.integers(0, 2**32 - 1))
def test_the_virtual_matrix_is_the_hashs(rows, columns, bits, seed):
    layer = linear(columns, rows, 8)
    hash_layer(layer, 1 << bits, seed)
    real = latent(layer).detach()
    assert real.shape == (1 << bits,)
    assert (layer.weight.detach().numpy() == hashed_matrix(real.numpy(), rows, columns, seed)).all()
    one = int(xxhash32(rows - 1, columns - 1, seed))
    assert float(layer.weight.detach()[-1, -1]) == (-1 if one >> 31 else 1) * float(real[one % (1 << bits)])


def test_gradients_are_summed_with_their_signs():
    torch.manual_seed(0)
    layer = linear(9, 7, 8)
    hash_layer(layer, 8, 3)
    x = torch.randn(5, 9)
    layer(x).square().sum().backward()
    index, sign = layer.parametrizations.weight[0].index, layer.parametrizations.weight[0].sign
    plain = layer.weight.detach().clone().requires_grad_()
    torch.nn.functional.linear(x, torch.round(plain.detach() * 128) / 128 + plain - plain.detach()).square().sum(
        ).backward()
    expected = torch.zeros(8).index_add_(0, index.flatten(), (plain.grad * sign).flatten())
    torch.testing.assert_close(latent(layer).grad, expected)


def test_it_begins_with_the_means_of_what_was_there():
    layer = conv(2, 3, 3, 8)
    before = layer.weight.detach().numpy().reshape(3, 18).copy()
    hash_layer(layer, 4, 1)
    hashes = xxhash32(np.arange(3)[:, None], np.arange(18), 1)
    for place, value in enumerate(latent(layer).tolist()):
        here = hashes % 4 == place
        assert value == pytest.approx(np.where(hashes >> 31, -before, before)[here].mean(), abs=1e-6)


def test_rows_have_banks_of_their_own():
    """An engine of four elements then holds each real weight once."""
    layer = linear(20, 12, 8)
    hash_layer(layer, 32, 3, banks=4)
    real = latent(layer).detach().numpy()
    assert (layer.weight.detach().numpy() == hashes_of.Hash(32, 3, 4).matrix(real, 12, 20)).all()
    assert json.loads(constraint(layer).note) == {"banks": 4, "kind": "hash", "seed": 3, "size": 32}


def test_a_hashed_network_learns_and_its_notes_make_its_matrices(trained, data):
    compressed = compress(trained, [Hash(size=(256, 128, 64), epochs=4, learning_rate=1e-2)], data=data)
    for (name, layer), counted in zip(named(compressed.module).items(), compressed.layers, strict=True):
        note = json.loads(compressed.notes[name])
        found = integers(layer)
        hashes = xxhash32(np.arange(found.shape[0])[:, None], np.arange(found.shape[1]), note["seed"])
        signed = np.where(hashes >> 31, -found, found)
        for place in range(note["size"]):
            assert len(set(signed[hashes % note["size"] == place])) <= 1
        assert (counted.kind, counted.bits(False)) == ("hash", 8 * note["size"])
    assert compressed.test_accuracy > 75


def test_a_note_goes_when_the_weights_are_no_longer_hashed(trained, data):
    compressed = compress(trained, [Hash(size=(256, None, None), epochs=1), Prune(density=0.5, epochs=0)], data=data)
    assert compressed.notes == {}
