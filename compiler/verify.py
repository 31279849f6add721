"""The chain of equalities: QONNX, exactly accumulated = golden = RTL in Verilator = netlist, at every boundary and
sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import MismatchError
from ..hdl.schedule import Schedule
from ..sim import patterns
from ..sim.dataflow import Prediction, predict
from . import reference
from .compiled import Compiled
from .execute import run_golden
from .folding import work_of
from .hardware import Difference, Hardware, Measured
from .ir import Graph, Value
from .netlist import NetlistProof, check_family, hardware_of, synthesised
from .verification import Cycles, Verification

__all__ = ["Cycles", "Verification", "verify"]

Progress = Callable[[str, int, int], None]

# Products that plain qonnx may compute in one verification: a minute or two.
_PLAIN_PRODUCTS = 2_000_000_000
_BATCH_INTEGERS = 100_000_000
# Where cycles depend on the data: frames, and about how many cycles, of which interval and peaks are measured; and
# activations of sparse units in a batch.
_TIMED_FRAMES, _TIMED_CYCLES = 32, 1_000_000
_BATCH_ACTIVATIONS = 8_000_000


def verify(design: Compiled, codes: np.ndarray, labels: np.ndarray | None = None, *, inputs: np.ndarray | None = None,
           files: Mapping[str, bytes] | None = None, seed: int = 0, x_initial: str = "fast", waves: Path | None = None,
           netlists: Sequence[str] = (), progress: Progress = lambda what, done, total: None) -> Verification:
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
    netlists
        Device families: the RTL is synthesised for each, and the netlist goes through the same frames and stalls.

    Raises
    ------
    MismatchError
        If anything differs; its attribute ``verification`` holds the record.
    UserError
        If a netlist cannot be made or simulated.
    """
    for family in netlists:
        check_family(family)
    run = _Run(design, codes, labels, inputs, seed, progress)
    try:
        run.software()
        files = files if files is not None else design.rtl_bytes()
        run.hardware(files, x_initial, waves)
        for family in netlists:
            run.netlist(family, files, x_initial)
    except MismatchError as error:
        error.verification = run.record(error)
        raise
    return run.record(None)


class _Run:
    """The state of one verification: what has been found so far."""

    def __init__(self, design, codes, labels, inputs, seed, progress):
        self.design, self.codes, self.labels, self.inputs = design, codes, labels, inputs
        self.seed, self.progress = seed, progress
        self.bound: Prediction = design.prediction
        self.prediction, self.timed = self._predict()
        self.measured_interval: Fraction | None = None
        self.measured_latency: int | None = None
        self.predicted_peaks: tuple[int, ...] = self.prediction.peaks
        self.measured_peaks: tuple[int, ...] = ()
        # Plain execution goes frame by frame; where a frame takes it seconds, some frames must do.
        products = sum(work_of(design.graph, layer).products for layer in design.model.layers)
        self.plain_frames = min(len(codes), max(8, _PLAIN_PRODUCTS // products))
        self.correct = 0
        self.stalled = {"predicted": 0, "measured": 0}
        self.ties: dict[str, int] = {}
        self.netlists: dict[str, dict] = {}
        self.plain = {"frames": 0, "frames_parted_by_ties": 0}

    def _predict(self) -> tuple[Prediction, np.ndarray]:
        """What is predicted without stalls, and the frames of which that holds, one after another again and again."""
        dataflow = self.design.dataflow
        if not dataflow.sparse:
            return self.bound, self.codes
        timed = self.codes[: max(1, min(_TIMED_FRAMES, int(_TIMED_CYCLES / self.bound.interval)))]
        return predict(dataflow.network_for(run_golden(self.design.graph, timed))), timed

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
        self._stalled("golden = RTL", hardware, self.stalled)

    def _stalled(self, what: str, hardware: _Waving | Hardware, cycles: dict[str, int]) -> None:
        """All frames, batch by batch, each under gaps and stalls of its own; adds up their cycles."""
        size = self._batch_size()
        for begin, codes in self._batches(what, size):
            seed = self.seed + begin // size
            golden = run_golden(self.design.graph, codes)
            measured = hardware.run(
                golden, offers=patterns.offers(seed), accepts=patterns.accepts(seed), seed=seed, begin=begin,
                # The first batch also shows that a reset in the middle of frames leaves nothing behind.
                reset_after=self.prediction.latency // 2 + 1 if begin == 0 else 0)
            cycles["predicted"] += measured.predicted_cycles
            cycles["measured"] += measured.cycles

    def netlist(self, family: str, files: Mapping[str, bytes], x_initial: str) -> None:
        """The netlist, against the golden model and the dataflow engine."""
        self.progress(f"synthesis for {family}", 0, 2)
        made = synthesised(self.design, files, family)
        self.progress(f"simulator of the {family} netlist", 1, 2)
        hardware = hardware_of(self.design, made, x_initial)
        cycles, failed = {"predicted": 0, "measured": 0}, None
        try:
            self._stalled(f"golden = {family} netlist", hardware, cycles)
        except MismatchError as error:
            failed = error
        count = 0 if failed is None else max(1, getattr(failed, "count", 1))
        proof = NetlistProof(family, len(self.codes), count, hardware.compared, cycles, dict(made.cells), made.yosys,
                             None if failed is None else f"{family} netlist: {failed}")
        self.netlists[family] = proof.to_json()
        if failed is not None:
            raise Difference(str(proof.failure), boundary=family, count=count, frame=0) from failed

    def _cycles(self, hardware: _Waving) -> None:
        """Interval, latency and FIFO peaks on the RTL, without stalls."""
        first, again = self.prediction.regime
        dataflow = self.design.dataflow
        # Enough frames that the input is still offering when the frame that closes the period comes out.
        in_flight = math.ceil(self.bound.latency / self.prediction.interval)
        in_flight += sum(-(-stage.schedule.depth // stage.input.words) for stage in dataflow.sized)
        # Before a slow unit, the pipelines of faster ones fill up, too.
        in_flight += sum(-(-stage.schedule.stages // stage.outputs[0].words) for stage in dataflow.stages
                         if isinstance(stage.schedule, Schedule))
        in_flight += sum(stage.schedule.depth + 4 for stage in dataflow.sparse)
        frames = again + in_flight + 4
        many = hardware.run(run_golden(self.design.graph, np.resize(self.timed, (frames, self.timed.shape[1]))))
        alone = hardware.run(run_golden(self.design.graph, self.timed[:1]))
        last = many.times["o"][dataflow.edges[-1].words - 1 :: dataflow.edges[-1].words]
        self.measured_interval = Fraction(int(last[again] - last[first]), again - first)
        self.measured_latency = int(alone.times["o"][-1] - alone.times["i"][0])
        self.measured_peaks = many.peaks
        # Streamed weights go on coming when the last frame has gone in: their FIFOs may then hold more than before.
        ahead = any(not stage.inputs for stage in dataflow.stages)
        self.predicted_peaks = many.peaks if ahead else self.prediction.peaks
        for what, predicted, measured in (("interval", self.prediction.interval, self.measured_interval),
                                          ("latency", self.prediction.latency, self.measured_latency),
                                          ("FIFO peaks", self.predicted_peaks, self.measured_peaks)):
            if predicted != measured:
                raise MismatchError(f"{what} predicted {predicted}, measured {measured}")

    def _batch_size(self) -> int:
        """Frames a run: a few million recorded transfers at most, so that memory stays small and progress is seen."""
        dataflow = self.design.dataflow
        words = sum(edge.words for edge in dataflow.edges)
        activations = 1 + sum(stage.schedule.positions * len(stage.schedule.counts) for stage in dataflow.sparse)
        return int(max(1, min(500, 4_000_000 // words, _BATCH_ACTIVATIONS // activations)))

    def record(self, error: MismatchError | None) -> Verification:
        """What was found, up to here."""
        wide = self.labels is not None and error is None
        mismatches = 0 if error is None else max(1, getattr(error, "count", 1))
        return Verification(
            frames=len(self.codes), mismatches=mismatches, seed=self.seed,
            boundaries=[edge.name for edge in self.design.dataflow.edges if edge.value],
            accuracy=self.correct / len(self.codes) if wide else None,
            cycles=Cycles(
                {"predicted": _number(self.prediction.interval), "measured": _number(self.measured_interval)},
                {"predicted": self.prediction.latency, "measured": self.measured_latency},
                {"predicted": list(self.predicted_peaks), "measured": list(self.measured_peaks)}, self._sparse()),
            stalled_cycles=dict(self.stalled),
            ties=self.ties, plain=self.plain, netlists=self.netlists, simulator=self.design.simulator(),
            failure=None if error is None else str(error))


    def _sparse(self) -> dict[str, int | float | None] | None:
        if not self.design.dataflow.sparse:
            return None
        first, again = self.prediction.regime
        cycles = self.prediction.interval * (again - first)
        return {"frames": len(self.timed), "period": again - first, "cycles": _number(cycles),
                "bound": _number(self.bound.interval)}


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
