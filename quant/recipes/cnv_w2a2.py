"""cnv-w2a2: BNN-PYNQ's CNV on MNIST, weights of 2 bits and activations of 2 bits."""

from __future__ import annotations

from ._cnv import cnv

RECIPE = cnv(2, 2, required=98.0)
