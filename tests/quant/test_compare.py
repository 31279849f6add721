"""What the torch side reports at its boundaries, against a plain integer computation."""

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.quant import boundaries
from gatewright.quant.layers import BinaryMLP


def test_boundaries_are_the_integers_of_the_network():
    torch.manual_seed(5)
    module = BinaryMLP((12, 8, 6, 5), dropout=0.5)
    for _ in range(4):
        module(torch.rand(30, 12))
    x = np.random.default_rng(2).random((40, 12), dtype=np.float32)
    result = boundaries(module, x)
    assert result.names == ("input_sign", "layers.0.sign", "layers.1.sign")
    assert module.training
    assert all(code.dtype == np.int8 for code in result.codes)

    codes = np.where(2 * x - 1 >= 0, 1, -1)
    assert np.array_equal(result.codes[0], codes)
    for index in (0, 1):
        block = module.layers[index]
        sums = codes @ np.where(block.linear.weight.detach().numpy() >= 0, 1, -1).T
        norm = block.norm
        # In float64, and never on the threshold with random statistics: the sign is beyond doubt.
        mean, variance = norm.running_mean.double().numpy(), norm.running_var.double().numpy()
        codes = np.where((sums - mean) / np.sqrt(variance + norm.eps) >= 0, 1, -1)
        assert np.array_equal(result.codes[index + 1], codes)
    assert result.logits.shape == (40, 5)
    last = codes @ np.where(module.layers[2].linear.weight.detach().numpy() >= 0, 1, -1).T
    assert np.array_equal(last.argmax(1), result.logits.argmax(1))


def test_a_quantiser_with_more_values_is_refused():
    from brevitas.nn import QuantIdentity

    with pytest.raises(ValueError, match="activation quantiser '0' must give two values, -s and"):
        boundaries(nn.Sequential(QuantIdentity(bit_width=4)), np.linspace(-1, 1, 50, dtype=np.float32)[None])
