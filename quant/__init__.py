"""Training with Brevitas: layers, recipes, data, and the export to QONNX. This layer knows no other of Gatewright.

    from gatewright.quant import export, metadata, recipes, train

    recipe = recipes.get("digits-w1a1")
    trained = train(recipe)
    export(trained.module, "digits.onnx", (1, *recipe.shape), metadata(recipe))

torch, brevitas and what they ask for are the extra ``[train]``; importing this package without them raises a
``UserError`` that says what to install. That is a look-up alone: torch loads with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import recipes
from .data import Split, load
from .environment import require
from .recipe import Recipe

if TYPE_CHECKING:
    from .compare import Boundaries, boundaries
    from .compression import (
        BlockPrune,
        Compressed,
        GradualPrune,
        Hash,
        Huffman,
        LfsrMask,
        OptimalBrainDamage,
        Prune,
        Share,
        Surgery,
        compress,
        entries_table,
        layers_table,
        remarks,
        steps_table,
    )
    from .exporting import export, metadata
    from .trainer import Trainer
    from .training import Trained, accuracy, summary, train, units

__all__ = [
    "BlockPrune",
    "Boundaries",
    "Compressed",
    "GradualPrune",
    "Hash",
    "Huffman",
    "LfsrMask",
    "OptimalBrainDamage",
    "Prune",
    "Recipe",
    "Share",
    "Split",
    "Surgery",
    "Trained",
    "Trainer",
    "accuracy",
    "boundaries",
    "compress",
    "entries_table",
    "export",
    "layers_table",
    "load",
    "metadata",
    "recipes",
    "remarks",
    "steps_table",
    "summary",
    "train",
    "units",
]

_HOMES = {
    "BlockPrune": ".compression",
    "Boundaries": ".compare",
    "Compressed": ".compression",
    "GradualPrune": ".compression",
    "Hash": ".compression",
    "Huffman": ".compression",
    "LfsrMask": ".compression",
    "OptimalBrainDamage": ".compression",
    "Prune": ".compression",
    "Share": ".compression",
    "Surgery": ".compression",
    "Trained": ".training",
    "Trainer": ".trainer",
    "accuracy": ".training",
    "boundaries": ".compare",
    "compress": ".compression",
    "entries_table": ".compression",
    "export": ".exporting",
    "layers_table": ".compression",
    "metadata": ".exporting",
    "remarks": ".compression",
    "steps_table": ".compression",
    "summary": ".training",
    "train": ".training",
    "units": ".training",
}

require("torch", "brevitas", "onnxoptimizer", "onnxscript", "sklearn", "pooch")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
