"""Train a recipe: seeded, on one core, with a progress bar, a cosine schedule, early stop and the best weights kept.

One thread on purpose: sums then have one order, so a seed gives one network, and these layers are too small to share
(two threads on busy cores were measured 10 to 100 times slower than one).
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor, nn

from ..errors import UserError
from .data import Split, load
from .layers import WEIGHTED, clip_weights
from .recipe import Recipe
from .tasks import TASKS

__all__ = ["Epoch", "Trained", "accuracy", "summary", "train", "units"]


@dataclass(frozen=True)
class Epoch:
    """One line of the history: mean training loss, validation score in per cent, learning rate of the last step."""

    number: int
    loss: float
    validation: float
    learning_rate: float


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gives. Accuracies (the scores of the recipe's task) are in per cent, of the eval-mode module with
    the best epoch's weights.

    ``parameters`` counts everything learned, ``weight_bits`` the bits of the quantised weights alone.
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


def train(
    recipe: Recipe,
    *,
    data: str | Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    progress: bool = True,
    console: Console | None = None,
) -> Trained:
    """Train ``recipe`` on its data set (from the folder ``data``, if it is one that lives in files).

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
    with _reproducible(seed):
        module, history, best = _fit(recipe, split, epochs, progress, console)
        kept, held = _hold_out(split, recipe.validation)
        return Trained(
            recipe,
            module,
            tuple(history),
            best,
            accuracy(module, split.x_train[kept], split.y_train[kept], recipe),
            accuracy(module, split.x_train[held], split.y_train[held], recipe),
            accuracy(module, split.x_test, split.y_test, recipe),
            sum(p.numel() for p in module.parameters()),
            sum(_bits(layer) for layer in module.modules() if isinstance(layer, WEIGHTED)),
            seed,
            time.perf_counter() - started,
        )


def units(codes: np.ndarray, recipe: Recipe) -> Tensor:
    """Raw codes ``[frames, ...]`` in the model's units, float32 ``[frames, *recipe.shape]``, rounded once."""
    scale = recipe.input_scale
    exact = codes.reshape(len(codes), *recipe.shape).astype(np.float64) * scale.numerator / scale.denominator
    return torch.from_numpy(exact.astype(np.float32))


def accuracy(module: nn.Module, codes: np.ndarray, labels: np.ndarray, recipe: Recipe) -> float:
    """The score of the recipe's task in per cent (of classes named right, say); leaves the module in eval mode."""
    module.eval()
    task, total = TASKS[recipe.task], 0.0
    with torch.no_grad():
        for start in range(0, len(codes), 500):
            x = units(codes[start : start + 500], recipe)
            total += float(task.points(module(x).numpy(), x.numpy(), labels[start : start + 500]).sum())
    return 100.0 * total / len(codes)


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


@contextlib.contextmanager
def _reproducible(seed: int) -> Iterator[None]:
    """One thread, one seed; the caller's random state and thread count come back afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _hold_out(split: Split, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training set that are trained on, and ``count`` that are validated on."""
    order = np.random.default_rng(1).permutation(len(split.x_train))
    return np.sort(order[count:]), np.sort(order[:count])


def _fit(
    recipe: Recipe, split: Split, epochs: int, progress: bool, console: Console | None
) -> tuple[nn.Module, list[Epoch], int]:
    """The loop. Returns the module with the best validation weights, the history and the best epoch's number."""
    kept, held = _hold_out(split, recipe.validation)
    batches = _Batches(split.x_train[kept], split.y_train[kept], recipe)
    module = recipe.build()
    task = TASKS[recipe.task]
    optimiser = torch.optim.Adam(module.parameters(), lr=recipe.learning_rate, fused=True)
    rise, total = recipe.warmup * len(batches), epochs * len(batches)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, rise, total))
    history: list[Epoch] = []
    best, best_score, best_state = 0, (-math.inf, 0.0), module.state_dict()  # a score may be negative
    with _bar(progress, console) as bar:
        line = bar.add_task(f"training {recipe.name}", total=epochs, state="")
        for number in range(1, epochs + 1):
            module.train()
            losses = 0.0
            for x, y in batches:
                optimiser.zero_grad(set_to_none=True)
                loss = task.loss(module(x), x, y)
                loss.backward()
                optimiser.step()
                schedule.step()
                clip_weights(module)
                losses += float(loss.detach())
            validation = accuracy(module, split.x_train[held], split.y_train[held], recipe)
            history.append(Epoch(number, losses / len(batches), validation, float(schedule.get_last_lr()[0])))
            bar.update(line, advance=1, state=f"loss {history[-1].loss:.3f}, validation {validation:.2f} %")
            if (validation, -history[-1].loss) > best_score:
                best_score, best = (validation, -history[-1].loss), number
                best_state = copy.deepcopy(module.state_dict())
            elif number - best >= recipe.patience:
                break
    module.load_state_dict(best_state)
    return module.eval(), history, best


class _Batches:
    """Shuffled batches out of one tensor of raw codes, each image shifted at random; no worker processes."""

    def __init__(self, codes: np.ndarray, labels: np.ndarray, recipe: Recipe):
        pad = recipe.shift
        self._codes = torch.from_numpy(codes)
        if pad:  # the last two axes are rows and columns
            black = [(0, 0)] * (codes.ndim - 2) + [(pad, pad)] * 2
            padded = torch.from_numpy(np.pad(codes, black))
            # A view [images, ..., 2p + 1, 2p + 1, rows, columns], the offsets moved to the front.
            windows = padded.unfold(-2, codes.shape[-2], 1).unfold(-2, codes.shape[-1], 1)
            self._codes = windows.movedim((-4, -3), (1, 2))
        self._labels = torch.from_numpy(labels)
        self._batch, self._offsets, self._shape = recipe.batch, 2 * pad + 1, recipe.shape
        self._scale = float(recipe.input_scale)

    def __len__(self) -> int:
        return len(self._labels) // self._batch  # the odd rest waits for the next shuffle

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self._labels))
        for start in range(0, len(self) * self._batch, self._batch):
            chosen = order[start : start + self._batch]
            down, right = torch.randint(self._offsets, (2, self._batch))
            codes = self._codes[chosen, down, right] if self._offsets > 1 else self._codes[chosen]
            yield codes.reshape(self._batch, *self._shape).float().mul_(self._scale), self._labels[chosen]


def _rate(step: int, rise: int, total: int) -> float:
    """The learning rate's factor: a linear rise over ``rise`` steps, then half a cosine down to 0 at ``total``."""
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def _bits(layer) -> int:
    """Bits of one layer's quantised weights."""
    return layer.weight.numel() * int(layer.quant_weight().bit_width)


def _bar(progress: bool, console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
        disable=not progress,
    )
