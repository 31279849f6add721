"""The compiler: QONNX to integer graph to dataflow graph to a folded, sized design to Verilog, and the proof of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .design import Design, Model, compile, load

__all__ = ["Design", "Model", "compile", "load"]


def __getattr__(name: str) -> Any:  # onnx and Amaranth take a while to import: only when asked for
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".design", __name__), name)
