"""Training: the accuracy promised, seeds that decide everything, and a test set that decides nothing."""

import dataclasses
import itertools
import time
from fractions import Fraction

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from gatewright.errors import UserError
from gatewright.quant import boundaries, data, recipes, summary, train, trainer, training, units
from gatewright.quant.layers import QuantLinear


@pytest.fixture(scope="module")
def digits():
    """One real training with the recipe's own settings, and the seconds that its one core worked."""
    started = time.process_time()
    return train(recipes.get("digits-w1a1"), progress=False), time.process_time() - started


def test_digits_reach_what_the_recipe_promises(digits):
    trained, _ = digits
    assert trained.recipe.required == 93.0
    assert trained.test_accuracy >= 93.0
    assert trained.weight_bits == 64 * 256 + 256 * 256 + 256 * 10
    assert trained.parameters == trained.weight_bits + 2 * 256 + 2 * 256 + 2
    assert not trained.module.training
    assert trained.history[trained.best_epoch - 1].validation == trained.validation_accuracy
    assert trained.validation_accuracy == max(epoch.validation for epoch in trained.history)


def test_digits_train_in_under_a_minute(digits):
    assert digits[1] < 60


def test_the_accuracy_is_that_of_the_integers(digits):
    """Recomputed from the integer codes before the last layer: arg-max on accumulators is the network's answer."""
    trained, _ = digits
    split = data.load("digits")
    codes = boundaries(trained.module, units(split.x_test, trained.recipe)).codes["layers.1.sign.out"]
    last = [layer for layer in trained.module.modules() if isinstance(layer, QuantLinear)][-1]
    sums = codes.astype(np.int64) @ np.where(last.weight.detach().numpy() >= 0, 1, -1).T
    assert 100.0 * (sums.argmax(1) == split.y_test).mean() == trained.test_accuracy


def test_the_table_shows_what_was_measured(digits):
    trained, _ = digits
    console = Console(width=100, record=True, quiet=True)
    console.quiet = False
    with console.capture() as capture:
        console.print(summary(trained))
    text = capture.get()
    for shown in (f"{trained.test_accuracy:.2f} %", f"{trained.train_accuracy:.2f} %", "84,480", "digits-w1a1"):
        assert shown in text


def small(**changes):
    return dataclasses.replace(recipes.get("digits-w1a1"), epochs=3, **changes)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.module.state_dict().values(), b.module.state_dict().values(),
                                                 strict=True))


def test_a_seed_gives_one_network_and_leaves_the_callers_state():
    torch.manual_seed(7)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    one = train(small(), seed=5, progress=False)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(8)
    two, other = train(small(), seed=5, progress=False), train(small(), seed=6, progress=False)
    assert same(one, two)
    assert one.history == two.history
    assert not same(one, other)
    assert train(small(seed=5), epochs=1, progress=False).history[0].number == 1


def test_the_test_set_decides_nothing(monkeypatch):
    split = data.load("digits")
    other = dataclasses.replace(split, x_test=split.x_test[::-1] * 0, y_test=split.y_test[::-1])
    one = train(small(), progress=False)
    monkeypatch.setattr(training, "load", lambda name, folder: other)
    two = train(small(), progress=False)
    assert same(one, two)
    assert one.test_accuracy != two.test_accuracy


def test_early_stop_keeps_the_best_weights(monkeypatch):
    """However long the patience with worse epochs, the best epoch's weights remain."""

    def run(validations, patience):
        scores = iter(validations)
        with monkeypatch.context() as patched:
            patched.setattr(trainer, "score", lambda *args: next(scores, 0.0))
            return train(small(patience=patience), epochs=9, progress=False)

    soon, late = run([50, 40], 1), run([50, 40, 30, 20], 3)
    assert ([epoch.validation for epoch in soon.history], soon.best_epoch) == ([50, 40], 1)
    assert ([epoch.validation for epoch in late.history], late.best_epoch) == ([50, 40, 30, 20], 1)
    assert same(soon, late)
    better = run([50, 60, 40], 1)
    assert (len(better.history), better.best_epoch) == (3, 2)
    assert not same(soon, better)
    below = run([-50, -60], 1)  # a reconstruction may be worse than none
    assert (len(below.history), below.best_epoch) == (2, 1)
    assert same(soon, below)


@pytest.mark.parametrize("channels", [(), (2,)])
def test_shifted_images_are_the_image_moved_over_black(channels):
    codes = np.arange(1, 10, dtype=np.uint8).reshape(1, *[1] * len(channels), 3, 3)
    codes = np.broadcast_to(codes, (64, *channels, 3, 3)).copy()
    batches = trainer.Batches(codes, np.zeros(64, np.int64), 16, (*channels, 9), 1 / 16, shift=1)
    torch.manual_seed(0)
    seen = set()
    for x, _ in batches:
        assert x.shape == (16, *channels, 9)
        pixels = (16 * x).reshape(16, -1, 9)
        assert torch.equal(pixels, pixels[:, :1].expand(pixels.shape))  # channels move together
        seen |= {tuple(row) for row in pixels[:, 0].int().tolist()}
    padded = np.pad(codes.reshape(64, -1, 3, 3)[0, 0], 1)
    assert seen == {tuple(padded[i : i + 3, j : j + 3].ravel().tolist()) for i in range(3) for j in range(3)}


def test_codes_become_units_rounded_once():
    codes = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
    x = units(codes, small(input_scale=Fraction(1, 255), shape=(2, 8)))
    assert x.numpy().tobytes() == (np.arange(256) / 255).astype(np.float32).tobytes()
    assert x.shape == (16, 2, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"seed": -1}, "the seed must be a non-negative 63-bit integer, not -1"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(UserError) as error:
        train(recipes.get("digits-w1a1"), progress=False, **options)
    assert str(error.value) == message


@pytest.mark.parametrize(("name", "width"), [("decide", 1), ("reconstruct", 64)])
def test_other_tasks_are_trained_and_scored_by_their_own_measure(name, width, monkeypatch):
    split = data.load("digits")
    odd = dataclasses.replace(split, y_train=split.y_train % 2, y_test=split.y_test % 2)
    monkeypatch.setattr(training, "load", lambda dataset, folder: odd if name == "decide" else split)

    def build():
        return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, width))

    trained = train(small(task=name, build=build), progress=False)
    assert trained.history[-1].loss < trained.history[0].loss
    assert trained.test_accuracy > 75
    with torch.no_grad():
        x = units(odd.x_test, trained.recipe)
        outputs = trained.module(x)
    if name == "decide":
        expected = 100 * ((outputs[:, 0] >= 0) == torch.from_numpy(odd.y_test)).double().mean()
    else:
        expected = 100 * (1 - (outputs - x).square().sum(1) / x.square().sum(1)).double().mean()
    assert trained.test_accuracy == pytest.approx(float(expected))
    table = summary(trained).columns[0]._cells
    assert table[0] == {"decide": "test accuracy", "reconstruct": "test energy reconstructed"}[name]


def test_the_learning_rate_rises_then_falls_to_nothing():
    rates = [trainer.rate(step, 4, 20) for step in range(21)]
    assert rates[:4] == [0.2, 0.4, 0.6, 0.8]
    assert rates[4] == 1.0
    assert all(a > b for a, b in itertools.pairwise(rates[4:]))
    assert rates[20] == pytest.approx(0, abs=1e-12)
