"""The cycle-exact dataflow engine: executes schedules, self-timed, and says what the hardware will do in every cycle.

It knows nothing of numbers: only when words move. Rules as in ``hdl.schedule``; the network's input is offered and its
output accepted as the stall patterns say. Interval, latency and peaks follow from execution, not from formulas: the
engine runs until the state of the whole network repeats at the end of a frame (the periodic regime of a self-timed
cyclo-static graph; Ghamarian et al., "Throughput analysis of synchronous data flow graphs", ACSD 2006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from ..hdl.schedule import Buffer, Engine, Queue
from ._dataflow_kernel import (
    ACTOR,
    BUFFER,
    EDGE,
    FINISHED,
    GIVES,
    PERIODIC,
    SPARSE,
    STUCK,
    UNIT,
    WORD,
    run_cycles,
)
from ._engine_kernel import EngineTables
from .deadlock import Deadlock, explain
from .network import Network

__all__ = ["Deadlock", "Pace", "Prediction", "Trace", "keeps_pace", "predict", "simulate"]

_ALWAYS = np.ones(1, dtype=np.uint8)
_FOR_EVER = 1 << 62


@dataclass(frozen=True)
class Trace:
    """What a run of the engine did.

    ``times[edge]`` is the int64 array of the cycles in which words of the frames asked for crossed that edge before the
    last word left the network; cycle 0 ends with the first clock edge after reset. ``peaks`` is each queue's largest
    occupancy in words, in the order of ``Network.queues``, and ``buffer_peaks`` each buffer's, in the order of
    ``Network.buffers``. ``deadlock`` is there where the run ended because nothing can ever move again.

    ``stalled[edge]`` are the cycles in which a word was offered on that edge and not taken. ``busy[unit]`` are the
    cycles in which a unit worked: one that computes took a word, or neither lacked one nor had one refused; a queue, a
    buffer or a sparse engine took or gave one. So a unit that nobody holds up is busy for its schedule's phases.
    """

    cycles: int
    frames: int
    finished: bool
    times: dict[str, np.ndarray]
    peaks: tuple[int, ...]
    buffer_peaks: tuple[int, ...]
    deadlock: Deadlock | None = None
    busy: Mapping[str, int] = field(default_factory=dict)
    stalled: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """Cycles of a design without stalls.

    ``interval`` is in cycles a frame in the periodic regime, ``latency`` in cycles from a frame's first input transfer
    to its last output transfer through an empty pipeline, ``peaks`` of the queues and ``buffer_peaks`` in words.
    ``regime`` are the numbers of two frames at whose last output transfers the network was in the same state: what is
    between them repeats for ever.
    """

    interval: Fraction
    latency: int
    peaks: tuple[int, ...]
    regime: tuple[int, int]
    buffer_peaks: tuple[int, ...] = ()


class _Tables:
    """A network as the kernel's records: what its units and edges are, and the state that the kernel steps."""

    def __init__(self, network: Network):
        index = {edge: number for number, edge in enumerate(network.edges)}
        self.units = np.zeros(len(network.units), dtype=UNIT)
        self.edges = np.zeros(len(index), dtype=EDGE)
        self.edges["frame"] = [network.words(edge) for edge in index]
        # Outside of the network is a unit past all words of a worklist.
        self.edges["producer"] = self.edges["consumer"] = (len(self.units) // WORD + 1) * WORD
        self.in_edges = np.array([index[edge] for unit in network.units for edge in unit.inputs], dtype=np.int64)
        codes, idle, need, freed = [np.zeros(0, np.int32)], [], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        engines: list[Engine] = []
        inputs, outputs = 0, 1
        for number, unit in zip(reversed(range(len(self.units))), network.units, strict=True):
            row = self.units[number]
            self.edges["consumer"][[index[edge] for edge in unit.inputs]] = number
            self.edges["producer"][[index[edge] for edge in unit.outputs]] = number
            row["first_in"], row["last_in"] = inputs, (inputs := inputs + len(unit.inputs))
            row["first_out"], row["last_out"] = outputs, (outputs := outputs + len(unit.outputs))
            match unit.timing:
                case Queue(depth=depth, latency=latency):
                    row["kind"], row["depth"], row["top"] = latency, depth, 1
                case Buffer() as timing:
                    row["kind"], row["depth"], row["top"] = BUFFER, timing.depth, 1 << timing.stages - 1
                    row["base"], row["phases"], row["frame"] = sum(map(len, need)), timing.phases, timing.words
                    need.append(timing.need)
                    freed.append(np.diff(timing.free, prepend=0))
                case Engine() as timing:
                    row["kind"], row["top"] = SPARSE, 1 << timing.stages - 1
                    row["base"], row["phases"] = len(engines), timing.words
                    engines.append(timing)
                case timing:
                    row["kind"], row["top"] = ACTOR, 1 << timing.stages - 1
                    row["base"], row["phases"], row["frame"] = sum(map(len, codes)), len(timing.takes), timing.phases
                    codes.append(_bits(timing.takes) | _bits(timing.gives) << GIVES)
                    # A source may have to wait for its pace in any phase.
                    idle.append(_idle(codes[-1]) if unit.inputs else np.zeros(len(codes[-1]), np.int64))
        self.codes, self.need, self.freed = np.concatenate(codes), np.concatenate(need), np.concatenate(freed)
        self.idle = np.concatenate([np.zeros(0, np.int64), *idle])
        self.sparse = EngineTables(engines)

    @property
    def state_size(self) -> int:
        """Integers in a snapshot."""
        return 1 + 5 * len(self.units) + len(self.edges) + self.sparse.state_size

    def peaks(self, network: Network, timing: type) -> tuple[int, ...]:
        """Most words that the units of a kind of timing held, in order."""
        return tuple(int(row["peak"]) for unit, row in zip(network.units, self.units[::-1], strict=True)
                     if isinstance(unit.timing, timing))

    def busy(self, network: Network, cycles: int) -> dict[str, int]:
        """``Trace.busy`` of so many cycles: what an actor that runs by itself does after them is not counted."""
        busy = self.units["busy"] - np.maximum(self.units["until"] - cycles, 0)
        return dict(zip((unit.name for unit in network.units), busy[::-1].tolist(), strict=True))

    def stalled(self, network: Network, cycles: int) -> dict[str, int]:
        """``Trace.stalled`` of so many cycles, words that still wait included."""
        waiting = np.where(self.edges["valid"] != 0, cycles - self.edges["offered"], 0)
        return dict(zip(network.edges, (self.edges["stalled"] + waiting).tolist(), strict=True))


def _bits(table: np.ndarray) -> np.ndarray:
    return (table * (1 << np.arange(table.shape[1], dtype=np.int32))).sum(axis=1, dtype=np.int32)


def _idle(codes: np.ndarray) -> np.ndarray:
    """For a phase that neither takes nor gives, how many more of that kind follow in the table, else 0."""
    busy = np.append(np.flatnonzero(codes), len(codes))
    here = np.arange(len(codes))
    return np.maximum(busy[np.searchsorted(busy, here)] - here - 1, 0)


def simulate(network: Network, frames: int, *, offers: np.ndarray = _ALWAYS, accepts: np.ndarray = _ALWAYS,
             record: tuple[str, ...] | None = None, max_cycles: int | None = None) -> Trace:
    """Run ``frames`` frames through the network from reset.

    Parameters
    ----------
    offers, accepts
        uint8 patterns, repeated: in cycle ``t`` the source may begin to offer a word where ``offers[t % len]``, and
        keeps offering it until it is taken; the sink is ready where ``accepts[t % len]``.
    record
        The edges whose transfer cycles are kept; by default the network's input and output.
    max_cycles
        Give up after so many cycles (``Trace.finished`` is then False). A run that deadlocks ends by itself: when all
        storage is full or empty, nothing moves.
    """
    trace, _ = _run(network, frames, offers=offers, accepts=accepts, record=record, max_cycles=max_cycles)
    return trace


def predict(network: Network, max_frames: int = 1 << 16) -> Prediction:
    """Interval, latency and peaks of a run without stalls.

    Where a sparse engine has no pattern of activations, none is zero: no data take longer. Where it has one, the
    interval is the mean over what the pattern repeats, and the latency that of its first frame.

    Raises
    ------
    Deadlock
        If nothing moves any more.
    ValueError
        If the network reaches no periodic regime within ``max_frames`` frames.
    """
    alone, _ = _run(network, 1)
    if alone.deadlock:
        raise alone.deadlock
    first_in, last_out = alone.times[network.input][:1], alone.times[network.output][-1]
    # A network of units that give before they take may be through with a frame before its first word came in.
    latency = int(last_out - first_in[0]) if len(first_in) else 0
    limit = 16
    while True:
        trace, repeat = _run(network, limit, compared=limit)
        if trace.deadlock:
            raise trace.deadlock
        if repeat is not None:
            break
        if limit >= max_frames:
            raise ValueError(f"no periodic regime within {limit} frames")
        limit *= 4
    first, again = repeat
    ends = _frame_ends(network, trace)
    interval = Fraction(int(ends[again] - ends[first]), again - first)
    return Prediction(interval, latency, trace.peaks, (first, again), trace.buffer_peaks)


@dataclass(frozen=True)
class Pace:
    """An interval, in cycles a frame, and how a network that keeps it gets on: ``progress[n]`` are the words that have
    crossed each edge of ``Network.edges`` in the first ``n`` intervals (int64 ``[intervals, edges]``, perhaps none)."""

    interval: Fraction
    progress: np.ndarray


def keeps_pace(network: Network, pace: Pace, frames: int, patience: int) -> tuple[bool, Trace, Pace]:
    """Whether a network keeps an interval as far as ``frames`` frames show it; that run, and how it got on.

    Word ``k`` of the ``words`` a frame at the network's input is offered from cycle ``k * interval / words`` on, and no
    earlier, and so are the phases of units without inputs. That does not change the answer: a self-timed network does
    nothing later because a word came earlier, and one that can follow sources of that rate has that interval. But no
    queue fills up merely because it may, so the regime comes soon, and the peaks are about the depths that are needed.

    The answer is exact where the state repeats within these frames. Else a network does not keep pace if an edge falls
    behind ``pace.progress``, further than ever before, in ``patience`` intervals in a row, or if the last frame is
    further behind than the one in the middle.
    """
    progress = np.full((frames, len(network.edges)), -1, dtype=np.int64)
    trace, repeat = _run(network, frames, compared=frames, pace=pace, progress=progress, patience=patience)
    own = Pace(pace.interval, progress[progress[:, 0] >= 0])
    if not trace.finished:
        return False, trace, own
    ends = _frame_ends(network, trace)
    first, again = repeat or (frames // 2, frames - 1)
    return int(ends[again] - ends[first]) <= pace.interval * (again - first), trace, own


_NOTHING = np.zeros((0, 0), dtype=np.int64)
_UNPACED = Pace(Fraction(0), _NOTHING)


def _frame_ends(network: Network, trace: Trace) -> np.ndarray:
    words = network.words(network.output)
    return trace.times[network.output][words - 1 :: words]


def _run(network: Network, frames: int, *, offers: np.ndarray = _ALWAYS, accepts: np.ndarray = _ALWAYS,
         record: tuple[str, ...] | None = None, max_cycles: int | None = None, compared: int = 0,
         pace: Pace = _UNPACED, progress: np.ndarray = _NOTHING,
         patience: int = 1) -> tuple[Trace, tuple[int, int] | None]:
    """Run the kernel; also the two frames between which the network is periodic, if ``compared`` frames show it."""
    tables = _Tables(network)
    sparse = tables.sparse
    index = {edge: number for number, edge in enumerate(network.edges)}
    record = tuple(dict.fromkeys((network.input, network.output) if record is None else record))
    words = {edge: network.words(edge) for edge in {network.input, network.output, *record}}
    words_in, words_out = words[network.input], words[network.output]
    if not np.any(offers) or not np.any(accepts):
        raise ValueError("a stall pattern must leave at least one cycle free")
    total = 0
    for edge in record:
        tables.edges["time_base"][index[edge]], tables.edges["time_count"][index[edge]] = total, words[edge] * frames
        total += words[edge] * frames
    times = np.full(total, -1, dtype=np.int64)
    states = np.zeros((compared, tables.state_size), dtype=np.int64)
    paces = np.zeros((compared, 2 + len(network.units)), dtype=np.int64)
    gate = np.array(pace.interval.as_integer_ratio(), dtype=np.int64)
    offers, accepts = (np.ascontiguousarray(pattern, dtype=np.uint8) for pattern in (offers, accepts))
    status, cycles, first, again = run_cycles(
        tables.units, tables.edges, tables.in_edges, index[network.output], tables.codes, tables.idle, tables.need,
        tables.freed, sparse.engines, sparse.elements, sparse.given, sparse.counts, sparse.items, words_in * frames,
        words_out * frames, words_in, words_out, offers, accepts, gate, patience, pace.progress, progress, times,
        states, paces, _FOR_EVER if max_cycles is None else max_cycles)
    recorded = {}
    for edge in record:
        base, count, moved = (int(tables.edges[what][index[edge]]) for what in ("time_base", "time_count", "moved"))
        recorded[edge] = times[base : base + min(count, moved)]
    stuck = None
    if status == STUCK:
        stuck = explain(network, int(cycles), tables.units, tables.edges, tables.codes)
    trace = Trace(int(cycles), frames, status in (FINISHED, PERIODIC), recorded, tables.peaks(network, Queue),
                  tables.peaks(network, Buffer), stuck,
                  tables.busy(network, int(cycles)), tables.stalled(network, int(cycles)))
    return trace, (int(first), int(again)) if status == PERIODIC else None
