"""Does another float32 run of the model differ from its meaning by ties alone?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import MismatchError
from .reference_exact import Reference

__all__ = ["Explained", "explain"]


@dataclass(frozen=True, eq=False)
class Explained:
    """What was compared and found.

    ``ties`` counts the codes of the exact run, for each quantiser, that rounding could turn over. ``parted`` counts the
    frames that part from the exact run at each quantiser first, ``turned`` the codes that differ there. ``differing``
    are the frames that part anywhere; the outputs of the other ``outputs_compared`` frames were held to their bound,
    and ``largest`` is the greatest difference among them.
    """

    frames: int
    ties: dict[str, int]
    parted: dict[str, int]
    turned: dict[str, int]
    outputs_compared: int
    largest: float
    differing: np.ndarray = field(repr=False)


def explain(reference: Reference, codes: Mapping[str, np.ndarray], output: np.ndarray | None = None) -> Explained:
    """Compare a run with the exact one.

    For each frame the first quantiser (in the order of the graph) is found where the codes differ; every code that
    differs there must be a tie of the exact run, and no further off than rounding could turn it. What follows in that
    frame is then another network's business. In frames without any difference the outputs, if given, must lie within
    the rounding bound.

    Parameters
    ----------
    codes
        Integers ``[frames, ...]`` for every quantiser of ``reference.codes``, by tensor name: from ``run_plain``, or
        from torch.
    output
        float32 ``[frames, ...]``.

    Raises
    ------
    MismatchError
        Naming tensor, frame, index and both values, if a difference is not explained.
    ValueError
        If a quantiser is missing or a shape differs.
    """
    frames = len(reference.output)
    same = np.ones(frames, dtype=np.bool_)
    parted: dict[str, int] = {}
    turned: dict[str, int] = {}
    for name, expected in reference.codes.items():
        if name not in codes:
            raise ValueError(f"codes must hold every quantiser's tensor, but {name!r} is missing")
        got = np.asarray(codes[name]).reshape(len(codes[name]), -1)
        if got.shape != expected.shape:
            raise ValueError(f"codes of {name!r} must have the shape {expected.shape}, not {got.shape}")
        differs = (got != expected) & same[:, None]
        wrong = np.argwhere(differs & (np.abs(got - expected.astype(np.int64)) > reference.turns[name]))
        if len(wrong):
            frame, index = (int(i) for i in wrong[0])
            raise MismatchError(f"tensor {name!r}, frame {frame}, index {index}: exact accumulation gives "
                                f"{expected[frame, index]}, the run {got[frame, index]}, and it is no tie")
        parted[name], turned[name] = int(differs.any(axis=1).sum()), int(differs.sum())
        same &= ~differs.any(axis=1)
    largest = 0.0
    if output is not None:
        got = np.asarray(output).reshape(len(output), -1)
        if got.shape != reference.output.shape:
            raise ValueError(f"outputs must have the shape {reference.output.shape}, not {got.shape}")
        outside = ~(np.abs(got.astype(np.float64) - reference.output_real) <= reference.output_bound)
        wrong = np.argwhere(outside & same[:, None])
        if len(wrong):
            frame, index = (int(i) for i in wrong[0])
            raise MismatchError(f"output, frame {frame}, index {index}: exact accumulation gives "
                                f"{float(reference.output[frame, index])!r}, the run {float(got[frame, index])!r}, "
                                "beyond float32 rounding")
        if same.any():
            largest = float(np.abs(got[same].astype(np.float64) - reference.output[same]).max(initial=0))
    compared = int(same.sum()) if output is not None else 0
    return Explained(frames, reference.tie_counts(), parted, turned, compared, largest, np.flatnonzero(~same))
