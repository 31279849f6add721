"""``hdl.schedule.Engine`` once more, in plain Python: one loop a cycle, as slow and as plain as the words of its rules.

Everything that happens in a cycle is decided from the state at its beginning, then done.
"""

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from gatewright.compiler.emit import emit_unit
from gatewright.sim import dataflow, verilated
from gatewright.sim.network import Network, Unit


@dataclass
class Column:
    """A column on its way: entries for each element, whether it is the vector's last, who has yet to take it."""

    counts: list
    marked: bool
    waiting: set


@dataclass
class ElementModel:
    queue: deque = field(default_factory=deque)
    item: list | None = None  # [cycles left, marked]
    vector: int = 0  # of the item worked on, or of the next one
    closed: dict = field(default_factory=dict)  # vector: cycle in which it was closed


class EngineModel:
    """An engine: ``valid`` and ``step``, as the actors of the folder above."""

    def __init__(self, timing):
        self.timing = timing
        self.columns, self.elements = timing.counts.shape
        self.active = np.ones((1, self.columns), bool) if timing.active is None else timing.active
        self.cycle = self.word = self.vector_in = 0
        self.register = deque()  # columns of the word held
        self.reading = self.pointer = None
        self.element = [ElementModel() for _ in range(self.elements)]
        self.vector_out = self.given = 0
        self.stages = [False] * timing.stages

    def valid(self):
        return self.stages[-1]

    def step(self, word_there, ready):
        """Advance one cycle; returns whether the input took a word."""
        output = self._output(ready)
        pops = self._elements_work()
        takers, moves = self._offers()
        gives, takes = self._columns(word_there, moves or (self.timing.reads and self.reading is None))

        # All decided; now it happens.
        for k in takers:
            count, marked = self.pointer.counts[k], self.pointer.marked
            self.element[k].queue.append([max(1, count), marked])
            self.pointer.waiting.discard(k)
        if moves:
            self.pointer, self.reading = self.reading, None
        if gives and self.timing.reads:
            self.reading = self.register.popleft()
        elif gives:
            self.pointer = self.register.popleft()
        if takes:
            self._load()
        for element, pop in zip(self.element, pops, strict=True):
            if pop:
                element.item = element.queue.popleft()
        if output:
            self.stages[0] = True
            self.given += 1
            if self.given == self.timing.words:
                self.given = 0
                self.vector_out += 1
        self.cycle += 1
        return takes

    def _columns(self, word_there, room):
        gives = bool(self.register) and room
        takes = bool(word_there) and (not self.register or (gives and len(self.register) == 1))
        return gives, takes

    def _load(self):
        """A word enters the register."""
        begin = self.word * self.timing.lanes
        word = range(begin, min(begin + self.timing.lanes, self.columns))
        active = self.active[self.vector_in % len(self.active)]
        self.word += 1
        ends = self.word * self.timing.lanes >= self.columns
        if ends:
            self.word, self.vector_in = 0, self.vector_in + 1
        found = [self.timing.counts[j].tolist() for j in word if active[j]] or [[0] * self.elements]
        for place, counts in enumerate(found):
            marked = ends and place == len(found) - 1
            self.register.append(Column(counts, marked, {k for k in range(self.elements) if counts[k] or marked}))

    def _offers(self):
        """Which elements take the item offered, and whether the pointer stage is empty or moves."""
        if self.pointer is None:
            return [], True
        # A queue's length at the beginning of the cycle: nothing has been popped or pushed yet.
        takers = [k for k in self.pointer.waiting if len(self.element[k].queue) < self.timing.depth]
        return takers, len(takers) == len(self.pointer.waiting)

    def _elements_work(self):
        """A cycle of work everywhere; returns which elements take the head of their queue."""
        pops = []
        for element in self.element:
            idle = element.item is None
            # The bank is that of the vector before the last, which must have left.
            if not idle and self.vector_out >= element.vector - 1:
                element.item[0] -= 1
                if element.item[0] == 0:
                    if element.item[1]:
                        element.closed[element.vector] = self.cycle
                        element.vector += 1
                    element.item, idle = None, True
            pops.append(idle and bool(element.queue))
        return pops

    def _output(self, ready):
        """The elastic stages move; returns whether a word leaves the banks."""
        stages = self.stages
        if stages[-1] and ready:
            stages[-1] = False
        for d in reversed(range(len(stages) - 1)):
            if stages[d] and not stages[d + 1]:
                stages[d], stages[d + 1] = False, True
        complete = all(self.vector_out in element.closed
                       and self.cycle >= element.closed[self.vector_out] + self.timing.latency
                       for element in self.element)
        return complete and not stages[0]


def transfers(timing, words, offers, accepts, outputs):
    """The cycles of the transfers at the input and at the output."""
    model, taken_at, given_at, held = EngineModel(timing), [], [], False
    for cycle in range(1_000_000):
        held = held or (words > 0 and bool(offers[cycle % len(offers)]))
        ready = bool(accepts[cycle % len(accepts)])
        if model.valid() and ready:
            given_at.append(cycle)
        if model.step(held, ready):
            taken_at.append(cycle)
            words, held = words - 1, False
        if len(given_at) == outputs:
            return taken_at, given_at
    raise AssertionError(f"the engine hangs: given {len(given_at)} of {outputs} words")


@pytest.fixture(scope="session")
def check_engine(check_unit):
    """Runs a unit on int64 ``[vectors, columns]`` and holds every transfer against the model above and against the
    dataflow engine; returns int64 ``[vectors, rows]``.

    ``run`` is what runs the unit: ``check_unit.simulate`` or its like.
    """

    def check(unit, vectors, stalls, rng, run=check_unit.simulate):
        p, (offers, accepts) = unit.parameters, stalls
        words = check_unit.to_words(vectors, p.lanes, p.input.bits, rng)
        timing = replace(p.schedule, active=vectors != 0)
        count = len(vectors) * p.words_out
        assert len(words) == len(vectors) * p.words_in
        assert (timing.words_in, timing.words_out) == ((p.words_in * p.positions,), (p.words_out * p.positions,))
        got, taken_at, given_at = run(unit, words, offers, accepts, count)
        assert (taken_at, given_at) == transfers(timing, len(words), offers, accepts, count)
        trace = dataflow.simulate(Network((Unit("engine", timing, ("i",), ("o",)),)), len(vectors) // p.positions,
                                  offers=np.array(offers, np.uint8), accepts=np.array(accepts, np.uint8))
        assert (trace.times["i"].tolist(), trace.times["o"].tolist()) == (taken_at, given_at)
        return check_unit.from_words(got, p.rows, p.lanes_out, p.output.bits, p.output.signed)

    return check


class Verilated:
    """A unit's Verilog in Verilator; called, it is the ``run`` of ``check_engine``, after a reset."""

    def __init__(self, unit, **options):
        files = {name: text.encode() for name, text in emit_unit(unit, "engine").items()}
        self.library = verilated.build(verilated.Sources(files), "engine", **options)
        self.simulation = self.library.open()

    def __call__(self, unit, words, offers, accepts, outputs, max_cycles=1_000_000):
        self.simulation.reset()
        run = self.cut(words, offers, accepts, outputs, max_cycles)
        assert run.finished
        assert not run.unstable
        got = [int.from_bytes(word.tobytes(), "little") for word in run.outputs]
        return got, run.times["i"].tolist(), run.times["o"].tolist()

    def cut(self, words, offers, accepts, outputs, max_cycles):
        """A run that may end unfinished."""
        size = -(-self.library.input_bits // 8)
        rows = np.frombuffer(b"".join(word.to_bytes(size, "little") for word in words), np.uint8).reshape(-1, size)
        return self.simulation.run(rows, outputs, max_cycles=max_cycles, offers=np.array(offers, np.uint8),
                                   accepts=np.array(accepts, np.uint8), times=("i", "o"))


@pytest.fixture(scope="session")
def in_verilator():
    return Verilated
