"""Gatewright: quantised neural networks become verified streaming hardware.

The few names of the Python API load on first use (PEP 562), so that ``import gatewright`` is instant and imports
neither the hardware library nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compiler import Design, Model, compile, load
    from .errors import GatewrightError

__version__ = "0.1.0"
__all__ = ["Design", "GatewrightError", "Model", "compile", "load"]

_HOMES = {
    "Design": ".compiler",
    "GatewrightError": ".errors",
    "Model": ".compiler",
    "compile": ".compiler",
    "load": ".compiler",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
