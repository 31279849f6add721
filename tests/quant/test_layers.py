"""The layers: integers where integers belong, and a norm for logits that keeps their order."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gatewright.quant.layers import TensorNorm, clip_weights, conv, hard_tanh, linear, relu, sign, signed, symmetric
from gatewright.quant.networks import BinaryMLP


def test_a_binary_linear_sums_signs_exactly():
    torch.manual_seed(1)
    layer = linear(37, 11, 1)
    assert set(layer.quant_weight().value.detach().unique().tolist()) == {-1.0, 1.0}
    x = sign()(torch.randn(50, 37))
    weights = np.where(layer.weight.detach().numpy() >= 0, 1, -1)
    assert np.array_equal(layer(x).detach().numpy(), x.numpy().astype(np.int64) @ weights.T)


def test_zero_is_plus_one():
    x = torch.tensor([-1e-30, -0.0, 0.0, 1e-30, -3.0, 3.0])
    assert sign()(x).tolist() == [-1, 1, 1, 1, -1, 1]


def levels(quantiser):
    """Every value that a quantiser gives."""
    return quantiser(torch.linspace(-5, 5, 20001)).unique().tolist()


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_activations_of_several_bits_are_codes_times_a_power_of_two(bits):
    step, most = 2.0 ** (1 - bits), 2 ** (bits - 1) - 1
    assert levels(relu(bits)) == [code * step for code in range(2**bits)]
    assert levels(signed(bits)) == [2 * code * step for code in range(-most, most + 1)]
    assert levels(hard_tanh(bits)) == [code * step for code in range(-most, most + 1)]
    assert set(levels(relu(bits))) < set(levels(signed(bits + 1)))
    assert levels(symmetric(bits)) == levels(signed(bits))
    assert levels(symmetric(1)) == [-1, 1]


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("make", [lambda bits: linear(64, 64, bits), lambda bits: conv(8, 64, 3, bits),
                                  lambda bits: conv(8, 64, 7, bits, dims=1)])
def test_weights_use_all_their_narrow_codes_but_the_lowest(bits, make):
    torch.manual_seed(1)
    weights = make(bits).quant_weight()
    assert float(weights.scale) == 2.0 ** (1 - bits)
    codes = weights.value / weights.scale
    assert torch.equal(codes, codes.round())
    assert codes.max() == -codes.min() == 2 ** (bits - 1) - 1


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), batch=st.integers(2, 9), channels=st.integers(1, 9))
def test_tensor_norm_is_batch_norm_of_one_channel(seed, batch, channels):
    torch.manual_seed(seed)
    ours, theirs = TensorNorm(), nn.BatchNorm1d(1)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.fill_(1.7)
            norm.bias.fill_(-0.3)
    for _ in range(3):  # statistics move alike in training
        x = torch.randn(batch, channels) * 20 + 5
        torch.testing.assert_close(ours(x), theirs(x.reshape(-1, 1)).reshape(x.shape))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(ours(x), theirs(x.reshape(-1, 1)).reshape(x.shape))


def test_tensor_norm_keeps_the_order_of_integers():
    norm = TensorNorm()
    with torch.no_grad():
        norm.weight.fill_(-5.0)
        norm.running_mean.fill_(3.25)
        norm.running_var.fill_(812.0)
    clip_weights(norm)
    logits = norm.eval()(torch.arange(-1024.0, 1025.0))
    assert (logits.diff() > 0).all()


def test_clipping_keeps_latent_weights_within_one():
    module = BinaryMLP((8, 4, 3))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(10)
    clip_weights(module)
    assert all(block.linear.weight.abs().max() == 1 for block in module.layers)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_an_mlp_gives_logits_and_gradients(dropout):
    module = BinaryMLP((12, 8, 8, 5), dropout=dropout, input_dropout=dropout)
    logits = module(torch.rand(6, 12))
    assert logits.shape == (6, 5)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert module.layers[0].linear.weight.grad.abs().sum() > 0
