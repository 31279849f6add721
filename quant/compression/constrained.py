"""What compression does to a layer's weights, as parametrisations: masked, shared or hashed, while they are trained.

``torch.nn.utils.parametrize`` puts them between what is learned and what the layer (and its quantiser) sees, so that
gradients come out as they must: none for pruned weights, summed ones for shared values. :func:`bake` ends that.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..layers import WEIGHTED, Weighted

__all__ = ["Blocked", "Constraint", "Hashed", "Masked", "Shared", "Surgical", "bake", "constrain", "constraint",
           "integers", "mask_of", "named", "release", "set_mask"]


class Constraint(nn.Module):
    """What stands on a layer's weights. ``note`` is what the tensor alone cannot tell, for the file: JSON, or nothing.
    """

    note: str = ""


class Masked(Constraint):
    """Weights that are there where ``mask`` is 1, and 0 elsewhere."""

    mask: Tensor

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask.float())

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


class Blocked(Masked):
    """As :class:`Masked`, the mask being one of whole ``blocks``: bool ``[rows of blocks, columns of blocks]``."""

    blocks: Tensor

    def __init__(self, mask: Tensor, blocks: Tensor):
        super().__init__(mask)
        self.register_buffer("blocks", blocks)


class Surgical(Masked):
    """As :class:`Masked`, but the gradient passes to weights that are masked too, so that they may come back.

    Guo, Yao, Chen: "Dynamic Network Surgery for Efficient DNNs", NIPS 2016, equation 3.
    """

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (weight * self.mask - weight).detach()


class Shared(Constraint):
    """Weights that are one of ``values`` each (what is learned), or 0 where ``codes`` is -1.

    ``codes`` is int64 of the weights' shape. A value's gradient is the sum of those of its weights (Han et al., "Deep
    Compression", ICLR 2016, section 3.3); the layer's quantiser rounds values to integers.
    """

    codes: Tensor

    def __init__(self, codes: Tensor, values: Tensor):
        super().__init__()
        self.register_buffer("codes", codes)
        self._first = values

    def forward(self, values: Tensor) -> Tensor:
        return torch.cat([values, values.new_zeros(1)])[self.codes]  # -1 is the last

    def right_inverse(self, weight: Tensor) -> Tensor:
        return self._first.to(weight)


class Hashed(Constraint):
    """Weights ``sign * values[index]``, both int64 of the weights' shape: a hash table of real weights, learned.

    Chen et al., "Compressing Neural Networks with the Hashing Trick", ICML 2015. The values that it begins with are the
    means of the weights that they stand for, which is the nearest in squares.
    """

    index: Tensor
    sign: Tensor

    def __init__(self, index: Tensor, sign: Tensor, size: int, note: str):
        super().__init__()
        self.note = note
        self.register_buffer("index", index)
        self.register_buffer("sign", sign.float())
        self.size = size

    def forward(self, values: Tensor) -> Tensor:
        return values[self.index] * self.sign

    def right_inverse(self, weight: Tensor) -> Tensor:
        sums = weight.new_zeros(self.size).index_add_(0, self.index.flatten(), (weight * self.sign).flatten())
        return sums / torch.bincount(self.index.flatten(), minlength=self.size).clamp(min=1)


def named(module: nn.Module) -> dict[str, Weighted]:
    """The layers with quantised weights by their paths, in the module's order. Raises ``ValueError`` if none is there.
    """
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, WEIGHTED)}
    if not layers:
        raise ValueError("the module must have Brevitas layers with quantised weights")
    return layers


def constraint(layer: Weighted) -> Constraint | None:
    """What stands on the layer's weights, if anything does."""
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    return cast(Constraint, cast(nn.ModuleList, cast(nn.ModuleDict, layer.parametrizations)["weight"])[0])


def constrain(layer: Weighted, what: Constraint) -> None:
    """Put ``what`` on the layer's weights as they are now, in place of what was there.

    A note on a mask stays, for what follows keeps to it; others go.
    """
    found = constraint(layer)
    if not what.note and not isinstance(what, Surgical) and isinstance(found, (Masked, Shared)):
        what.note = found.note
    release(layer)
    parametrize.register_parametrization(layer, "weight", what, unsafe=True)


def release(layer: Weighted) -> None:
    """Make the layer's weights plain parameters, of the values that they have."""
    values = layer.weight.detach().clone()
    if parametrize.is_parametrized(layer, "weight"):
        parametrize.remove_parametrizations(layer, "weight")
    layer.weight = nn.Parameter(values)  # a new one: its gradient's history would be of another shape


def mask_of(layer: Weighted) -> Tensor:
    """Where the layer's weights may be other than 0: bool, of the weights' shape."""
    found = constraint(layer)
    if isinstance(found, Masked):
        return found.mask > 0
    if isinstance(found, Shared):
        return found.codes >= 0
    return torch.ones(layer.weight.shape, dtype=torch.bool)


def set_mask(layer: Weighted, mask: Tensor) -> None:
    """Let the layer have weights only there."""
    found = constraint(layer)
    if found is not None and type(found) is Masked:
        found.mask.copy_(mask)
    else:
        constrain(layer, Masked(mask))


def bake(module: nn.Module) -> None:
    """Make all weights plain parameters, each exactly an integer times its scale."""
    for layer in named(module).values():
        release(layer)
        with torch.no_grad():
            layer.weight.copy_(layer.quant_weight().value)


def integers(layer: Weighted) -> np.ndarray:
    """The layer's weights as the integers that are exported: int64 ``[outputs, ...]``."""
    with torch.no_grad():
        quantised = layer.quant_weight()
        return torch.round(quantised.value / quantised.scale).numpy().astype(np.int64)
