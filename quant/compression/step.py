"""What a step of compression is: a frozen dataclass with numbers for each layer, and one method that does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import nn

    from ..layers import Weighted
    from ..trainer import Trainer

__all__ = ["PerLayer", "Step", "per_layer"]

T = TypeVar("T")

PerLayer = T | Sequence[T | None] | Mapping[str, T]
"""One for all layers, one for each in the module's order (None: leave it alone), or by the layers' paths."""


@dataclass(frozen=True)
class Step:
    """One step. Subclasses change a module in place and train it anew; steps compose in any order that makes sense."""

    def apply(self, module: nn.Module, data: Trainer) -> None:
        """Do it. Raises ``ValueError`` where a number does not fit the module."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What stands in the table of steps."""
        return type(self).__name__


def per_layer(what: str, given: PerLayer[T], module: nn.Module) -> dict[Weighted, T]:
    """Which layer is to have which number; those without one are left out.

    Raises ``ValueError`` if ``given`` names no layer or has another number of entries than there are layers.
    """
    from .constrained import named

    layers = named(module)
    if isinstance(given, Mapping):
        if unknown := sorted(set(given) - set(layers)):
            raise ValueError(f"{what} must name layers ({', '.join(layers)}), not {unknown[0]!r}")
        return {layers[name]: number for name, number in given.items()}
    if isinstance(given, Sequence):
        if len(given) != len(layers):
            raise ValueError(f"{what} must have one entry for each of the {len(layers)} layers, not {len(given)}")
        return {layer: number for layer, number in zip(layers.values(), given, strict=True) if number is not None}
    return dict.fromkeys(layers.values(), given)
