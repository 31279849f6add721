"""The recipes by name. Adding one is adding one file here: ``my_net.py`` with a ``RECIPE`` is recipe ``my-net``."""

from __future__ import annotations

import importlib
import pkgutil

from ...errors import UserError
from ..recipe import Recipe

__all__ = ["get", "names"]


def names() -> list[str]:
    """Every recipe's name, in alphabetical order; imports none of them."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")


def get(name: str) -> Recipe:
    """The recipe called ``name``. Raises ``UserError`` when there is none."""
    if name not in names():
        raise UserError(f"there is no recipe {name!r}", remedy=f"choose one of {', '.join(names())}")
    return importlib.import_module(f".{name.replace('-', '_')}", __name__).RECIPE
