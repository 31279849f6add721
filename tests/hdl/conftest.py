"""Runs a unit in Amaranth's simulator under given stalls, noting every transfer's cycle and payload.

``check_unit`` holds the cycles against the dataflow engine where the unit has one input and one output, and always
against ``expected``: the rules of ``hdl.schedule`` once more, in plain Python, with stalls of its own at every port.
"""

import warnings

import numpy as np
import pytest
from amaranth.hdl import Module, Shape, Value
from amaranth.lib import stream, wiring
from amaranth.sim import Simulator

from gatewright.hdl.lanes import connect
from gatewright.hdl.schedule import Buffer, Queue
from gatewright.sim import dataflow
from gatewright.sim.network import Network, Unit


def pack(lanes, bits):
    """Integers of ``bits`` bits as one word, lane 0 lowest."""
    return sum((int(lane) & ((1 << bits) - 1)) << k * bits for k, lane in enumerate(lanes))


def unpack(word, bits, lanes, signed=False):
    """A word as ``lanes`` integers of ``bits`` bits."""
    values = [(word >> k * bits) & ((1 << bits) - 1) for k in range(lanes)]
    return [v - (1 << bits) if signed and v >> (bits - 1) else v for v in values]


def to_words(pixels, lanes, bits, rng):
    """Integers ``[..., channels]`` as words, pixel by pixel; padding lanes hold rubbish, since nothing may use them."""
    pixels = np.asarray(pixels)
    flat = pixels.reshape(-1, pixels.shape[-1])
    rubbish = rng.integers(0, 1 << bits, size=(len(flat), -flat.shape[1] % lanes))
    return [pack(word, bits) for word in np.hstack([flat, rubbish]).reshape(-1, lanes)]


def from_words(words, channels, lanes, bits, signed=False):
    """Words as integers ``[pixels, channels]``, without the padding lanes of each pixel's last word."""
    flat = np.array([unpack(word, bits, lanes, signed) for word in words], dtype=np.int64)
    return flat.reshape(-1, -(-channels // lanes) * lanes)[:, :channels]


def stream_ports(unit):
    """The names of a unit's input and output streams, in the order of its members."""
    members = {name: member for name, member in unit.signature.members.items()
               if member.is_signature and isinstance(member.signature, stream.Signature)}
    return ([name for name, member in members.items() if member.flow == wiring.In],
            [name for name, member in members.items() if member.flow == wiring.Out])


class ActorModel:
    """A ``Schedule`` cycle by cycle: what fires depends on the words there, what leaves on the readers."""

    def __init__(self, timing):
        self.timing, self.phase = timing, 0
        self.items = [None] * timing.stages  # of each stage: None, or the outputs whose word is still there

    def valid(self, port):
        return self.items[-1] is not None and port in self.items[-1]

    def step(self, present, ready):
        """Advance one cycle; returns which inputs took a word."""
        takes, gives = (set(np.flatnonzero(table[self.phase])) for table in (self.timing.takes, self.timing.gives))
        items = self.items
        if items[-1] is not None:
            items[-1] = {port for port in items[-1] if not ready[port]} or None
        for d in reversed(range(len(items) - 1)):
            if items[d + 1] is None:
                items[d], items[d + 1] = None, items[d]
        if items[0] is not None or not all(present[port] for port in takes):
            taken = set()
        else:
            items[0], taken = gives, takes
            self.phase = (self.phase + 1) % len(self.timing.takes)
        items[-1] = items[-1] or None
        return [port in taken for port in range(len(present))]


class BufferModel(ActorModel):
    """A ``Buffer`` likewise, with absolute counts of words: written, given back, and taken by frames that ended."""

    def __init__(self, timing):
        super().__init__(timing)
        self.written = self.freed = self.ended = 0

    def step(self, present, ready):
        timing, items, written, freed = self.timing, self.items, self.written, self.freed
        if items[-1] and ready[0]:
            items[-1] = None
        for d in reversed(range(len(items) - 1)):
            if items[d + 1] is None:
                items[d], items[d + 1] = None, items[d]
        if items[0] is None and written >= self.ended + timing.need[self.phase]:
            items[0] = {0}
            self.freed = self.ended + int(timing.free[self.phase])
            self.phase += 1
            if self.phase == timing.phases:
                self.phase, self.ended = 0, self.ended + timing.words
        takes = present[0] and written - freed < timing.depth
        self.written += takes
        return [takes]


def simulate(unit, words, offers, accepts, outputs, max_cycles=200000, first=None):
    """Feed the words of one input; return (output words, cycles of input transfers, cycles of output transfers)."""
    got, taken_at, given_at = simulate_ports(unit, {"i": words}, {"i": offers}, {"o": accepts}, {"o": outputs},
                                             max_cycles, first)
    return got["o"], taken_at["i"], given_at["o"]


def simulate_ports(unit, words, offers, accepts, outputs, max_cycles=200000, first=None):
    """``simulate`` for many ports: each argument and result is a dictionary by port.

    ``first`` is a testbench of its own, which ends where cycle 0 begins.
    """
    got, given_at, taken_at = {o: [] for o in accepts}, {o: [] for o in accepts}, {i: [] for i in offers}
    ins = {i: (getattr(unit, i), Value.cast(getattr(unit, i).payload)) for i in offers}
    outs = {o: (getattr(unit, o), Value.cast(getattr(unit, o).payload)) for o in accepts}

    async def bench(ctx):
        if first is not None:
            await first(ctx)
        queues, held = {i: list(words[i]) for i in ins}, dict.fromkeys(ins)
        for cycle in range(max_cycles):
            for i, (port, payload) in ins.items():
                if held[i] is None and queues[i] and offers[i][cycle % len(offers[i])]:
                    held[i] = queues[i].pop(0)
                ctx.set(port.valid, held[i] is not None)
                ctx.set(payload, held[i] if held[i] is not None else (1 << Shape.cast(payload.shape()).width) - 1)
            # The contract: valid and payload do not depend on ready.
            before = {o: (ctx.get(port.valid), ctx.get(payload)) for o, (port, payload) in outs.items()}
            ready = {o: int(accepts[o][cycle % len(accepts[o])]) for o in outs}
            for o, (port, _) in outs.items():
                ctx.set(port.ready, ready[o])
            for o, (port, payload) in outs.items():
                assert before[o][0] == ctx.get(port.valid)
                if before[o][0]:
                    assert before[o][1] == ctx.get(payload)
                    if ready[o]:
                        got[o].append(before[o][1])
                        given_at[o].append(cycle)
            for i, (port, _) in ins.items():
                if held[i] is not None and ctx.get(port.ready):
                    taken_at[i].append(cycle)
                    held[i] = None
            await ctx.tick()
            if all(len(got[o]) >= outputs[o] for o in outs):
                return

    with warnings.catch_warnings():
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    return got, taken_at, given_at


def expected(timing, words, offers, accepts, outputs, max_cycles=200000):
    """The cycles of every transfer at every port, as (taken at, given at); ports in the order of the timing's."""
    model = BufferModel(timing) if isinstance(timing, Buffer) else ActorModel(timing)
    taken_at, given_at = [[] for _ in offers], [[] for _ in accepts]
    left, held = list(words), [False] * len(offers)
    for cycle in range(max_cycles):
        for i, pattern in enumerate(offers):
            if not held[i] and left[i] and pattern[cycle % len(pattern)]:
                held[i], left[i] = True, left[i] - 1
        ready = [bool(pattern[cycle % len(pattern)]) for pattern in accepts]
        for o, times in enumerate(given_at):
            if model.valid(o) and ready[o]:
                times.append(cycle)
        for i, took in enumerate(model.step(held, ready)):
            if took:
                held[i] = False
                taken_at[i].append(cycle)
        if all(len(times) >= count for times, count in zip(given_at, outputs, strict=True)):
            return taken_at, given_at
    raise AssertionError(f"the schedule hangs: given {[len(times) for times in given_at]} of {outputs} words")


def _by_port(patterns, ports):
    """A pattern for each port: given by name, or one for all."""
    return patterns if isinstance(patterns, dict) else dict.fromkeys(ports, tuple(patterns))


@pytest.fixture(scope="session")
def check_unit():
    """Runs a unit and holds every transfer against its schedule; returns the output words.

    For one input and one output ``words`` and the result are lists; else dictionaries of lists by the port's name, as
    ``offers`` and ``accepts`` may be too.
    """

    def check(unit, words, frames, offers=(1,), accepts=(1,), network=None):
        inputs, outputs = stream_ports(unit)
        plain = inputs == ["i"] and outputs == ["o"]
        words = words if isinstance(words, dict) else {"i": words}
        offers, accepts = _by_port(offers, inputs), _by_port(accepts, outputs)
        timing = None if network else unit.schedule
        if timing is not None and not isinstance(timing, Queue):
            counts = [frames * count for count in timing.words_out]
            assert [len(words[i]) for i in inputs] == [frames * count for count in timing.words_in]
            taken, given = expected(timing, [len(words[i]) for i in inputs], [offers[i] for i in inputs],
                                    [accepts[o] for o in outputs], counts)
            got, taken_at, given_at = simulate_ports(unit, words, offers, accepts, dict(zip(outputs, counts,
                                                                                            strict=True)))
            assert [given_at[o] for o in outputs] == given
            assert [taken_at[i] for i in inputs] == taken
        if plain:
            network = network or Network((Unit("unit", timing, ("i",), ("o",)),))
            pattern = {"offers": np.array(offers["i"], np.uint8), "accepts": np.array(accepts["o"], np.uint8)}
            trace = dataflow.simulate(network, frames, **pattern)
            assert trace.finished
            if timing is None or isinstance(timing, Queue):
                got, taken_at, given_at = simulate_ports(unit, words, offers, accepts,
                                                         {"o": len(trace.times[network.output])})
            assert given_at["o"] == trace.times[network.output].tolist()
            # Words of a frame that only fill the pipeline may still be on their way in when the last word is out.
            assert taken_at["i"] == [t for t in trace.times[network.input].tolist() if t <= given_at["o"][-1]]
        return got["o"] if plain else got

    check.pack, check.unpack, check.simulate = pack, unpack, simulate
    check.to_words, check.from_words = to_words, from_words
    return check


@pytest.fixture(scope="session")
def check_integers(check_unit):
    """Runs a unit of one input and one output on integers, under :func:`check_unit`'s eye; returns integers."""

    def check(unit, frames, pixel_in, pixel_out, stalls, rng, network=None):
        """Frames int64 [frames, elements] in, [frames, elements] out; every ``pixel`` elements begin a word."""
        p = unit.parameters
        lanes_in, lanes_out = (len(port.payload) for port in (unit.i, unit.o))
        codes = ((frames + 1) // 2 if p.input.bipolar else frames).reshape(-1, pixel_in)
        # Padding lanes hold rubbish, since nothing may depend on them.
        rubbish = rng.integers(0, 1 << p.input.bits, size=(len(codes), -pixel_in % lanes_in))
        words = [pack(word, p.input.bits)
                 for word in np.concatenate([codes, rubbish], axis=1).reshape(-1, lanes_in).tolist()]
        offers, accepts = stalls
        got = check_unit(unit, words, len(frames), offers, accepts, network)
        lanes = np.array([unpack(word, p.output.bits, lanes_out, p.output.signed) for word in got])
        codes = lanes.reshape(-1, -(-pixel_out // lanes_out) * lanes_out)[:, :pixel_out].reshape(len(frames), -1)
        return codes * 2 - 1 if p.output.bipolar else codes

    return check


class WithoutLoad(wiring.Component):
    """A unit that can be loaded, and that nobody loads."""

    def __init__(self, unit):
        self.unit, self.parameters, self.schedule = unit, unit.parameters, unit.schedule
        super().__init__({name: unit.signature.members[name] for name in ("i", "o")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = self.unit
        connect(m, wiring.flipped(self.i), self.unit.i)
        connect(m, self.unit.o, wiring.flipped(self.o))
        return m


@pytest.fixture(scope="session")
def without_load():
    return WithoutLoad
