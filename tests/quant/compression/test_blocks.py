"""Block masks: whole tiles of PE x SIMD are kept or go, those at the edges too."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatewright.quant import BlockPrune, compress
from gatewright.quant.compression.blocks import block_norms, spread
from gatewright.quant.compression.constrained import integers, mask_of, named

sides = st.integers(1, 9)


@given(rows=sides, columns=sides, pe=sides, simd=sides, seed=st.integers(0, 2**32 - 1))
def test_norms_and_masks_are_those_of_tiles(rows, columns, pe, simd, seed):
    torch.manual_seed(seed)
    matrix = torch.randn(rows, columns)
    norms = block_norms(matrix, pe, simd)
    kept = torch.rand(norms.shape) > 0.5
    mask = spread(kept, pe, simd, matrix.shape)
    assert mask.shape == matrix.shape
    for i in range(-(-rows // pe)):
        for j in range(-(-columns // simd)):
            tile = (slice(i * pe, i * pe + pe), slice(j * simd, j * simd + simd))
            torch.testing.assert_close(norms[i, j], matrix[tile].square().mean().sqrt())
            assert (mask[tile] == kept[i, j]).all()


def test_the_heaviest_blocks_stay(network, data):
    layer = next(iter(named(network).values()))
    before = layer.weight.detach().clone()
    BlockPrune(density=(0.25, None, None), pe=4, simd=8, rounds=1, epochs=0).apply(network, data)
    norms = before.reshape(6, 4, 8, 8).square().sum((1, 3))
    kept = mask_of(layer).reshape(6, 4, 8, 8).transpose(1, 2).flatten(2)
    assert torch.equal(kept.all(2), kept.any(2))
    assert kept.all(2).sum() == 12
    assert norms[kept.all(2)].min() >= norms[~kept.all(2)].max()


def test_a_network_of_blocks(trained, data):
    compressed = compress(trained, [BlockPrune(density=(0.5, 0.5, None), pe=2, simd=4, rounds=2, epochs=2)], data=data)
    layer, *_ = named(compressed.module).values()
    tiles = (integers(layer) != 0).reshape(12, 2, 16, 4).any((1, 3))
    assert tiles.sum() <= 96
    first = compressed.layers[0]
    assert (first.kind, first.entries, first.runs.plain) == ("blocks", 96 * 8, 12 * 16)
    assert first.bits(False) == 96 * 8 * 8 + 12 * 16
    assert np.count_nonzero(integers(layer)) == first.nonzeros
    assert compressed.test_accuracy > 80


def test_a_block_has_sides(network, data):
    with pytest.raises(ValueError, match=r"^pe and simd must be given for each layer that has a density$"):
        BlockPrune(density=0.5, pe=(2, 2, None), simd=4).apply(network, data)
    with pytest.raises(ValueError, match=r"^blocks must have positive sides, not 0 x 4$"):
        block_norms(torch.ones(4, 4), 0, 4)
