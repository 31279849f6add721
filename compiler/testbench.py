"""The build folder's ``tb/``: cocotb benches of the AXI modules, with vectors, run with ``make``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..coding.coded import encode
from ..hdl.axis import padded_bits
from ..sim import bench_template
from .checked import layouts_of
from .compiled import Compiled
from .execute import run_golden
from .words import pack

__all__ = ["files", "loads_of"]

# Frames of vectors: seeded codes of the input's whole range, since a build knows no data.
FRAMES = 24


def files(design: Compiled, registers: bytes | None = None) -> dict[str, bytes]:
    """The folder's files by name; the expected frames are the golden model's.

    With ``registers``, the register map of the module ``NAME_axi`` as JSON, there is a bench of that, too.
    """
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
        cycles_per_frame=math.ceil(prediction.interval) + prediction.latency, mask=pack(full, last).reshape(-1),
        registers=registers, loads=loads_of(design, {stage.name: stage.parameters.load_words
                                                     for stage in design.dataflow.loadable}))


def loads_of(design: Compiled, words: Mapping[str, Sequence[int]]) -> bytes | None:
    """``loads.json``: each unit's words as ``NAME_axi`` and as ``NAME_axi_checked`` take them; None without any."""
    if not words:
        return None
    bits = {stage.name: stage.parameters.load_bits for stage in design.dataflow.loadable}
    plain = [[f"{word >> at & 0xFFFFFFFF:08x}" for word in each for at in range(0, bits[unit], 32)]
             for unit, each in words.items()]
    coded = [[f"{int(word):08x}" for word in encode(layout, words[unit], f"load_{unit}")]
             for unit, layout in layouts_of(design.dataflow).items()]
    return json.dumps({"plain": plain, "coded": coded}).encode() + b"\n"
