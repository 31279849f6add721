"""Compression of a network: steps one after another, each with what it cost and what it gained."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ..trainer import Trainer, reproducible
from .account import FLOAT_BITS, Account, account
from .constrained import bake, constraint, named
from .huffman import Huffman
from .step import Step

__all__ = ["Compressed", "State", "compress"]


@dataclass(frozen=True)
class State:
    """The network before the first step or after one: its score on held-out training data in per cent, its layers."""

    title: str
    validation: float
    layers: tuple[Account, ...]
    huffman: bool

    @property
    def weights(self) -> int:
        return sum(layer.weights for layer in self.layers)

    @property
    def nonzeros(self) -> int:
        return sum(layer.nonzeros for layer in self.layers)

    @property
    def bits(self) -> int:
        """Of all weights, pointers left out."""
        return sum(layer.bits(self.huffman) for layer in self.layers)

    @property
    def pointers(self) -> int:
        """Bits of the pointers to columns."""
        return sum(layer.pointers for layer in self.layers)

    @property
    def ratio(self) -> float:
        """Against weights of 32 bits, pointers left out as Deep Compression does."""
        return FLOAT_BITS * self.weights / self.bits


@dataclass(frozen=True, eq=False)
class Compressed:
    """What :func:`compress` gives: the module (plain layers again, in eval mode), and the way there.

    ``notes`` are what the weights alone cannot tell, by the paths of layers, for :func:`~..exporting.export`.

    Test scores in per cent are of the module given and of the one that came out.
    """

    module: nn.Module
    states: tuple[State, ...]
    notes: dict[str, str]
    dense_test_accuracy: float
    test_accuracy: float

    @property
    def layers(self) -> tuple[Account, ...]:
        """The layers as they are in the end."""
        return self.states[-1].layers


def compress(module: nn.Module, steps: Sequence[Step], *, data: Trainer, seed: int = 0, elements: int = 1,
             run_bits: int = 5) -> Compressed:
    """Apply ``steps`` to a copy of a trained ``module`` of Brevitas layers, each step with training of its own.

    Where indices are stored they are zero runs of ``run_bits`` bits down the columns of ``elements`` elements. The
    test set is looked at once, at the end, and decides nothing. Raises ``ValueError`` where a step does not fit.
    """
    module = copy.deepcopy(module)
    with reproducible(seed):
        dense = data.test(module)
        states = [State("dense", data.validate(module), account(module, elements=elements, run_bits=run_bits), False)]
        for step in steps:
            step.apply(module, data)
            states.append(State(step.title, data.validate(module),
                                account(module, elements=elements, run_bits=run_bits),
                                states[-1].huffman or isinstance(step, Huffman)))
        notes = {name: found.note for name, layer in named(module).items()
                 if (found := constraint(layer)) is not None and found.note}
        bake(module)
        module.eval()
        return Compressed(module, tuple(states), notes, dense, data.test(module))
