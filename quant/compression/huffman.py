"""Huffman coding, the last step of Deep Compression: no weight changes, but codes and zero runs take fewer bits.

Han, Mao, Dally: "Deep Compression", ICLR 2016, section 4. The codes themselves are :mod:`gatewright.coding.huffman`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from .step import Step

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Huffman"]


@dataclass(frozen=True)
class Huffman(Step):
    """From here on, codes and runs are counted as each layer's two Huffman codes have them, tables included."""

    def apply(self, module: nn.Module, data: Trainer) -> None:
        """Nothing to train."""
