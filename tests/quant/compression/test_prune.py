"""Magnitude pruning: the largest weights stay, as many as were asked for, and what is pruned stays pruned."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatewright.quant import Prune, compress
from gatewright.quant.compression.constrained import integers, mask_of, named
from gatewright.quant.compression.prune import largest
from gatewright.quant.compression.step import per_layer


@given(values=st.lists(st.floats(0, 10, width=32), min_size=1, max_size=40), density=st.floats(0.01, 1))
def test_the_largest_stay_and_no_more(values, density):
    scores = torch.tensor(values)
    mask = largest(scores, density)
    assert mask.sum() == max(1, round(density * len(values)))
    assert mask.all() or scores[mask].min() >= scores[~mask].max()


@given(seed=st.integers(0, 2**32 - 1), density=st.floats(0.01, 1))
def test_what_was_pruned_does_not_come_back(seed, density):
    torch.manual_seed(seed)
    scores, among = torch.rand(6, 7), torch.rand(6, 7) > 0.5
    mask = largest(scores, density, among)
    assert not (mask & ~among).any()
    assert mask.sum() == min(max(1, round(density * 42)), int(among.sum()))


def test_a_density_is_reached_in_rounds_and_pruned_weights_stay_zero(network, data, monkeypatch):
    first, second, third = named(network).values()
    before = first.weight.detach().clone()
    densities, masks = [], []

    def fit(module, *args, **how):
        densities.append(float(mask_of(first).float().mean()))
        masks.append(mask_of(first))
        assert not first.weight[~mask_of(first)].any()

    monkeypatch.setattr(data, "fit", fit)
    Prune(density=(0.25, None, 0.5), rounds=2).apply(network, data)
    assert densities == [0.5, 0.25]  # geometrically
    assert not (masks[1] & ~masks[0]).any()
    assert masks[1].sum() == round(0.25 * before.numel())
    assert before.abs()[masks[1]].min() >= before.abs()[~masks[1]].max()
    assert (mask_of(second).all(), float(mask_of(third).float().mean())) == (True, 0.5)


def test_a_quality_is_a_threshold_in_standard_deviations(network, data):
    layer = next(iter(named(network).values()))
    before = layer.weight.detach().clone()
    Prune(quality={"layers.0.linear": 0.7}, epochs=0).apply(network, data)
    assert torch.equal(mask_of(layer), before.abs() >= 0.7 * before.std())
    assert torch.equal(layer.weight, before * mask_of(layer))


def test_retraining_moves_only_what_is_kept(trained, data):
    compressed = compress(trained, [Prune(density=0.3, epochs=1)], data=data)
    for layer, old in zip(named(compressed.module).values(), named(trained).values(), strict=True):
        kept = integers(layer) != 0
        assert kept.mean() <= 0.31
        assert (integers(layer)[kept] != integers(old)[kept]).any()
    assert compressed.test_accuracy > 80


@pytest.mark.parametrize(("how", "message"), [
    ({}, "either density or quality must be given"),
    ({"density": 0.1, "quality": 1.0}, "either density or quality must be given"),
    ({"density": 0.1, "rounds": 0}, "rounds must be positive and epochs not negative, not 0 and 1"),
])
def test_nonsense_is_refused(how, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Prune(**how)


def test_layers_are_named_or_counted(network):
    layers = list(named(network).values())
    assert per_layer("bits", 3, network) == dict.fromkeys(layers, 3)
    assert per_layer("bits", [1, None, 2], network) == {layers[0]: 1, layers[2]: 2}
    assert per_layer("bits", {"layers.2.linear": 4}, network) == {layers[2]: 4}
    with pytest.raises(ValueError, match=r"^bits must have one entry for each of the 3 layers, not 2$"):
        per_layer("bits", [1, 2], network)
    with pytest.raises(ValueError, match=r"^bits must name layers \(layers.0.linear, .*\), not 'fc'$"):
        per_layer("bits", {"fc": 1}, network)
    with pytest.raises(ValueError, match=r"^density must be above 0 and at most 1, not 0$"):
        largest(torch.ones(3), 0)
