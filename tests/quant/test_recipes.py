"""The recipes: what the registry promises, and that each builds the network that its name says, for its data."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from gatewright.errors import UserError
from gatewright.quant import data, recipes
from gatewright.quant.layers import QUANTISERS, WEIGHTED
from gatewright.quant.recipe import Recipe
from gatewright.quant.tasks import TASKS

# Name: layers with weights, bits of all weights, bits of weights a layer, and outputs.
NETWORKS = {
    "digits-w1a1": (3, 84_480, {1}, 10),
    "digits-tile": (2, 1_776, {1}, 10),
    "tfc-w1a1": (4, 59_008, {1}, 10),
    "sfc-w1a1": (4, 334_336, {1}, 10),
    "lfc-w1a1": (4, 2_910_208, {1}, 10),
    "lenet5-w1a1": (5, 61_470, {1}, 10),
    "lenet5-w2a2": (5, 122_940, {2}, 10),
    "lenet5-w4a4": (5, 245_880, {4}, 10),
    "lenet5-w8a8": (5, 491_760, {8}, 10),
    "lenet300-dense": (3, 8 * 266_200, {8}, 10),
    "lenet300-deep": (3, 8 * 266_200, {8}, 10),
    "lenet300-lfsr": (3, 8 * 266_200, {8}, 10),
    "lenet300-hashed": (3, 8 * 266_200, {8}, 10),
    "lenet300-block": (3, 8 * 266_200, {8}, 10),
    "lenet5-dense": (4, 8 * 430_500, {8}, 10),
    "lenet5-deep": (4, 8 * 430_500, {8}, 10),
    "cnv-w1a1": (9, 1_542_848, {1}, 10),
    "cnv-w1a2": (9, 1_542_848, {1}, 10),
    "cnv-w2a2": (9, 3_085_696, {2}, 10),
    "mobilenet-v1-w4a4": (12, 141_568, {4}, 10),
    "mobilenet-v2-w4a4": (21, 68_896, {4}, 10),
    "shufflenet-w4a4": (14, 21_952, {4}, 10),
    "resnet8-w4a4": (10, 308_288, {4}, 10),
    "squeezenet-w4a4": (11, 55_872, {4}, 10),
    "densenet-w4a4": (10, 40_512, {4}, 10),
    "vgg10-1d-w4a4": (10, 636_416, {4}, 24),
    "kws-mlp-w3a3": (4, 778_752, {3}, 12),
    "unsw-nb15-mlp-w2a2": (4, 92_416, {2}, 1),
    "autoencoder-w8a8": (10, 2_113_536, {8}, 640),
}


def test_the_registry_holds_the_recipes_promised():
    assert recipes.names() == sorted(NETWORKS)
    with pytest.raises(UserError) as error:
        recipes.get("tfc")
    assert str(error.value) == f"there is no recipe 'tfc'; choose one of {', '.join(sorted(NETWORKS))}"


def values(recipe, frames):
    """Random frames as the recipe declares them."""
    if recipe.input_type == "bipolar":
        return torch.randint(0, 2, (frames, *recipe.shape)) * 2.0 - 1.0
    top = {"uint5": 17, "uint8": 256}[recipe.input_type]
    return torch.randint(0, top, (frames, *recipe.shape)) * float(recipe.input_scale)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_recipe_builds_its_network(name):
    layers, weight_bits, bits, outputs = NETWORKS[name]
    recipe = recipes.get(name)
    assert recipe.name == name
    torch.manual_seed(0)
    module = recipe.build()
    weighted = [layer for layer in module.modules() if isinstance(layer, WEIGHTED)]
    assert len(weighted) == layers
    widths = [int(layer.quant_weight().bit_width) for layer in weighted]
    assert set(widths) == bits
    assert sum(width * layer.weight.numel() for width, layer in zip(widths, weighted, strict=True)) == weight_bits
    assert any(isinstance(layer, QUANTISERS) for layer in module.modules())

    x = values(recipe, 2)
    y = torch.arange(2)
    given = module(x)
    assert given.shape == (2, outputs)
    loss = TASKS[recipe.task].loss(given, x, y)
    assert loss.ndim == 0
    assert loss.isfinite()


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_recipe_fits_its_data(name, monkeypatch):
    """Codes within the declared type, as many in a frame as the network takes, labels that it can give."""
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    fake = data.Split("mnist", images, np.arange(20) % 10, images, np.arange(20) % 10)
    monkeypatch.setattr(data, "_mnist", lambda folder: fake)
    monkeypatch.setitem(data.DATASETS, "mnist", lambda folder: fake)
    recipe = recipes.get(name)
    split = data.load(recipe.dataset)
    assert math.prod(split.x_train.shape[1:]) == recipe.inputs
    assert len(recipe.shape) == 1 or split.x_train[0].squeeze().shape == tuple(n for n in recipe.shape if n > 1)
    codes = set(np.unique(split.x_train).tolist())
    assert codes <= {"uint5": set(range(32)), "uint8": set(range(256)), "bipolar": {-1, 1}}[recipe.input_type]
    assert recipe.task != "decide" or set(split.y_train.tolist()) == {0, 1}
    assert recipe.input_scale in (Fraction(1), Fraction(1, 16), Fraction(1, 255), Fraction(1, 256))
    assert not recipe.shift or split.x_train.ndim >= 3


def test_bnn_pynqs_networks_have_its_sizes():
    def sizes(name):
        layers = recipes.get(name).build().modules()
        return [tuple(layer.weight.shape[:2]) for layer in layers if isinstance(layer, WEIGHTED)]

    assert sizes("tfc-w1a1") == [(64, 784), (64, 64), (64, 64), (10, 64)]
    assert sizes("sfc-w1a1") == [(256, 784), (256, 256), (256, 256), (10, 256)]
    assert sizes("cnv-w1a1") == [(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (512, 256),
                                 (512, 512), (10, 512)]
    assert sizes("lenet5-w2a2") == [(6, 1), (16, 6), (120, 400), (84, 120), (10, 84)]


def test_a_recipe_refuses_nonsense():
    fine = vars(recipes.get("digits-w1a1"))
    with pytest.raises(ValueError, match=r"epochs of recipe 'x' must be positive, not 0"):
        Recipe(**{**fine, "name": "x", "epochs": 0})
    with pytest.raises(ValueError, match=r"inputs of recipe 'x' must be positive, not 0"):
        Recipe(**{**fine, "name": "x", "shape": (3, 0)})
    with pytest.raises(ValueError, match=r"task of recipe 'x' must be one of classify, decide, reconstruct, not 'x'"):
        Recipe(**{**fine, "name": "x", "task": "x"})
