"""What a recipe is: everything that decides a trained network, in one frozen object. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from .tasks import TASKS

if TYPE_CHECKING:
    from torch import nn

    from .compression.step import Step

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """A network, its data and its training. Adding one is adding one file to ``quant/recipes``.

    ``build`` makes the untrained module, which takes ``[batch, *shape]`` values in the model's units (raw codes of
    ``input_type`` times ``input_scale``) and gives ``[batch, outputs]``. ``shape`` is ``[C, H, W]``, ``[C, W]`` or
    ``[C]``, as many elements as a frame of ``dataset`` has. What the outputs mean, and so the loss and the score in per
    cent, is the ``task``, a name in :data:`~.tasks.TASKS`.

    The learning rate follows half a cosine from ``learning_rate`` to nothing over ``epochs``, after ``warmup`` epochs
    of linear rise; training stops early after ``patience`` epochs without a better validation score, and the best
    epoch's weights are kept. ``shift`` moves each training image by up to so many pixels; ``validation`` of the
    training images are held out. ``weight_decay`` is Adam's (L2). ``compression`` are the steps that follow on the
    trained network (:mod:`.compression`). ``required`` is the test score in per cent that the recipe is held to, 0 for
    none.
    """

    name: str
    summary: str
    dataset: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    input_type: str
    input_scale: Fraction
    epochs: int
    batch: int
    learning_rate: float
    patience: int
    validation: int
    warmup: int = 0
    shift: int = 0
    seed: int = 0
    required: float = 0.0
    task: str = "classify"
    weight_decay: float = 0.0
    compression: tuple[Step, ...] = ()

    def __post_init__(self):
        for field in ("inputs", "epochs", "batch", "patience", "validation"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} of recipe {self.name!r} must be positive, not {getattr(self, field)!r}")
        if self.task not in TASKS:
            raise ValueError(f"task of recipe {self.name!r} must be one of {', '.join(TASKS)}, not {self.task!r}")

    @property
    def inputs(self) -> int:
        """How many elements a frame has."""
        return math.prod(self.shape)
