"""What trains a module on a data set: batches, validation, an optimiser's loop with a progress bar, the best weights.

``training`` runs it once on a recipe's network; compression runs it again after each step that changes the weights.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from .data import Split
from .layers import clip_weights
from .recipe import Recipe
from .tasks import TASKS

__all__ = ["Epoch", "Trainer", "reproducible"]


@dataclass(frozen=True)
class Epoch:
    """One line of the history: mean training loss, validation score in per cent, learning rate of the last step."""

    number: int
    loss: float
    validation: float
    learning_rate: float


@dataclass(eq=False)
class Trainer:
    """A data set, and how modules are trained on it.

    Modules take ``[batch, *shape]`` float32, the codes of ``split`` times ``scale``. ``validation`` images come off the
    training set, the same ones whatever the seed; nothing here looks at the test set but :meth:`test`. ``shift`` moves
    each training image by up to so many pixels; ``weight_decay`` is Adam's (L2).
    """

    split: Split
    shape: tuple[int, ...]
    _: KW_ONLY
    scale: Fraction = Fraction(1)
    batch: int = 128
    validation: int = 5000
    shift: int = 0
    weight_decay: float = 0.0
    task: str = "classify"
    progress: bool = True
    console: Console | None = None

    @classmethod
    def of(cls, recipe: Recipe, split: Split, *, progress: bool = True, console: Console | None = None) -> Trainer:
        """As a recipe says."""
        return cls(split, recipe.shape, scale=recipe.input_scale, batch=recipe.batch, validation=recipe.validation,
                   shift=recipe.shift, weight_decay=recipe.weight_decay, task=recipe.task, progress=progress,
                   console=console)

    @cached_property
    def kept(self) -> np.ndarray:
        """Indices of the training set that are trained on."""
        return np.sort(self._order[self.validation :])

    @cached_property
    def held(self) -> np.ndarray:
        """Indices of the training set that are validated on."""
        return np.sort(self._order[: self.validation])

    @cached_property
    def _order(self) -> np.ndarray:
        return np.random.default_rng(1).permutation(len(self.split.x_train))

    @cached_property
    def batches(self) -> Batches:
        """The batches of an epoch, shuffled anew each time."""
        return Batches(self.split.x_train[self.kept], self.split.y_train[self.kept], self.batch, self.shape,
                       float(self.scale), self.shift)

    def loss(self, outputs: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """The mean loss of a batch."""
        return TASKS[self.task].loss(outputs, x, y)

    def train_score(self, module: nn.Module) -> float:
        """The score in per cent on what is trained on."""
        return self._score(module, self.split.x_train[self.kept], self.split.y_train[self.kept])

    def validate(self, module: nn.Module) -> float:
        """The score in per cent on what is held out."""
        return self._score(module, self.split.x_train[self.held], self.split.y_train[self.held])

    def test(self, module: nn.Module) -> float:
        """The score in per cent on the test set."""
        return self._score(module, self.split.x_test, self.split.y_test)

    def _score(self, module: nn.Module, codes: np.ndarray, labels: np.ndarray) -> float:
        return score(module, codes, labels, self.shape, self.scale, self.task)

    def fit(self, module: nn.Module, epochs: int, learning_rate: float, *, title: str = "training", warmup: int = 0,
            patience: int | None = None, settled: int = 0,
            each: Callable[[int], None] | None = None) -> tuple[list[Epoch], int]:
        """Train ``module`` in place, with Adam; the rate follows half a cosine to nothing after ``warmup`` epochs.

        The weights of the best epoch are kept, of those behind the first ``settled`` ones; it ends early after
        ``patience`` epochs without a better one. ``each`` is called before each optimiser step, with its number from 0.
        Returns the history, and the best epoch's number. The module is left in eval mode.
        """
        batches = self.batches
        optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate, weight_decay=self.weight_decay, fused=True)
        rise, total = warmup * len(batches), epochs * len(batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, rise, total))
        history: list[Epoch] = []
        best, best_score, best_state = 0, (-math.inf, 0.0), module.state_dict()  # a score may be negative
        step = 0
        with self._bar() as bar:
            line = bar.add_task(title, total=epochs, state="")
            for number in range(1, epochs + 1):
                module.train()
                losses = 0.0
                for x, y in batches:
                    if each is not None:
                        each(step)
                    optimiser.zero_grad(set_to_none=True)
                    loss = self.loss(module(x), x, y)
                    loss.backward()
                    optimiser.step()
                    schedule.step()
                    clip_weights(module)
                    losses += float(loss.detach())
                    step += 1
                validation = self.validate(module)
                history.append(Epoch(number, losses / len(batches), validation, float(schedule.get_last_lr()[0])))
                bar.update(line, advance=1, state=f"loss {history[-1].loss:.3f}, validation {validation:.2f} %")
                if number > settled and (validation, -history[-1].loss) > best_score:
                    best_score, best = (validation, -history[-1].loss), number
                    best_state = copy.deepcopy(module.state_dict())
                elif patience is not None and number - best >= patience:
                    break
        if best:
            module.load_state_dict(best_state)
        module.eval()
        return history, best

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console or Console(stderr=True),
            disable=not self.progress,
        )


def units(codes: np.ndarray, shape: tuple[int, ...], scale: Fraction) -> Tensor:
    """Raw codes ``[frames, ...]`` in the model's units, float32 ``[frames, *shape]``, rounded once."""
    exact = codes.reshape(len(codes), *shape).astype(np.float64) * scale.numerator / scale.denominator
    return torch.from_numpy(exact.astype(np.float32))


def score(module: nn.Module, codes: np.ndarray, labels: np.ndarray, shape: tuple[int, ...], scale: Fraction,
          task: str) -> float:
    """The score of a task in per cent (of classes named right, say); leaves the module in eval mode."""
    module.eval()
    points, total = TASKS[task].points, 0.0
    with torch.no_grad():
        for start in range(0, len(codes), 500):
            x = units(codes[start : start + 500], shape, scale)
            total += float(points(module(x).numpy(), x.numpy(), labels[start : start + 500]).sum())
    return 100.0 * total / len(codes)


@contextlib.contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """One thread, one seed; the caller's random state and thread count come back afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


class Batches:
    """Shuffled batches out of one tensor of raw codes, each image shifted at random; no worker processes."""

    def __init__(self, codes: np.ndarray, labels: np.ndarray, batch: int, shape: tuple[int, ...], scale: float,
                 shift: int = 0):
        self._codes = torch.from_numpy(codes)
        if shift:  # the last two axes are rows and columns
            black = [(0, 0)] * (codes.ndim - 2) + [(shift, shift)] * 2
            padded = torch.from_numpy(np.pad(codes, black))
            # A view [images, ..., 2p + 1, 2p + 1, rows, columns], the offsets moved to the front.
            windows = padded.unfold(-2, codes.shape[-2], 1).unfold(-2, codes.shape[-1], 1)
            self._codes = windows.movedim((-4, -3), (1, 2))
        self._labels = torch.from_numpy(labels)
        self._batch, self._offsets, self._shape, self._scale = batch, 2 * shift + 1, shape, scale

    def __len__(self) -> int:
        return len(self._labels) // self._batch  # the odd rest waits for the next shuffle

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self._labels))
        for start in range(0, len(self) * self._batch, self._batch):
            chosen = order[start : start + self._batch]
            down, right = torch.randint(self._offsets, (2, self._batch))
            codes = self._codes[chosen, down, right] if self._offsets > 1 else self._codes[chosen]
            yield codes.reshape(self._batch, *self._shape).float().mul_(self._scale), self._labels[chosen]


def rate(step: int, rise: int, total: int) -> float:
    """The learning rate's factor: a linear rise over ``rise`` steps, then half a cosine down to 0 at ``total``."""
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))
