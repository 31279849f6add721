"""Gradual pruning: a cubic from the first share of zeros to the last, never back."""

from hypothesis import given
from hypothesis import strategies as st

from gatewright.quant import GradualPrune, compress
from gatewright.quant.compression import cubic_sparsity
from gatewright.quant.compression.constrained import mask_of, named


@given(first=st.floats(0, 1), last=st.floats(0, 1), start=st.integers(0, 50), every=st.integers(1, 20),
       updates=st.integers(1, 20), step=st.integers(0, 600))
def test_the_cubic_is_the_papers(first, last, start, every, updates, step):
    share = cubic_sparsity(step, first, last, start, every, updates)
    if step <= start:
        assert share == last + (first - last)
    elif step >= start + updates * every:
        assert share == last
    else:
        assert share == last + (first - last) * (1 - (step - start) / (updates * every)) ** 3


def test_half_way_seven_eighths_of_the_zeros_are_there():
    assert cubic_sparsity(50, 0.0, 0.8, 0, 10, 10) == 0.8 * 7 / 8


def test_density_falls_along_the_cubic_and_then_stays(network, data, monkeypatch):
    layer = next(iter(named(network).values()))
    densities = []

    def fit(module, epochs, rate, *, settled, each, **how):
        assert (epochs, settled) == (3, 2)
        for step in range(epochs * len(data.batches)):
            each(step)
            densities.append(int(mask_of(layer).sum()))

    monkeypatch.setattr(data, "fit", fit)
    GradualPrune(density=0.2, epochs=2, settle=1, every=5).apply(network, data)
    steps = 2 * len(data.batches) // 5
    size = layer.weight.numel()
    for step in range(0, 5 * steps, 5):
        assert densities[step : step + 5] == [round((1 - cubic_sparsity(step, 0, 0.8, 0, 5, steps)) * size)] * 5
    assert set(densities[5 * steps :]) == {round(0.2 * size)}


def test_a_network_pruned_so_still_knows_its_digits(trained, data):
    compressed = compress(trained, [GradualPrune(density=0.4, epochs=2, settle=2, every=5)], data=data)
    assert 0.38 < compressed.states[-1].nonzeros / compressed.states[-1].weights <= 0.4
    assert compressed.test_accuracy > 85
