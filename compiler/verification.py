"""What a verification found, as ``report.json`` records it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

__all__ = ["Cycles", "Verification"]


@dataclass(frozen=True)
class Cycles:
    """Predicted by the dataflow engine and measured on the RTL, in cycles and words, on a run without stalls.

    Where cycles depend on the data, in sparse units, ``interval`` is the mean over the first frames given, one after
    another and then again from the first on, and ``latency`` that of the first one. ``sparse`` then says of how many
    ``frames``, in how many ``cycles`` how many of them (``period``) pass until all is as it was, and the ``bound``: the
    interval of frames without zeros.
    """

    interval: dict[str, int | float | None]
    latency: dict[str, int | None]
    fifo_peaks: dict[str, list[int]]
    sparse: dict[str, int | float | None] | None = None


@dataclass(frozen=True)
class Verification:
    """What was checked, as ``report.json`` records it.

    ``mismatches`` counts differing integers at the boundary that differed first, or is 1 where a cycle or a run of
    another kind differed; ``failure`` says which. ``boundaries`` are the streams compared word for word. ``ties``
    counts the codes that float32 rounding could turn over, by quantiser; ``stalled_cycles`` are the cycles of all runs
    under stalls together; ``plain`` is the comparison with plain ``qonnx``. ``netlists`` has, by family, what was found
    on each netlist asked for (:class:`.netlist.NetlistProof`).
    """

    frames: int
    mismatches: int
    boundaries: list[str]
    accuracy: float | None
    cycles: Cycles
    seed: int
    stalled_cycles: dict[str, int] = field(default_factory=dict)
    ties: dict[str, int] = field(default_factory=dict)
    plain: dict[str, int] = field(default_factory=dict)
    netlists: dict[str, dict] = field(default_factory=dict)
    simulator: str = ""
    failure: str | None = None

    def to_json(self) -> dict:
        """As plain data."""
        return asdict(self)
