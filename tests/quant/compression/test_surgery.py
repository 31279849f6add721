"""Dynamic network surgery: cut below a, spliced from b up, and weights behind the mask go on learning."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from gatewright.quant import Surgery, compress
from gatewright.quant.compression.constrained import Surgical, constrain, named
from gatewright.quant.compression.surgery import operate
from gatewright.quant.layers import latent


@given(sizes=st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=30),
       thresholds=st.tuples(st.floats(0, 2, width=32), st.floats(0, 2, width=32)), seed=st.integers(0, 2**32 - 1))
def test_an_operation_is_the_papers_equation(sizes, thresholds, seed):
    torch.manual_seed(seed)
    weight, mask, (a, b) = torch.tensor(sizes), torch.rand(len(sizes)) > 0.5, sorted(thresholds)
    after = operate(weight, mask, a, b)
    for size, was, now in zip(weight.abs().tolist(), mask.tolist(), after.tolist(), strict=True):
        assert now == (False if size < a else was if size < b else True)


def test_gradients_pass_the_mask(network):
    layer = next(iter(named(network).values()))
    mask = torch.rand(layer.weight.shape) > 0.5
    before = layer.weight.detach().clone()
    constrain(layer, Surgical(mask))
    assert torch.equal(layer.weight, before * mask)
    layer.weight.sum().backward()
    assert torch.equal(latent(layer).grad, torch.ones_like(before))


def test_a_network_recovers_from_surgery(trained, data):
    compressed = compress(trained, [Surgery(density=0.4, epochs=2, settle=2)], data=data)
    assert compressed.states[-1].nonzeros / compressed.states[-1].weights <= 0.4
    assert compressed.test_accuracy > 85
