"""cnv-w1a2: BNN-PYNQ's CNV on MNIST, weights of 1 bit and activations of 2 bits."""

from __future__ import annotations

from ._cnv import cnv

RECIPE = cnv(1, 2, required=98.0)
