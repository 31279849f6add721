"""Optimal brain damage: prune what the loss will miss least, by its second derivatives.

LeCun, Denker, Solla: "Optimal Brain Damage", NIPS 1989: around a minimum, taking away weight u_k costs about
h_kk u_k ** 2 / 2, h_kk being the diagonal of the Hessian. The Fisher information stands for it: the mean square of the
gradients of single samples, which is the Hessian's positive part where labels are the network's own answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from brevitas.nn import QuantLinear
from torch import Tensor, nn
from torch.nn import functional

from .constrained import mask_of, named, set_mask
from .prune import largest
from .step import PerLayer, Step, per_layer

if TYPE_CHECKING:
    from ..layers import Weighted
    from ..trainer import Trainer

__all__ = ["OptimalBrainDamage", "curvature"]


@dataclass(frozen=True)
class OptimalBrainDamage(Step):
    """Keep a share ``density`` of a layer's weights, those of the greatest saliency, and retrain, in ``rounds``.

    The density falls geometrically to its goal. Curvatures come from ``batches`` batches; ``labels`` are those of the
    ``data``, or the ``model``'s own, drawn from its soft-max (for networks that classify).
    """

    density: PerLayer[float]
    rounds: int = 1
    epochs: int = 1
    batches: int = 16
    labels: str = "data"
    learning_rate: float = 1e-3

    def __post_init__(self):
        if self.labels not in ("data", "model"):
            raise ValueError(f"labels must be data or model, not {self.labels!r}")
        if self.rounds < 1 or self.batches < 1 or self.epochs < 0:
            raise ValueError(f"rounds and batches must be positive and epochs not negative, not {self.rounds}, "
                             f"{self.batches} and {self.epochs}")

    def apply(self, module: nn.Module, data: Trainer) -> None:
        goals = per_layer("density", self.density, module)
        first = {layer: float(mask_of(layer).float().mean()) for layer in goals}
        for number in range(1, self.rounds + 1):
            second = curvature(module, data, self.batches, self.labels)
            for layer, goal in goals.items():
                saliency = second[layer] * layer.weight.detach().square() / 2
                density = first[layer] * (goal / first[layer]) ** (number / self.rounds)
                set_mask(layer, largest(saliency, density, mask_of(layer)))
            if self.epochs:
                data.fit(module, self.epochs, self.learning_rate, title=f"damaged, round {number} of {self.rounds}")


def curvature(module: nn.Module, data: Trainer, batches: int, labels: str = "data") -> dict[Weighted, Tensor]:
    """The diagonal Fisher information of each layer's weights: float32, of their shape; parameters are left alone.

    It is exact for the samples seen: the squares of each sample's gradient, not of the batch's.
    """
    module.eval()
    sums = {layer: torch.zeros_like(layer.weight) for layer in named(module).values()}
    inputs: dict[Weighted, Tensor] = {}

    def hear(layer: Weighted, given: tuple[Tensor], output: Tensor) -> None:
        inputs[layer] = given[0].detach()
        output.register_hook(partial(note, layer))

    def note(layer: Weighted, gradient: Tensor) -> None:
        sums[layer] += _squares(layer, inputs[layer], gradient.detach())

    hooks = [layer.register_forward_hook(hear) for layer in sums]
    seen = 0
    try:
        while seen < batches:
            for x, y in data.batches:
                outputs = module(x)
                if labels == "model":
                    y = torch.multinomial(functional.softmax(outputs.detach(), 1), 1)[:, 0]
                loss = data.loss(outputs, x, y) * len(x)  # the sum of the samples' losses
                torch.autograd.grad(loss, [p for p in module.parameters() if p.requires_grad], allow_unused=True)
                seen += 1
                if seen == batches:
                    break
    finally:
        for hook in hooks:
            hook.remove()
    return {layer: total / (batches * data.batch) for layer, total in sums.items()}


def _squares(layer: Weighted, x: Tensor, gradient: Tensor) -> Tensor:
    """The sum over a batch of the squared gradients of the weights, sample by sample."""
    if isinstance(layer, QuantLinear):
        return (gradient.square().flatten(0, -2).T @ x.square().flatten(0, -2))
    if layer.groups != 1 or x.ndim not in (3, 4):
        raise ValueError(f"saliencies are known for linear layers and convolutions of one group, not {layer.groups}")
    if x.ndim == 3:  # one dimension: an image of one row
        x, gradient = x[:, :, None], gradient[:, :, None]
    if isinstance(layer.padding, str):
        raise ValueError(f"saliencies are known for paddings in numbers, not {layer.padding!r}")
    ones = (1,) * (4 - layer.weight.ndim)
    patches = functional.unfold(x, (*ones, *layer.kernel_size), (*ones, *layer.dilation),
                                (*(0 for _ in ones), *layer.padding), (*ones, *layer.stride))
    each = torch.bmm(gradient.flatten(2), patches.transpose(1, 2))  # [batch, outputs, inputs * taps]
    return each.square().sum(0).reshape(layer.weight.shape)
