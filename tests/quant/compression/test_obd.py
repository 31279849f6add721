"""Optimal brain damage: curvatures are mean squares of single samples' gradients, and the least salient weights go."""

import pytest
import torch
from brevitas.nn import QuantConv2d
from torch import nn
from torch.nn import functional

from gatewright.quant import OptimalBrainDamage, compress
from gatewright.quant.blocks import conv_block, logits_block
from gatewright.quant.compression.constrained import named
from gatewright.quant.compression.obd import curvature
from gatewright.quant.layers import relu


def squares(module, layer, x, y):
    """Sample by sample, the long way."""
    total = torch.zeros_like(layer.weight)
    for one, label in zip(x, y, strict=True):
        loss = functional.cross_entropy(module(one[None]), label[None])
        total += torch.autograd.grad(loss, layer.weight)[0].square()
    return total / len(x)


class OneBatch:
    """A trainer's batches, the same ones each time."""

    def __init__(self, x, y):
        self.batches, self.batch = [(x, y)], len(x)

    def loss(self, outputs, x, y):
        return functional.cross_entropy(outputs, y)


def test_curvatures_of_linear_layers_are_exact(trained):
    torch.manual_seed(1)
    x, y = torch.rand(12, 64), torch.randint(0, 10, (12,))
    found = curvature(trained, OneBatch(x, y), 1)
    for layer in named(trained).values():
        torch.testing.assert_close(found[layer], squares(trained, layer, x, y))


def test_curvatures_of_convolutions_are_exact():
    torch.manual_seed(2)
    module = nn.Sequential(conv_block(2, 3, 3, 8, relu(4), padding=1, stride=2), nn.Flatten(), logits_block(27, 4, 8))
    module(torch.rand(20, 2, 6, 6))
    module.eval()
    x, y = torch.rand(5, 2, 6, 6), torch.randint(0, 4, (5,))
    found = curvature(module, OneBatch(x, y), 1)
    (layer,) = [layer for layer in module.modules() if isinstance(layer, QuantConv2d)]
    torch.testing.assert_close(found[layer], squares(module, layer, x, y))


def test_the_least_salient_go(network, data):
    layer = next(iter(named(network).values()))
    with torch.no_grad():
        layer.weight.fill_(0.05)
    x = torch.zeros(8, 64)
    x[:, :16] = torch.rand(8, 16) + 0.1  # the loss does not see the other 48 columns
    OptimalBrainDamage(density=(0.25, None, None), epochs=0, batches=1).apply(network, OneBatch(x, torch.arange(8)))
    assert torch.equal(layer.weight != 0, (torch.arange(64) < 16).expand(24, 64))


@pytest.mark.parametrize("labels", ["data", "model"])
def test_a_damaged_network_still_knows_its_digits(trained, data, labels):
    compressed = compress(trained, [OptimalBrainDamage(density=0.4, epochs=2, batches=4, labels=labels)], data=data)
    assert 0.3 < compressed.states[-1].nonzeros / compressed.states[-1].weights <= 0.401
    assert compressed.test_accuracy > 85


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"^labels must be data or model, not 'mine'$"):
        OptimalBrainDamage(density=0.1, labels="mine")
