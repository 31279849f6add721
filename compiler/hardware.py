"""The design's RTL in Verilator, held against golden values and against the dataflow engine, word for word.

Every run checks, on every stream between units: the integers of every word, the cycle of every transfer, that no
word is missing or surplus, that a word once offered stays, and each FIFO's peak occupancy. A netlist is checked on the
streams that synthesis has left in it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import MismatchError
from ..sim import verilated
from ..sim.dataflow import Trace, simulate
from .dataflow import Dataflow
from .stream import NOTHING, Edge
from .words import lanes_of, pack, unpack_lanes

__all__ = ["Difference", "Hardware", "Measured"]

_ALWAYS = np.ones(1, dtype=np.uint8)
# Cycles run on after the last word, in which nothing more may come out.
_SETTLE = 64


class Difference(MismatchError):
    """The RTL is not what was computed or predicted. ``count`` integers differ; ``frame``, counted
    from the run's first, is the first that does.
    """

    def __init__(self, message: str, *, boundary: str, count: int, frame: int):
        super().__init__(message)
        self.boundary, self.count, self.frame = boundary, count, frame


@dataclass(frozen=True, eq=False)
class Measured:
    """A run that agreed with golden and engine. ``outputs`` are the words that left,
    ``times`` the cycles of the transfers at each edge, ``peaks`` what the FIFOs held at most, as the engine predicted
    for this very run; ``seconds`` are the simulation's alone.
    """

    outputs: np.ndarray
    times: Mapping[str, np.ndarray]
    peaks: tuple[int, ...]
    cycles: int
    predicted_cycles: int
    seconds: float
    waves: Path | None


class Hardware:
    """A design's Verilog, built.

    Parameters
    ----------
    files
        The texts that ``compiler.emit`` writes, or what has become of them.
    libraries
        Modules of somebody else's that they use (``sim.sources``).
    watched
        The streams between units that are there, and whether with ``ready``; without this, all are. Of one without,
        the words are compared in the cycles in which the engine has them cross.
    """

    def __init__(self, dataflow: Dataflow, name: str, files: Mapping[str, bytes], *,
                 libraries: Mapping[str, bytes] | None = None, watched: Mapping[str, bool] | None = None,
                 x_initial: str = "fast", waves: bool = False):
        self._dataflow, self._network = dataflow, dataflow.network
        self._sparse = bool(dataflow.sparse)
        self._sweep = max((stage.parameters.slots for stage in dataflow.sparse), default=0) + 2
        self._layer = {edge.name: stage for stage in dataflow.stages for edge in stage.outputs}
        self._ready = {edge.name: True for edge in dataflow.edges} if watched is None else {
            "i": True, **{edge.name: watched[edge.name] for edge in dataflow.edges if edge.name in watched}, "o": True}
        self._edges = [edge for edge in dataflow.edges if edge.name in self._ready]
        taps = [verilated.Tap(edge.name, edge.bits, self._ready[edge.name]) for edge in self._edges[1:-1]]
        self._fifos = [(place, stage) for place, stage in enumerate(dataflow.fifos)
                       if self._ready.get(stage.input.name) and self._ready.get(stage.output.name)]
        self._library = verilated.build(verilated.Sources(files, libraries or {}), name, taps, x_initial=x_initial,
                                        waves=waves)

    @property
    def compared(self) -> list[str]:
        """The streams whose words are compared."""
        return [edge.name for edge in self._edges if edge.value]

    @property
    def wave_suffix(self) -> str:
        """``.fst`` or ``.vcd``: what waves are written as."""
        return f".{self._library.waves}"

    def run(self, values: Mapping[str, np.ndarray], *, offers: np.ndarray = _ALWAYS, accepts: np.ndarray = _ALWAYS,
            reset_after: int = 0, seed: int = 0, begin: int = 0, waves: Path | None = None,
            deadlock: bool = False) -> Measured:
        """Drive a batch of frames from reset and check everything.

        Parameters
        ----------
        values
            The golden integers ``[frames, elements]`` of every value that an edge carries.
        offers, accepts
            Stall patterns (``sim.patterns``).
        reset_after
            If positive: run so many cycles, reset in the middle of what was going on, and only then run the batch.
        seed
            Of the random state that a design built with ``x_initial="unique"`` starts from.
        begin
            The number that messages give the first frame.
        waves
            Write a file of waves.
        deadlock
            The engine must predict a deadlock, and the RTL must stop after the very same transfers.

        Raises
        ------
        Difference
            At the first boundary, in the order of the streams, where an integer differs; else at the first cycle in
            which a transfer is not the predicted one.
        """
        edges = self._edges
        words = pack(values[edges[0].value], edges[0])
        frames = len(words) // edges[0].words
        names = [edge.name for edge in edges]
        network = self._dataflow.network_for(values) if self._sparse else self._network
        trace = simulate(network, frames, offers=offers, accepts=accepts, record=tuple(names))
        if trace.finished == deadlock:
            raise MismatchError(f"the dataflow engine predicts a deadlock: {trace.deadlock}" if trace.deadlock else
                                "the dataflow engine predicts no deadlock")
        with self._library.open(seed=seed) as simulation:
            if reset_after:
                simulation.run(words, edges[-1].words * frames, max_cycles=reset_after, offers=offers, accepts=accepts)
                simulation.reset()
                if self._sparse:
                    # A sparse engine that was reset amid a vector first zeroes its sums, which no schedule knows of.
                    simulation.run(words[:0], 0, max_cycles=self._sweep, settle=self._sweep)
                    simulation.reset()
            began = time.perf_counter()
            run = simulation.run(
                words, edges[-1].words * frames, max_cycles=trace.cycles + 4 * _SETTLE, offers=offers, accepts=accepts,
                capture=[edge.name for edge in edges if edge.value], times=names, settle=_SETTLE, waves=waves,
                queues=[(stage.input.name, stage.output.name) for _, stage in self._fifos])
            seconds = time.perf_counter() - began
        for edge in (edge for edge in edges if edge.value):
            rows = run.words[edge.name]
            if not self._ready[edge.name]:
                rows = rows[self._crossing(edge, run.times[edge.name], trace.times[edge.name], begin)]
            self._check_values(edge, rows, values[edge.value], begin)
        for name, cycle in run.unstable.items():
            raise Difference(f"{self._where(name)}: a word was withdrawn or changed before it was taken, in cycle "
                             f"{cycle}", boundary=name, count=0, frame=0)
        due = edges[-1].words * frames
        times = dict(run.times)
        if 0 < len(times["o"]) - due <= self._early(trace.cycles + 2 * _SETTLE):
            times["o"] = times["o"][:due]
        self._check_times(times, trace, begin)
        for (place, stage), measured in zip(self._fifos, run.peaks, strict=True):
            predicted = trace.peaks[place]
            if predicted != measured:
                raise Difference(f"layer {stage.layer}: {stage.name} peaks at {measured} words, predicted {predicted}",
                                 boundary=stage.output.name, count=0, frame=0)
        cycles = trace.cycles if deadlock else int(times["o"][-1]) + 1
        return Measured(run.outputs[:due], times, run.peaks, cycles, trace.cycles, seconds, run.waves)

    def _early(self, cycles: int) -> int:
        """How many words of a frame leave within so many cycles before any of it came in: those that see padding alone.
        """
        offers = np.zeros(cycles + 1, dtype=np.uint8)
        offers[-1] = 1  # a pattern needs one cycle that is free, and this one is never reached
        return len(simulate(self._network, 1, offers=offers, max_cycles=cycles).times["o"])

    def _where(self, edge: str) -> str:
        if edge == "i":
            return "input stream"
        stage = self._layer[edge]
        return f"layer {stage.layer}, output of {stage.name}"

    def _crossing(self, edge: Edge, valid: np.ndarray, predicted: np.ndarray, begin: int) -> np.ndarray:
        """Which of the cycles in which a stream was valid are those in which the engine has its words cross."""
        places = np.searchsorted(valid, predicted)
        found = np.append(valid, -1)[places]
        missing = np.flatnonzero(found != predicted)
        if len(missing):
            word = int(missing[0])
            frame = word // edge.words
            raise Difference(f"{self._where(edge.name)}: word {word % edge.words} of frame {begin + frame} was not "
                             f"offered in cycle {int(predicted[word])}, in which it is predicted to cross",
                             boundary=edge.name, count=0, frame=frame)
        return places

    def _check_values(self, edge: Edge, rows: np.ndarray, expected: np.ndarray, begin: int) -> None:
        got = unpack_lanes(rows, edge)
        frames = min(len(got), len(expected))
        wanted = lanes_of(expected[:frames], edge)
        differs = (got[:frames] != wanted) & (edge.index != NOTHING)
        count = int(np.count_nonzero(differs))
        if count:
            frame, word, lane = (int(k) for k in np.argwhere(differs)[0])
            index = int(edge.index[word, lane])
            place = f"index {index}" if index >= 0 else f"padding in lane {lane} of word {word}"
            raise Difference(f"{self._where(edge.name)}, frame {begin + frame}, {place}: expected "
                             f"{int(wanted[frame, word, lane])}, got {int(got[frame, word, lane])} ({count} of "
                             f"{frames * len(edge.flat)} integers differ there)", boundary=edge.name, count=count,
                             frame=frame)

    def _check_times(self, times: Mapping[str, np.ndarray], trace: Trace, begin: int) -> None:
        first: tuple[int, int, str, str] | None = None
        for order, edge in enumerate(self._edges):
            if not self._ready[edge.name]:
                continue
            predicted, measured = trace.times[edge.name], times[edge.name]
            if edge.name != "o":
                # Padding and weights need no input: a unit may be ahead, in frames that nobody asked for. And what no
                # output depends on may come after the last of them, where the engine ends.
                measured = measured[: edge.words * trace.frames]
                measured = measured[measured < trace.cycles]
            common = min(len(predicted), len(measured))
            wrong = np.flatnonzero(predicted[:common] != measured[:common])
            if len(wrong):
                word = int(wrong[0])
                cycle = int(min(predicted[word], measured[word]))
                found = f"in cycle {int(measured[word])}, predicted {int(predicted[word])}"
            elif len(predicted) != len(measured):
                word = common
                cycle = int((predicted if len(predicted) > common else measured)[word])
                found = (f"never ({len(measured)} of {len(predicted)} words came), predicted in cycle {cycle}"
                         if len(predicted) > common else f"in cycle {cycle}, predicted never")
            else:
                continue
            message = (f"{self._where(edge.name)}: word {word % edge.words} of frame {begin + word // edge.words} "
                       f"crossed {found}")
            # Readiness passes upstream within a cycle and words do not pass downstream, so of the streams that part in
            # the same cycle the last is where it began.
            if first is None or (cycle, -order) < first[:2]:
                first = cycle, -order, edge.name, message
        if first is not None:
            _, _, name, message = first
            raise Difference(message, boundary=name, count=0, frame=0)
