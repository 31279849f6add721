"""The cycle-exact dataflow engine: executes schedules, self-timed, and says what the hardware will do in every cycle.

It knows nothing of numbers: only when words move. Rules as in ``hdl.schedule``; the network's input is offered and its
output accepted as the stall patterns say. Interval, latency and queue peaks follow from execution, not from
formulas: the engine runs until the state of the whole network repeats at the end of a frame (the periodic regime of a
self-timed cyclo-static graph; Ghamarian et al., "Throughput analysis of synchronous data flow graphs", ACSD 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..hdl.schedule import Queue
from ._dataflow_kernel import FINISHED, PERIODIC, run_cycles
from .network import Network

__all__ = ["Prediction", "Trace", "interval_within", "predict", "simulate"]

_ALWAYS = np.ones(1, dtype=np.uint8)


@dataclass(frozen=True)
class Trace:
    """What a run of the engine did.

    ``times[edge]`` is the int64 array of the cycles in which words crossed that edge; cycle 0 ends with the first clock
    edge after reset. ``peaks`` is each queue's largest occupancy in words, in the order of ``Network.queues``.
    """

    cycles: int
    frames: int
    finished: bool
    times: dict[str, np.ndarray]
    peaks: tuple[int, ...]


@dataclass(frozen=True)
class Prediction:
    """Cycles of a design without stalls.

    ``interval`` is in cycles a frame in the periodic regime, ``latency`` in cycles from a frame's first input transfer
    to its last output transfer through an empty pipeline, ``peaks`` in words. ``regime`` are the numbers of two frames
    at whose last output transfers the network was in the same state: what is between them repeats for ever.
    """

    interval: Fraction
    latency: int
    peaks: tuple[int, ...]
    regime: tuple[int, int]


class _Tables:
    """A network as flat arrays for the kernel."""

    def __init__(self, network: Network):
        index = {edge: number for number, edge in enumerate(network.edges)}
        actors, queues = [], 0
        takes, phase_base, phases = [], [], []
        max_in = max(len(unit.inputs) for unit in network.units)
        self.inputs = np.full((len(network.units), max_in), -1, dtype=np.int64)
        self.outputs = np.array([index[unit.output] for unit in network.units], dtype=np.int64)
        self.kind = np.zeros(len(network.units), dtype=np.int64)  # 0 actor, else queue with that latency
        self.size = np.zeros(len(network.units), dtype=np.int64)  # stages, or depth
        base = 0
        for number, unit in enumerate(network.units):
            self.inputs[number, : len(unit.inputs)] = [index[edge] for edge in unit.inputs]
            timing = unit.timing
            phase_base.append(base)
            if isinstance(timing, Queue):
                self.kind[number], self.size[number] = timing.latency, timing.depth
                phases.append(0)
                queues += 1
            else:
                self.size[number] = timing.stages
                # One byte a phase: bit p says that input p is taken, bit 7 that a word is given.
                code = np.zeros(timing.phases, dtype=np.uint8)
                for port in range(timing.takes.shape[1]):
                    code |= timing.takes[:, port] << port
                takes.append(code | timing.gives[:, 0] << 7)
                base += timing.phases
                phases.append(timing.phases)
                actors.append(number)
        self.phase_base = np.array(phase_base, dtype=np.int64)
        self.phases = np.array(phases, dtype=np.int64)
        self.codes = np.concatenate(takes) if takes else np.zeros(1, dtype=np.uint8)
        self.queue_units = np.flatnonzero(self.kind)
        self.edges = len(index)


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
        Give up after so many cycles (``Trace.finished`` is then False). By default a generous bound, which only a
        deadlock reaches.
    """
    trace, _ = _run(network, frames, offers, accepts, record, max_cycles, periodic=False)
    return trace


def predict(network: Network, max_frames: int = 1 << 16) -> Prediction:
    """Interval, latency and queue peaks of a run without stalls.

    Raises
    ------
    ValueError
        If the network deadlocks, or reaches no periodic regime within ``max_frames`` frames.
    """
    alone, _ = _run(network, 1, _ALWAYS, _ALWAYS, None, None, periodic=False)
    if not alone.finished:
        raise ValueError("the network deadlocks: not one frame comes out")
    latency = int(alone.times[network.output][-1] - alone.times[network.input][0])
    limit = 16
    while True:
        trace, repeat = _run(network, limit, _ALWAYS, _ALWAYS, None, None, periodic=True)
        if repeat is not None:
            break
        if not trace.finished:
            raise ValueError(f"the network deadlocks after {trace.cycles} cycles")
        if limit >= max_frames:
            raise ValueError(f"no periodic regime within {limit} frames")
        limit *= 4
    first, again = repeat
    last = trace.times[network.output][network.words(network.output) - 1 :: network.words(network.output)]
    interval = Fraction(int(last[again] - last[first]), again - first)
    return Prediction(interval, latency, trace.peaks, regime=(first, again))


def interval_within(network: Network, frames: int) -> Fraction:
    """The interval, in cycles a frame, as far as ``frames`` frames show it: exact if the state repeats among them.

    Else it is the mean over the second half of the frames. A network slower at its end than at its beginning fills up
    for thousands of frames before its state repeats, and this tells it from one that keeps its rate.
    """
    trace, repeat = _run(network, frames, _ALWAYS, _ALWAYS, None, None, periodic=True)
    if repeat is None and not trace.finished:
        raise ValueError("the network deadlocks")
    words = network.words(network.output)
    last = trace.times[network.output][words - 1 :: words]
    first, again = repeat or (frames // 2, frames - 1)
    return Fraction(int(last[again] - last[first]), again - first)


def _run(network, frames, offers, accepts, record, max_cycles, *, periodic):
    tables = _Tables(network)
    edges = {edge: number for number, edge in enumerate(network.edges)}
    record = (network.input, network.output) if record is None else record
    words = {edge: network.words(edge) for edge in {network.input, network.output, *record}}
    words_in, words_out = words[network.input], words[network.output]
    if max_cycles is None:
        work = max(int(tables.phases.max()), words_in, words_out)
        density = min(float(np.mean(offers)), float(np.mean(accepts)))
        if density <= 0:
            raise ValueError("a stall pattern must leave at least one cycle free")
        slack = int(tables.size.sum()) + 64 + len(offers) + len(accepts)
        max_cycles = int((frames + 8) * work * len(network.units) / density) + 8 * slack
    base, count = np.zeros(tables.edges, dtype=np.int64), np.zeros(tables.edges, dtype=np.int64)
    total = 0
    for edge in dict.fromkeys(record):
        base[edges[edge]], count[edges[edge]] = total, words[edge] * frames
        total += words[edge] * frames
    times = np.zeros(total, dtype=np.int64)
    peaks = np.zeros(len(network.units), dtype=np.int64)
    status, cycles, first, again = run_cycles(
        tables.inputs, tables.outputs, tables.kind, tables.size, tables.phase_base, tables.phases, tables.codes,
        edges[network.input], edges[network.output], words_in * frames, words_out * frames, words_out,
        np.ascontiguousarray(offers, dtype=np.uint8), np.ascontiguousarray(accepts, dtype=np.uint8),
        base, count, times, peaks, frames if periodic else 0, max_cycles)
    done = status in (FINISHED, PERIODIC)
    recorded = {edge: times[base[edges[edge]] : base[edges[edge]] + words[edge] * frames] for edge in record}
    trace = Trace(int(cycles), frames, done, recorded, tuple(int(p) for p in peaks[tables.queue_units]))
    return trace, (int(first), int(again)) if status == PERIODIC else None
