"""From a QONNX file to the integer graph. ``import_model`` is the way in."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .importer import Imported, import_model, import_proto, parse_type

__all__ = ["Imported", "import_model", "import_proto", "parse_type"]


def __getattr__(name: str) -> Any:  # onnx takes a while to import: only when asked for
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".importer", __name__), name)
