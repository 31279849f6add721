"""The package itself: light to import, honest about what is missing."""

import subprocess
import sys

import pytest

import gatewright.quant as quant
from gatewright.errors import UserError
from gatewright.quant.environment import require


def test_every_name_is_there():
    for name in quant.__all__:
        assert getattr(quant, name) is not None
        assert name in dir(quant)
    with pytest.raises(AttributeError, match=r"module 'gatewright\.quant' has no attribute 'nothing'"):
        assert not quant.nothing


def test_importing_loads_no_torch():
    script = "import sys, gatewright.quant as q; q.recipes.names(); assert not {'torch', 'brevitas'} & set(sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_missing_package_is_named():
    require("numpy")
    with pytest.raises(UserError) as error:
        require("numpy", "no_such_torch", "no_such_brevitas")
    assert str(error.value) == (
        "training needs no_such_torch and no_such_brevitas, not installed here; pip install 'gatewright[train]'")
