"""The trainer: what it trains on, what it is judged by, and which epochs may win."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.quant import Trainer, load, recipes
from gatewright.quant.layers import RisingNorm1d, clip_weights, latent, linear


@pytest.fixture
def at():
    return Trainer(load("digits"), (64,), scale=Fraction(1, 16), batch=64, validation=200, progress=False)


def test_training_and_validation_images_are_apart(at):
    assert len(at.held) == 200
    assert sorted([*at.kept, *at.held]) == list(range(len(at.split.x_train)))
    assert np.array_equal(at.held, Trainer(at.split, (64,), validation=200).held)
    assert len(at.batches) == len(at.kept) // 64


def test_the_test_set_decides_nothing(at):
    split = dataclasses.replace(at.split, x_test=at.split.x_test * 0, y_test=at.split.y_test[::-1])
    states = []
    for data in (at, Trainer(split, (64,), scale=Fraction(1, 16), batch=64, validation=200, progress=False)):
        torch.manual_seed(0)
        module = nn.Linear(64, 10)
        data.fit(module, 2, 1e-2)
        states.append(module.weight)
    assert torch.equal(*states)


def test_each_step_is_announced_and_only_settled_epochs_win(at, monkeypatch):
    scores, steps = iter([90.0, 50.0, 60.0, 55.0]), []
    monkeypatch.setattr(at, "validate", lambda module: next(scores))
    history, best = at.fit(nn.Linear(64, 10), 4, 1e-3, settled=1, each=steps.append)
    assert [epoch.validation for epoch in history] == [90, 50, 60, 55]
    assert best == 3
    assert steps == list(range(4 * len(at.batches)))


def test_weight_decay_makes_weights_smaller_that_nothing_needs(at):
    weights = []
    for decay in (0.0, 1e-2):
        at.weight_decay = decay
        torch.manual_seed(0)
        module = nn.Linear(64, 10)
        at.fit(module, 3, 1e-2)
        weights.append(float(module.weight.detach()[:, 0].abs().mean()))  # the first pixel is black
    assert weights[1] < weights[0] / 2


def test_a_recipe_says_it_all():
    recipe = recipes.get("lenet300-deep")
    made = Trainer.of(recipe, load("digits"))
    assert (made.shape, made.scale, made.batch, made.validation, made.shift, made.weight_decay, made.task) == (
        (784,), Fraction(1, 256), 128, 5000, 0, 1e-5, "classify")


def test_slopes_of_rising_norms_stay_positive_and_latent_weights_small():
    module = nn.Sequential(linear(4, 3, 8), RisingNorm1d(3), nn.BatchNorm1d(3))
    with torch.no_grad():
        latent(module[0]).fill_(-7)
        module[1].weight.fill_(-1)
        module[2].weight.fill_(-1)
    clip_weights(module)
    assert module[0].weight.unique().tolist() == [-1]
    assert (module[1].weight > 0).all()
    assert (module[2].weight == -1).all()
