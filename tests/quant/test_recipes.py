"""The recipes: what the registry promises, and that each builds, learns a step and exports."""

import pytest
import torch

from gatewright.errors import UserError
from gatewright.quant import recipes
from gatewright.quant.data import DATASETS
from gatewright.quant.layers import QuantLinear
from gatewright.quant.recipe import Recipe

SIZES = {
    "digits-w1a1": [(256, 64), (256, 256), (10, 256)],
    "tfc-w1a1": [(64, 784), (64, 64), (64, 64), (10, 64)],
    "sfc-w1a1": [(256, 784), (256, 256), (256, 256), (10, 256)],
    "lfc-w1a1": [(1024, 784), (1024, 1024), (1024, 1024), (10, 1024)],
}


def test_the_registry_holds_the_recipes_promised():
    assert recipes.names() == sorted(SIZES)
    with pytest.raises(UserError) as error:
        recipes.get("tfc")
    assert str(error.value) == (
        "there is no recipe 'tfc'; choose one of digits-w1a1, lfc-w1a1, sfc-w1a1, tfc-w1a1")


@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_recipe_builds_and_learns(name):
    recipe = recipes.get(name)
    assert recipe.name == name
    assert recipe.dataset in DATASETS
    torch.manual_seed(0)
    module = recipe.build()
    shapes = [tuple(layer.weight.shape) for layer in module.modules() if isinstance(layer, QuantLinear)]
    assert shapes == SIZES[name]
    x, y = torch.rand(4, recipe.inputs), torch.tensor([0, 1, 2, 9])
    torch.nn.functional.cross_entropy(module(x), y).backward()
    for path, parameter in module.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
        assert parameter.grad.abs().sum() > 0, path


def test_a_recipe_refuses_nonsense():
    fine = recipes.get("digits-w1a1")
    with pytest.raises(ValueError, match=r"epochs of recipe 'x' must be positive, not 0"):
        Recipe(**{**vars(fine), "name": "x", "epochs": 0})
