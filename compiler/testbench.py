"""The build folder's ``tb/``: a cocotb bench of the AXI4-Stream module, with vectors, run with ``make``."""

from __future__ import annotations

import math

import numpy as np

from ..hdl.axis import padded_bits
from ..sim import bench_template
from .compiled import Compiled
from .execute import run_golden
from .words import pack

__all__ = ["files"]

# Frames of vectors: seeded codes of the input's whole range, since a build knows no data.
FRAMES = 24


def files(design: Compiled) -> dict[str, bytes]:
    """The folder's files by name; the expected frames are the golden model's."""
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    rng = np.random.default_rng(0)
    kind = first.type
    codes = rng.integers(kind.lo, kind.hi + 1, size=(FRAMES, first.elements))
    codes = np.where(codes >= 0, 1, -1) if kind.bipolar else codes
    values = run_golden(design.graph, codes)
    # A code whose bits are all ones marks the bits that mean something; padding lanes keep zeros.
    full = np.full((1, last.elements), -1 if last.type.signed else last.type.hi)
    prediction = design.prediction
    return bench_template.files(
        design.name, f"{design.name}_axis",
        in_bytes_per_word=padded_bits(first.bits) // 8, in_words=first.words,
        out_bytes_per_word=padded_bits(last.bits) // 8, out_words=last.words,
        inputs=pack(codes, first).reshape(FRAMES, -1), outputs=pack(values[last.value], last).reshape(FRAMES, -1),
        cycles_per_frame=math.ceil(prediction.interval) + prediction.latency, mask=pack(full, last).reshape(-1))
