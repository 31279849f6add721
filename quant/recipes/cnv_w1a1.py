"""cnv-w1a1: BNN-PYNQ's CNV on MNIST, weights of 1 bit and activations of 1 bit."""

from __future__ import annotations

from ._cnv import cnv

RECIPE = cnv(1, 1, required=98.0)
