"""The chain of equalities: QONNX, exactly accumulated = golden = RTL in Verilator, at every boundary and sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import MismatchError
from ..hdl.schedule import Engine, Schedule
from ..sim import patterns
from ..sim.dataflow import Prediction, predict
from . import reference
from .compiled import Compiled
from .execute import run_golden
from .folding import work_of
from .hardware import Difference, Hardware, Measured
from .ir import Graph, Value

__all__ = ["Cycles", "Verification", "verify"]

Progress = Callable[[str, int, int], None]

# Products that plain qonnx may compute in one verification: a minute or two.
_PLAIN_PRODUCTS = 2_000_000_000
_BATCH_INTEGERS = 100_000_000
# Frames over which the interval is a mean where it depends on them.
_MEAN_FRAMES = 64


@dataclass(frozen=True)
class Cycles:
    """Predicted by the dataflow engine and measured on the RTL, in cycles and words, on a run without stalls.

    Where cycles depend on the data, the interval is the mean of some of the frames, and the latency the first one's.
    """

    interval: dict[str, int | float | None]
    latency: dict[str, int | None]
    fifo_peaks: dict[str, list[int]]


@dataclass(frozen=True)
class Verification:
    """What was checked, as ``report.json`` records it.

    ``mismatches`` counts differing integers at the boundary that differed first, or is 1 where a cycle or a run of
    another kind differed; ``failure`` says which. ``boundaries`` are the streams compared word for word. ``ties``
    counts the codes that float32 rounding could turn over, by quantiser; ``stalled_cycles`` are the cycles of all runs
    under stalls together; ``plain`` is the comparison with plain ``qonnx``.
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
    simulator: str = ""
    failure: str | None = None

    def to_json(self) -> dict:
        """As plain data."""
        return asdict(self)


def verify(design: Compiled, codes: np.ndarray, labels: np.ndarray | None = None, *, inputs: np.ndarray | None = None,
           files: Mapping[str, bytes] | None = None, seed: int = 0, x_initial: str = "fast", waves: Path | None = None,
           progress: Progress = lambda what, done, total: None) -> Verification:
    """Check a design on every frame given.

    Parameters
    ----------
    codes
        int64 ``[frames, channels]`` of the accelerator's input type.
    labels
        int ``[frames]``: for the accuracy.
    inputs
        The same frames in the model's own float units, if the data came so; the QONNX side then runs on these.
    files
        The RTL to check, by file name; by default what the design emits now.
    seed
        Of the stall patterns; each batch of frames has its own, derived from it.
    x_initial
        ``"unique"`` starts all undefined state at random.
    waves
        Where to write waves of the run that differs, up to the frame that does.

    Raises
    ------
    MismatchError
        If anything differs; its attribute ``verification`` holds the record.
    """
    run = _Run(design, codes, labels, inputs, seed, progress)
    try:
        run.software()
        run.hardware(files if files is not None else design.rtl_bytes(), x_initial, waves)
    except MismatchError as error:
        error.verification = run.record(error)
        raise
    return run.record(None)


class _Run:
    """The state of one verification: what has been found so far."""

    def __init__(self, design, codes, labels, inputs, seed, progress):
        self.design, self.codes, self.labels, self.inputs = design, codes, labels, inputs
        self.seed, self.progress = seed, progress
        self.prediction: Prediction = predict(design.dataflow.network)
        self.measured_interval: Fraction | None = None
        self.measured_latency: int | None = None
        self.predicted_interval, self.predicted_latency = self.prediction.interval, self.prediction.latency
        self.predicted_peaks: tuple[int, ...] = self.prediction.peaks
        self.measured_peaks: tuple[int, ...] = ()
        # Plain execution goes frame by frame; where a frame takes it seconds, some frames must do.
        products = sum(work_of(design.graph, layer).products for layer in design.model.layers)
        self.plain_frames = min(len(codes), max(8, _PLAIN_PRODUCTS // products))
        self.correct = 0
        self.stalled = {"predicted": 0, "measured": 0}
        self.ties: dict[str, int] = {}
        self.plain = {"frames": 0, "frames_parted_by_ties": 0}

    def _batches(self, what: str, size: int, first: int = 0):
        """Frames by ``size``; if ``first`` is given, the batches before that frame end there."""
        begin = 0
        while begin < len(self.codes):
            self.progress(what, begin, len(self.codes))
            end = min(begin + size, first) if begin < first else begin + size
            yield begin, self.codes[begin:end]
            begin = end
        self.progress(what, len(self.codes), len(self.codes))

    def software(self) -> None:
        """The QONNX graph, exactly and plainly, against the golden model."""
        graph: Graph = self.design.graph
        model = self.design.imported.model
        for begin, codes in self._batches("QONNX = golden", self._software_size(), self.plain_frames):
            source = self._source(begin, begin + len(codes))
            exact = reference.run_exact(model, source, graph.spec)
            golden = run_golden(graph, codes)
            for value in _values(graph):
                if value.origin is not None:
                    _compare(value, golden[value.name][:, value.origin_order], exact.integers(value.origin), begin)
            logits = self.design.logits(golden)
            if logits is not None:
                _compare_output(logits, exact.output.reshape(len(codes), -1), begin)
            for name, count in exact.tie_counts().items():
                self.ties[name] = self.ties.get(name, 0) + count
            if begin < self.plain_frames:
                self._plainly(exact, source)
            if self.labels is not None:
                self.correct += int((self.design.classes(golden) == self.labels[begin : begin + len(codes)]).sum())

    def _source(self, begin: int, end: int) -> np.ndarray:
        """What the QONNX graph is given: the data as they came, or the codes in the model's order."""
        if self.inputs is not None:
            return self.inputs[begin:end]
        return self.codes[begin:end, self.design.graph.spec.order]

    def _plainly(self, exact: reference.Reference, source: np.ndarray) -> None:
        """``qonnx``'s own execution, every difference from the exact one explained by ties."""
        plain = reference.run_plain(self.design.imported.model, source, self.design.graph.spec)
        explained = reference.explain(exact, plain.codes, plain.output)
        self.plain["frames"] += len(source)
        self.plain["frames_parted_by_ties"] += sum(explained.parted.values())

    def _software_size(self) -> int:
        """Frames a batch: at most 1,000, and at most some hundred million integers at all layers together."""
        values = sum(edge.words * edge.lanes for edge in self.design.dataflow.edges if edge.value)
        return int(max(1, min(1000, _BATCH_INTEGERS // values)))

    def hardware(self, files: Mapping[str, bytes], x_initial: str, waves: Path | None) -> None:
        """The golden model and the dataflow engine against the RTL."""
        self.progress("build simulator", 0, 1)
        hardware = _Waving(self.design, files, x_initial, waves)
        self.progress("build simulator", 1, 1)
        self._cycles(hardware)
        size = self._batch_size()
        for begin, codes in self._batches("golden = RTL", size):
            seed = self.seed + begin // size
            golden = run_golden(self.design.graph, codes)
            measured = hardware.run(
                golden, offers=patterns.offers(seed), accepts=patterns.accepts(seed), seed=seed, begin=begin,
                # The first batch also shows that a reset in the middle of frames leaves nothing behind.
                reset_after=self.prediction.latency // 2 + 1 if begin == 0 else 0)
            self.stalled["predicted"] += measured.predicted_cycles
            self.stalled["measured"] += measured.cycles

    def _cycles(self, hardware: _Waving) -> None:
        """Interval, latency and FIFO peaks on the RTL, without stalls."""
        first, again = self.prediction.regime
        dataflow = self.design.dataflow
        # Enough frames that the input is still offering when the frame that closes the period comes out.
        in_flight = math.ceil(self.prediction.latency / self.prediction.interval)
        in_flight += sum(-(-stage.schedule.depth // stage.input.words) for stage in dataflow.sized)
        # Before a slow unit, the pipelines of faster ones fill up, too.
        in_flight += sum(-(-stage.schedule.stages // stage.outputs[0].words) for stage in dataflow.stages
                         if isinstance(stage.schedule, Schedule))
        by_data = any(isinstance(stage.schedule, Engine) for stage in dataflow.stages)
        if by_data:  # the mean of some frames, not a period
            again = first + max(1, min(len(self.codes), _MEAN_FRAMES))
        frames = again + in_flight + 4
        many = hardware.run(run_golden(self.design.graph, np.resize(self.codes, (frames, self.codes.shape[1]))))
        alone = hardware.run(run_golden(self.design.graph, self.codes[:1]))
        words = dataflow.edges[-1].words

        def interval(times: Mapping[str, np.ndarray]) -> Fraction:
            last = times["o"][words - 1 :: words]
            return Fraction(int(last[again] - last[first]), again - first)

        def latency(times: Mapping[str, np.ndarray]) -> int:
            return int(times["o"][-1] - times["i"][0])

        self.measured_interval, self.measured_latency = interval(many.times), latency(alone.times)
        self.measured_peaks = many.peaks
        # Streamed weights go on coming when the last frame has gone in: their FIFOs may then hold more than before.
        ahead = any(not stage.inputs for stage in dataflow.stages)
        if ahead or by_data:
            self.predicted_peaks = many.peaks
        if by_data:
            self.predicted_interval, self.predicted_latency = interval(many.predicted), latency(alone.predicted)
        for what, predicted, measured in (("interval", self.predicted_interval, self.measured_interval),
                                          ("latency", self.predicted_latency, self.measured_latency),
                                          ("FIFO peaks", self.predicted_peaks, self.measured_peaks)):
            if predicted != measured:
                raise MismatchError(f"{what} predicted {predicted}, measured {measured}")

    def _batch_size(self) -> int:
        """Frames a run: a few million recorded transfers at most, so that memory stays small and progress is seen."""
        words = sum(edge.words for edge in self.design.dataflow.edges)
        return int(max(1, min(500, 4_000_000 // words)))

    def record(self, error: MismatchError | None) -> Verification:
        """What was found, up to here."""
        wide = self.labels is not None and error is None
        mismatches = 0 if error is None else max(1, getattr(error, "count", 1))
        return Verification(
            frames=len(self.codes), mismatches=mismatches, seed=self.seed,
            boundaries=[edge.name for edge in self.design.dataflow.edges if edge.value],
            accuracy=self.correct / len(self.codes) if wide else None,
            cycles=Cycles(
                {"predicted": _number(self.predicted_interval), "measured": _number(self.measured_interval)},
                {"predicted": self.predicted_latency, "measured": self.measured_latency},
                {"predicted": list(self.predicted_peaks), "measured": list(self.measured_peaks)}),
            stalled_cycles=dict(self.stalled),
            ties=self.ties, plain=self.plain, simulator=self.design.simulator(),
            failure=None if error is None else str(error))


class _Waving:
    """The design's RTL; a run that differs is run once more, with waves, up to the frame that does."""

    def __init__(self, design, files, x_initial: str, waves: Path | None):
        self._make = partial(Hardware, design.dataflow, design.name, files, x_initial=x_initial)
        self._hardware, self._waves = self._make(), waves

    def run(self, values: dict[str, np.ndarray], **options) -> Measured:
        try:
            return self._hardware.run(values, **options)
        except Difference as error:
            if self._waves is not None:
                upto = {name: frames[: error.frame + 1] for name, frames in values.items()}
                waving = self._make(waves=True)
                with suppress(Difference):
                    waving.run(upto, waves=self._waves, **options)
                raise Difference(f"{error} [waves in {self._waves.with_suffix(waving.wave_suffix)}]",
                                 boundary=error.boundary, count=error.count, frame=error.frame) from None
            raise


def _number(cycles: Fraction | None) -> int | float | None:
    if cycles is None:
        return None
    return int(cycles) if cycles.denominator == 1 else float(cycles)


def _values(graph: Graph) -> list[Value]:
    """The integer values that the hardware and the QONNX graph both have, in order."""
    return [graph.input, *(node.output for node in graph.nodes if isinstance(node.output, Value))]


def _compare(value: Value, golden: np.ndarray, exact: np.ndarray, begin: int) -> None:
    differs = golden != exact.reshape(golden.shape)
    if differs.any():
        frame, index = (int(k) for k in np.argwhere(differs)[0])
        raise MismatchError(f"tensor {value.origin} (layer value {value.name}), frame {begin + frame}, index {index}: "
                            f"the QONNX graph gives {int(exact.reshape(golden.shape)[frame, index])}, golden "
                            f"{int(golden[frame, index])}")


def _compare_output(logits: np.ndarray, exact: np.ndarray, begin: int) -> None:
    differs = logits != exact
    if differs.any():
        frame, index = (int(k) for k in np.argwhere(differs)[0])
        raise MismatchError(f"output, frame {begin + frame}, index {index}: the QONNX graph gives "
                            f"{exact[frame, index]!r}, the host's final expression {logits[frame, index]!r}")
