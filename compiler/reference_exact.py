"""What an exact run of a model gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Reference", "narrowed"]


def narrowed(integers: np.ndarray) -> np.ndarray:
    """The same in the narrowest signed type that holds them: a large network has many."""
    lo, hi = int(integers.min(initial=0)), int(integers.max(initial=0))
    kind = next(kind for kind in (np.int8, np.int16, np.int32, np.int64)
                if np.iinfo(kind).min <= lo and hi <= np.iinfo(kind).max)
    return integers.astype(kind)


@dataclass(frozen=True, eq=False)
class Reference:
    """An exact run. Arrays are ``[frames, elements]``, elements in C order, under the names of QONNX tensors.

    ``codes`` has every quantiser's output on the data, in the order of the graph; ``accumulators`` what every linear
    layer counted, and what pooling and Concat made of integers (both of an integer type that holds them);
    ``turns`` tells for each code by how much float32 rounding could turn it, 0 where it is no tie. ``output`` is
    float32; any float32 evaluation that meets the same codes lies within ``output_bound`` of ``output_real`` (float64).
    """

    codes: dict[str, np.ndarray]
    accumulators: dict[str, np.ndarray]
    turns: dict[str, np.ndarray]
    output: np.ndarray
    output_real: np.ndarray
    output_bound: np.ndarray

    def integers(self, tensor: str) -> np.ndarray:
        """The codes or accumulators at a tensor. Raises ``KeyError`` if it has none."""
        return self.codes[tensor] if tensor in self.codes else self.accumulators[tensor]

    def tie_counts(self) -> dict[str, int]:
        """How many codes of each quantiser are ties."""
        return {name: int(np.count_nonzero(turns)) for name, turns in self.turns.items()}
