"""Train a recipe: seeded, on one core, with a progress bar, a cosine schedule, early stop and the best weights kept.

One thread on purpose: sums then have one order, so a seed gives one network, and these layers are too small to share
(two threads on busy cores were measured 10 to 100 times slower than one).
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from ..errors import UserError
from . import trainer
from .data import load
from .layers import WEIGHTED
from .recipe import Recipe
from .tasks import TASKS
from .trainer import Epoch, Trainer, reproducible

if TYPE_CHECKING:
    from .compression import Compressed

__all__ = ["Epoch", "Trained", "accuracy", "summary", "train", "units"]


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gives. Accuracies (the scores of the recipe's task) are in per cent, of the eval-mode module with
    the best epoch's weights.

    ``parameters`` counts everything learned, ``weight_bits`` the bits of the quantised weights alone. If the recipe
    compresses, ``module`` and the accuracies are those of the compressed network; ``history``, ``best_epoch``,
    ``parameters`` and ``weight_bits`` those of the dense one, and ``compressed`` says what was done.
    """

    recipe: Recipe
    module: nn.Module
    history: tuple[Epoch, ...]
    best_epoch: int
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float
    parameters: int
    weight_bits: int
    seed: int
    seconds: float
    compressed: Compressed | None = None


def train(
    recipe: Recipe,
    *,
    data: str | Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    progress: bool = True,
    console: Console | None = None,
) -> Trained:
    """Train ``recipe`` on its data set (from the folder ``data``, if it is one that lives in files), and compress it.

    ``epochs`` and ``seed`` replace the recipe's. The validation images come off the training set, the same ones
    whatever the seed; the test set is looked at once, at the end. Raises ``UserError`` on bad data or options.
    """
    epochs = recipe.epochs if epochs is None else epochs
    seed = recipe.seed if seed is None else seed
    if epochs < 1:
        raise UserError(f"epochs must be at least 1, not {epochs}")
    if not 0 <= seed < 1 << 63:
        raise UserError(f"the seed must be a non-negative 63-bit integer, not {seed}")
    split = load(recipe.dataset, data)
    if len(split.x_train) < recipe.validation + recipe.batch:
        raise UserError(f"{len(split.x_train)} training images are too few for recipe {recipe.name}", where=split.name)
    started = time.perf_counter()
    at = Trainer.of(recipe, split, progress=progress, console=console)
    with reproducible(seed):
        module = recipe.build()
        history, best = at.fit(module, epochs, recipe.learning_rate, title=f"training {recipe.name}",
                               warmup=recipe.warmup, patience=recipe.patience)
        trained = Trained(
            recipe,
            module,
            tuple(history),
            best,
            at.train_score(module),
            at.validate(module),
            at.test(module),
            sum(p.numel() for p in module.parameters()),
            sum(_bits(layer) for layer in module.modules() if isinstance(layer, WEIGHTED)),
            seed,
            time.perf_counter() - started,
        )
    if not recipe.compression:
        return trained
    from .compression import compress  # here: most recipes do without

    compressed = compress(module, recipe.compression, data=at, seed=seed)
    module = compressed.module
    return dataclasses.replace(trained, module=module, train_accuracy=at.train_score(module),
                               validation_accuracy=compressed.states[-1].validation,
                               test_accuracy=compressed.test_accuracy, seconds=time.perf_counter() - started,
                               compressed=compressed)


def units(codes: np.ndarray, recipe: Recipe) -> Tensor:
    """Raw codes ``[frames, ...]`` in the model's units, float32 ``[frames, *recipe.shape]``, rounded once."""
    return trainer.units(codes, recipe.shape, recipe.input_scale)


def accuracy(module: nn.Module, codes: np.ndarray, labels: np.ndarray, recipe: Recipe) -> float:
    """The score of the recipe's task in per cent (of classes named right, say); leaves the module in eval mode."""
    return trainer.score(module, codes, labels, recipe.shape, recipe.input_scale, recipe.task)


def summary(trained: Trained) -> Table:
    """The table shown after training."""
    table = Table(title=f"{trained.recipe.name}: {trained.recipe.summary}", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    measure = TASKS[trained.recipe.task].measure
    for what, value in (
        (f"test {measure}", f"{trained.test_accuracy:.2f} %"),
        (f"training {measure}", f"{trained.train_accuracy:.2f} %"),
        (f"validation {measure}", f"{trained.validation_accuracy:.2f} %"),
        ("parameters", f"{trained.parameters:,}"),
        ("weight bits", f"{trained.weight_bits:,}"),
        ("best epoch", f"{trained.best_epoch} of {len(trained.history)}"),
        ("seed", str(trained.seed)),
        ("seconds", f"{trained.seconds:.1f}"),
    ):
        table.add_row(what, value)
    return table


def _bits(layer) -> int:
    """Bits of one layer's quantised weights."""
    return layer.weight.numel() * int(layer.quant_weight().bit_width)
