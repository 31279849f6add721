"""Random dataflow networks, and the rules of ``hdl.schedule`` run one cycle and one item at a time, slow and plain."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import strategies as st

from gatewright.hdl.schedule import Buffer, Engine, Queue, Schedule
from gatewright.sim.network import Network, Unit


class EngineRules:
    """The inside of a sparse engine, with vectors and cycles counted from reset on and items as lists."""

    def __init__(self, timing):
        self.timing, self.cycle = timing, 0
        self.columns, self.next = [], 0  # those left of the word held: (column or None, marked); words taken
        self.reading, self.stage, self.wanting = None, None, set()
        elements = range(timing.counts.shape[1])
        self.queues = [[] for _ in elements]
        self.work = [None] * len(elements)  # (cycles left, marked)
        self.closings = [[] for _ in elements]  # for each vector so far, the cycle in which its bank was closed
        self.vectors = 0  # whose words have all left

    def state(self):
        latent = [min(self.timing.latency, self.cycle - closing) for closings in self.closings for closing in closings]
        return repr((self.columns, self.reading, self.stage, self.wanting, self.queues, self.work, latent,
                     self.vectors))

    def word(self):
        """The columns that the next word of the input gives."""
        timing, words = self.timing, -(-len(self.timing.counts) // self.timing.lanes)
        vector, word = divmod(self.next, words)
        lanes = range(word * timing.lanes, min(len(timing.counts), (word + 1) * timing.lanes))
        active = [True] * len(timing.counts) if timing.active is None else timing.active[vector % len(timing.active)]
        columns = [column for column in lanes if active[column]] or [None]
        return [(column, word == words - 1 and column == columns[-1]) for column in columns]

    def entries(self, element, column):
        return 0 if column is None else int(self.timing.counts[column, element])

    def stage_moves(self):
        return all(len(self.queues[element]) < self.timing.depth for element in self.wanting)

    def column_leaves(self):
        return self.stage_moves() or (self.timing.reads and self.reading is None)

    def ready(self):
        return not self.columns or (len(self.columns) == 1 and self.column_leaves())

    def complete(self):
        """Whether the words of the oldest vector may leave."""
        return all(len(closings) > self.vectors and closings[self.vectors] + self.timing.latency <= self.cycle
                   for closings in self.closings)

    def step(self, entered, opens):
        room = {element for element in self.wanting if len(self.queues[element]) < self.timing.depth}
        moves, leaves, heads = self.stage_moves(), self.column_leaves(), [list(queue) for queue in self.queues]
        for element, queue in enumerate(self.queues):
            # Of the vectors that an element has closed, no two may be of the same bank.
            if self.work[element] and len(self.closings[element]) - self.vectors < 2:
                left, marked = self.work[element]
                self.work[element] = (left - 1, marked) if left > 1 else None
                if left == 1 and marked:
                    self.closings[element].append(self.cycle)
            if self.work[element] is None and heads[element]:
                self.work[element] = queue.pop(0)
            if element in room:
                column, marked = self.stage
                queue.append((max(1, self.entries(element, column)), marked))
        self.wanting -= room
        column = self.columns.pop(0) if leaves and self.columns else None
        if moves:
            self.stage, self.wanting = self.reading if self.timing.reads else column, set()
            self.reading = None
        if leaves and self.timing.reads:
            self.reading = column
        if moves and self.stage:
            column, marked = self.stage
            self.wanting = {k for k in range(len(self.queues)) if marked or self.entries(k, column)}
        if entered:
            self.columns = self.word()
            self.next += 1
        self.vectors += opens
        self.cycle += 1


class Rules:
    """Executes a network straight from the wording of ``hdl.schedule``: stages are lists, questions are recursive."""

    def __init__(self, network):
        self.network = network
        self.producer = {edge: unit for unit in network.units for edge in unit.outputs}
        self.consumer = {edge: unit for unit in network.units for edge in unit.inputs}
        # An item is the set of edges for which it still carries a word; a stage without an item is None.
        self.stages = {u.name: [None] * u.timing.stages for u in network.units if not isinstance(u.timing, Queue)}
        self.fired = dict.fromkeys(self.stages, 0)
        self.written = {u.name: 0 for u in network.sized}
        self.given = {u.name: 0 for u in network.queues}
        self.engines = {u.name: EngineRules(u.timing) for u in network.units if isinstance(u.timing, Engine)}
        self.register = {u.name: False for u in network.queues}
        self.peaks = {u.name: 0 for u in network.sized}
        self.busy, self.stalled = {u.name: 0 for u in network.units}, dict.fromkeys(network.edges, 0)

    def held(self, unit):
        if isinstance(unit.timing, Queue):
            return self.written[unit.name] - self.given[unit.name]
        frame, phase = divmod(self.fired[unit.name], unit.timing.phases)
        return self.written[unit.name] - frame * unit.timing.words - (int(unit.timing.free[phase - 1]) if phase else 0)

    def valid(self, edge):
        if edge == self.network.input:
            return self.offered
        unit = self.producer[edge]
        if isinstance(unit.timing, Queue):
            return self.register[unit.name] if unit.timing.latency == 2 else self.held(unit) > 0
        last = self.stages[unit.name][-1]
        return last is not None and edge in last

    def ready(self, edge):
        if edge == self.network.output:
            return self.accepted
        unit = self.consumer[edge]
        if isinstance(unit.timing, Schedule):
            return bool(self.row(unit, "takes")[unit.inputs.index(edge)]) and self.fires(unit)
        if isinstance(unit.timing, Engine):
            return self.engines[unit.name].ready()
        return self.held(unit) < unit.timing.depth

    def row(self, unit, table):
        table = getattr(unit.timing, table)
        return table[self.fired[unit.name] % len(table)]

    def fires(self, unit):
        if isinstance(unit.timing, Schedule):
            present = all(self.valid(e) for e, takes in zip(unit.inputs, self.row(unit, "takes"), strict=True) if takes)
        elif isinstance(unit.timing, Engine):
            present = self.engines[unit.name].complete()
        else:
            frame, phase = divmod(self.fired[unit.name], unit.timing.phases)
            present = self.written[unit.name] >= frame * unit.timing.words + unit.timing.need[phase]
        return present and self.moves(unit, 0)

    def moves(self, unit, stage):
        """Whether a stage is empty or moves."""
        item = self.stages[unit.name][stage]
        if item is None:
            return True
        if stage == len(self.stages[unit.name]) - 1:
            return all(self.ready(edge) for edge in item)
        return self.moves(unit, stage + 1)

    def state(self):
        return [*(dict(part) for part in (self.stages, self.fired, self.written, self.given, self.register)),
                *(engine.state() for engine in self.engines.values())]

    def step(self, offered, accepted):
        """One cycle; returns (the edges that a word crossed, whether the state is another one)."""
        self.offered, self.accepted = offered, accepted
        before = self.state()
        crossed = {edge for edge in self.network.edges if self.valid(edge) and self.ready(edge)}
        refused = {edge for edge in self.network.edges if self.valid(edge) and not self.ready(edge)}
        for edge in refused:
            self.stalled[edge] += 1
        for unit in self.network.units:
            if isinstance(unit.timing, Schedule):
                free = self.row(unit, "takes").any() or not refused & set(unit.outputs)
                self.busy[unit.name] += bool(self.fires(unit) and free)
            else:
                self.busy[unit.name] += bool(crossed & {*unit.inputs, *unit.outputs})
        fires = {name: self.fires(u) for u in self.network.units if (name := u.name) in self.stages}
        moves = {u.name: [self.moves(u, d) for d in range(u.timing.stages)] for u in self.network.units
                 if u.name in self.stages}
        for unit in self.network.units:
            name = unit.name
            entered = unit.inputs and unit.inputs[0] in crossed
            if name in self.stages:
                old, new = self.stages[name], [None] * unit.timing.stages
                for d, item in enumerate(old):
                    if item is not None and not moves[name][d]:
                        new[d] = item - crossed if d + 1 == len(old) else item
                    elif item is not None and d + 1 < len(old):
                        new[d + 1] = item
                if fires[name]:
                    gives = self.row(unit, "gives") if isinstance(unit.timing, Schedule) else [1]
                    new[0] = {edge for edge, gift in zip(unit.outputs, gives, strict=True) if gift}
                    self.fired[name] += 1
                self.stages[name] = new
                if name in self.engines:
                    self.engines[name].step(entered, fires[name] and self.fired[name] % unit.timing.words == 0)
            else:
                left = unit.outputs[0] in crossed
                in_memory = self.held(unit) - self.register[name]
                self.given[name] += left
                if unit.timing.latency == 2:
                    self.register[name] = in_memory > 0 or (self.register[name] and not left)
            if name in self.written:
                self.written[name] += bool(entered)
                self.peaks[name] = max(self.peaks[name], self.held(unit))
        return crossed, self.state() != before


def run_rules(network, frames, offers, accepts, cycles):
    """(transfer cycles of each edge, peak of each queue and buffer, whether nothing can move any more, the rules)."""
    rules = Rules(network)
    times = {edge: [] for edge in network.edges}
    left, offered = network.words(network.input) * frames, False
    for cycle in range(cycles):
        offered = offered or (left > 0 and bool(offers[cycle % len(offers)]))
        accepted = bool(accepts[cycle % len(accepts)])
        crossed, changed = rules.step(offered, accepted)
        for edge in crossed:
            times[edge].append(cycle)
        if network.input in crossed:
            offered, left = False, left - 1
        if not changed and accepted and (offered or not left):
            return times, rules.peaks, True, rules
    return times, rules.peaks, False, rules


@st.composite
def tables(draw, words):
    """A phases x ports table of 0 and 1 with so many words at each port, and with idle phases, perhaps many."""
    phases = max([*words, 1]) + draw(st.sampled_from([0, 1, 2, 3, 12]))
    columns = [draw(st.permutations([1] * n + [0] * (phases - n))) for n in words]
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in range(phases)]


@st.composite
def networks(draw, units=6, depths=4, ports=3):
    """A network of forks, joins, sources, queues and buffers of agreeing rates, which may deadlock."""
    edges, made = {"e": draw(st.integers(1, 4))}, []

    def actor(inputs, outputs):
        repeats = draw(st.sampled_from([n for n in (1, 2, 3) if all(edges[e] % n == 0 for e in inputs)]))
        takes = draw(tables([edges.pop(e) // repeats for e in inputs]))
        given = [draw(st.integers(1, min(3, len(takes)))) for _ in range(outputs)]
        gives = [list(row) for row in zip(*(draw(st.permutations([1] * n + [0] * (len(takes) - n))) for n in given),
                                          strict=True)]
        add(Schedule(takes, gives, draw(st.integers(1, 4)), repeats), inputs, [n * repeats for n in given])

    def add(timing, inputs, words):
        names = tuple(f"e{len(made)}{port}" for port in range(len(words)))
        made.append(Unit(f"u{len(made)}", timing, tuple(inputs), names))
        edges.update(zip(names, words, strict=True))

    for _ in range(draw(st.integers(1, units))):
        if len(edges) > 9:  # the last unit joins them all
            break
        edge = draw(st.sampled_from(sorted(edges)))
        match draw(st.sampled_from(["actor", "actor", "fork", "queue", "queue", "buffer", "source", "engine"])):
            case "actor":
                more = [e for e in sorted(edges) if e != edge and len(edges) > 1]
                actor([edge, *draw(st.lists(st.sampled_from(more), max_size=2, unique=True))] if more else [edge], 1)
            case "fork":
                actor([edge], draw(st.integers(2, ports)))
            case "queue":
                add(Queue(draw(st.integers(1, depths)), draw(st.integers(1, 2))), [edge], [edges.pop(edge)])
            case "buffer":
                words, phases = edges.pop(edge), draw(st.integers(1, 5))
                need = draw(st.lists(st.integers(0, words), min_size=phases, max_size=phases))
                free = [*sorted(draw(st.lists(st.integers(0, words), min_size=phases - 1, max_size=phases - 1))), words]
                depth = Buffer.least(need, free) + draw(st.integers(0, depths))
                add(Buffer(need, free, words, depth, draw(st.integers(1, 3))), [edge], [phases])
            case "engine":
                words = edges.pop(edge)
                positions = draw(st.sampled_from([n for n in range(1, words + 1) if words % n == 0]))
                lanes = draw(st.integers(1, 3))
                columns = words // positions * lanes - draw(st.integers(0, lanes - 1))
                timing = replace(draw(engines(columns)), lanes=lanes, positions=positions)
                add(timing, [edge], list(timing.words_out))
            case "source" if made:
                actor([], draw(st.integers(1, 2)))
    actor(sorted(edges), 1)
    return Network(tuple(made))


@st.composite
def engines(draw, columns=None, active=True):
    """A sparse engine with few or many entries, one element or some, that sees a pattern of vectors or all of each."""
    columns = columns or draw(st.integers(1, 7))
    elements = draw(st.integers(1, 5))
    entries = st.integers(0, draw(st.sampled_from([0, 1, 2, 5])))
    counts = draw(st.lists(st.lists(entries, min_size=elements, max_size=elements), min_size=columns, max_size=columns))
    vector = st.lists(st.booleans(), min_size=columns, max_size=columns)
    return Engine(counts, draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 4)),
                  draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3)),
                  draw(st.none() | st.lists(vector, min_size=1, max_size=3)) if active else None,
                  draw(st.integers(0, 1)))


@pytest.fixture(scope="session")
def dataflow():
    """``networks``, ``engines``: strategies; ``run_rules``: the slow engine."""
    return SimpleNamespace(networks=networks, engines=engines, run_rules=run_rules)
