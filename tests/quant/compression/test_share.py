"""Weight sharing: Lloyd's fixed points, integers in the codebook, zeros kept, gradients summed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from gatewright.quant import Prune, Share, compress
from gatewright.quant.compression.constrained import integers, named
from gatewright.quant.compression.share import first_values, k_means
from gatewright.quant.layers import latent, linear

weights = st.lists(st.integers(-1000, 1000), min_size=1, max_size=60).map(lambda w: np.array(w) / 1024)


@given(weights=weights, count=st.integers(1, 16), initial=st.sampled_from(["linear", "density", "random"]))
def test_values_are_the_means_of_the_weights_that_are_nearest_to_them(weights, count, initial):
    first = first_values(weights, count, initial)
    assert len(first) == min(count, len(np.unique(weights)))
    values, codes = k_means(weights, first)
    assert (np.diff(values) >= 0).all()
    distances = np.abs(weights[:, None] - values)
    assert np.array_equal(distances[np.arange(len(weights)), codes], distances.min(1))
    for place, value in enumerate(values):
        if (codes == place).any():
            assert value == pytest.approx(weights[codes == place].mean(), abs=1e-12)


def test_it_ends_where_scikit_learns_ends():
    line = np.random.default_rng(0).normal(size=500)
    first = first_values(line, 15, "density")  # no value is left without weights, which scikit-learn moves elsewhere
    theirs = KMeans(15, init=first[:, None], n_init=1, tol=0).fit(line[:, None])
    assert k_means(line, first)[0] == pytest.approx(theirs.cluster_centers_[:, 0])


def test_where_it_begins():
    line = np.arange(101) / 100
    assert first_values(line, 3, "linear").tolist() == [0, 0.5, 1]
    assert first_values(line**2, 2, "density").tolist() == [0.0625, 0.5625]
    torch.manual_seed(0)
    assert set(first_values(line, 7, "random")) <= set(line)
    assert first_values(np.array([1.0, 1.0, 2.0]), 4, "linear").tolist() == [1, 2]


def test_the_gradient_of_a_value_is_the_sum_of_its_weights(network, data):
    layer = next(iter(named(network).values()))
    Share(bits=2, epochs=0).apply(network, data)
    codes = layer.parametrizations.weight[0].codes
    x = torch.randn(10, 64)
    layer(x).square().sum().backward()
    plain = linear(64, 24, 8)
    with torch.no_grad():
        plain.weight.copy_(layer.weight)
    plain(x).square().sum().backward()
    expected = torch.zeros(4).index_add_(0, codes.flatten(), plain.weight.grad.flatten())
    torch.testing.assert_close(latent(layer).grad, expected)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("initial", ["linear", "density", "random"])
def test_few_integers_remain_and_zeros_stay(trained, data, bits, initial):
    pruned = compress(trained, [Prune(density=0.5, epochs=0)], data=data)
    shared = compress(trained, [Prune(density=0.5, epochs=0), Share(bits=bits, initial=initial, epochs=1)], data=data)
    for before, after in zip(named(pruned.module).values(), named(shared.module).values(), strict=True):
        assert len(np.unique(integers(after))) <= 2**bits
        assert not integers(after)[before.weight.detach().numpy() == 0].any()
        exact = after.weight.detach().numpy() * 128
        assert np.array_equal(exact, integers(after))  # of scale 1 / 128, nothing left to round


def test_nonsense_is_refused(network, data):
    with pytest.raises(ValueError, match=r"^initial must be one of linear, density, random, not 'forgy'$"):
        Share(initial="forgy")
    with pytest.raises(ValueError, match=r"^bits must be positive, not 0$"):
        Share(bits=0).apply(network, data)
