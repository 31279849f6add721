"""The layers: integers where integers belong, and a norm for logits that keeps their order."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gatewright.quant.layers import BinaryMLP, TensorNorm, binary_linear, binary_sign, clip_weights


def test_a_binary_linear_sums_signs_exactly():
    torch.manual_seed(1)
    layer = binary_linear(37, 11)
    assert set(layer.quant_weight().value.detach().unique().tolist()) == {-1.0, 1.0}
    x = binary_sign()(torch.randn(50, 37))
    weights = np.where(layer.weight.detach().numpy() >= 0, 1, -1)
    assert np.array_equal(layer(x).detach().numpy(), x.numpy().astype(np.int64) @ weights.T)


def test_zero_is_plus_one():
    x = torch.tensor([-1e-30, -0.0, 0.0, 1e-30, -3.0, 3.0])
    assert binary_sign()(x).tolist() == [-1, 1, 1, 1, -1, 1]


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
