"""The engine's inner loop, compiled by numba: one iteration is one clock cycle of the whole network.

Units are visited against the stream, consumers first: what is ready at a unit's inputs follows from its state and from
what is ready at its outputs. ``valid`` is state: a unit sets it for the next cycle when it is visited, after its
consumer has read it for this one. So one visit a unit and cycle is enough.

Most units have nothing to decide in most cycles, and are not visited then. What a visit does follows from the unit's
state, from ``valid`` of its inputs and ``ready`` of its outputs: a unit whose visit changed nothing sleeps until a word
comes to an input, or a word at an output is about to leave. And an actor without a word in its stages runs through
phases that neither take nor give by itself; it is put to their end at once, and visited when that time has come.

Elastic stages are the bits of an integer, the first stage in bit 0: ``full`` for each unit (an item is there), ``word``
for each edge (the item carries a word for this edge, not taken yet).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._engine_kernel import may_leave, note_engine, step_engine

__all__ = ["ACTOR", "BEHIND", "BUFFER", "EDGE", "ENGINE_KERNEL", "FINISHED", "GIVES", "OUT_OF_TIME", "PERIODIC",
           "SPARSE", "STUCK", "UNIT", "WORD", "run_cycles"]

# numba keeps what it compiled as long as this file stays as it is, whatever becomes of what is called. So this changes.
ENGINE_KERNEL = "082ed5273f338ed7"

FINISHED, PERIODIC, BEHIND, STUCK, OUT_OF_TIME = range(5)
# Kinds of units; 1 and 2 are queues of that latency.
ACTOR, BUFFER, SPARSE = 0, 3, 4
# The lowest bit of a phase's code that says what it gives; below are the bits of what it takes.
GIVES = 12
# Units in a word of a worklist, and where the only bit of such a word is, by a de Bruijn sequence.
WORD = 32
_DE_BRUIJN = 0x077CB531
_POSITIONS = np.zeros(WORD, np.int64)
for _position in range(WORD):
    _POSITIONS[(_DE_BRUIJN << _position & 0xFFFFFFFF) >> 27] = _position
_NEVER = 1 << 62

UNIT = np.dtype([(name, np.int64) for name in (
    # What it is. Its inputs are in_edges[first_in:last_in], its outputs the edges from first_out to last_out - 1.
    "kind", "depth", "top", "phases", "first_in", "last_in", "first_out", "last_out",
    # The entry of its first phase in ``codes`` and ``idle``, or in ``need`` and ``freed``, or of a sparse engine in
    # ``engines``; words a frame of a buffer, phases a frame of a source.
    "base", "frame",
    # State: ``level`` are the words in a queue's memory or held by a buffer. ``ahead`` is 1 if the output register of a
    # queue of latency 2 is filled; for a buffer it is the words written since its reader's frame began. The state of an
    # actor that runs by itself is the one that it will have at the beginning of cycle ``until``.
    "phase", "full", "level", "ahead", "until",
    # Most words held; phases fired by a source, and the cycles that its pace kept it waiting; cycles of ``Trace.busy``.
    "peak", "fired", "waited", "busy")])

EDGE = np.dtype([(name, np.int64) for name in (
    "producer", "consumer", "word", "valid", "ready", "moved",
    # The cycle from which on the word has been offered, and the cycles that all words so far were not taken.
    "offered", "stalled",
    # Where the transfer cycles go, and how many.
    "time_base", "time_count",
    # Words a frame; the most words that it was behind what is expected when a frame of the pace was over, and how often
    # in a row that was more than before.
    "frame", "behind", "losses")])


# What is called in every cycle is given records and numbers only: numba counts references to each array that a function
# is given, and that takes longer than all else that a visit does.
@njit(cache=True)
def _advance(unit, pending, possible):
    """Move the items of a unit with stages, and fire its phase if ``possible``: (fired, mask of the stages that moved).

    ``pending``: the item in the last stage stays. From the last stage to the first, an item moves into a stage that is
    empty or was just left; so all items before the last empty stage do.
    """
    moving = unit.top - 1
    if pending:
        gap = unit.top >> 1
        while unit.full & gap:
            gap >>= 1
        moving = gap - 1 if gap else 0
        # The items that move are doubled, which shifts their bits and no others.
        unit.full += unit.full & moving
    else:
        unit.full = (unit.full & moving) << 1
    fires = possible and not unit.full & 1
    if fires:
        unit.full |= 1
        unit.phase += 1
        if unit.phase == unit.phases:
            unit.phase = 0
    return fires, moving


@njit(cache=True)
def _run_idle(unit, cycle, cycles):
    """Put an actor without a word in its stages behind so many phases that neither take nor give."""
    unit.until = cycle + 1 + cycles
    unit.phase += cycles
    if unit.phase == unit.phases:
        unit.phase = 0
    cycles = min(cycles, 62)
    unit.full = (unit.full << cycles | (1 << cycles) - 1) & (unit.top - 1)


@njit(cache=True)
def _step_buffer(unit, edge_in, fires, freed):
    """The memory of a buffer whose reader fires and gives back words, or does not; returns whether a word enters."""
    edge_in.ready = unit.level < unit.depth
    enters = edge_in.valid and edge_in.ready
    if fires:
        unit.level -= freed
        if unit.phase == 0:
            unit.ahead -= unit.frame
    if enters:
        unit.level += 1
        unit.ahead += 1
        unit.peak = max(unit.peak, unit.level)
    return enters


@njit(cache=True)
def _step_queue(unit, edge_in, edge_out):
    """Ready for the input of a queue, and its next state; returns whether anything moved inside or came in."""
    edge_in.ready = unit.level + unit.ahead < unit.depth
    moves = enters = edge_in.valid and edge_in.ready
    if edge_out.valid and edge_out.ready:
        if unit.kind == 1:
            unit.level -= 1
        else:
            unit.ahead = 0
    if unit.kind == 2 and unit.ahead == 0 and unit.level > 0:
        unit.ahead = 1
        unit.level -= 1
        moves = True
    if enters:
        unit.level += 1
        unit.peak = max(unit.peak, unit.level + unit.ahead)
    edge_out.word = unit.ahead > 0 or (unit.kind == 1 and unit.level > 0)
    return moves


@njit(cache=True)
def _loses_ground(edges, passed, expected, progress):
    """Note the progress after so many frames of the pace; in how many in a row an edge fell further behind than ever.

    After the last row of what is expected, frame follows on frame.
    """
    most = 0
    for e in range(edges.shape[0]):
        edge = edges[e]
        if passed < progress.shape[0]:
            progress[passed, e] = edge.moved
        if expected.shape[0] > 0:
            row = min(passed, expected.shape[0] - 1)
            behind = expected[row, e] + (passed - row) * edge.frame - edge.moved
            edge.losses = edge.losses + 1 if behind > edge.behind else 0
            edge.behind = max(edge.behind, behind)
            most = max(most, edge.losses)
    return most


@njit(cache=True)
def _note_state(units, edges, engines, elements, items, gate, cycle, states, paces, frame):
    """Note the state at a frame's end; returns the first frame at whose end it was the same, else ``frame`` itself.

    A source that is paced is in the same state if it may give its next word after the same time, or if no source was
    kept waiting between the frames and so their pace did not matter.
    """
    at = 1
    pace = paces[frame]
    for u in range(units.shape[0]):
        state = states[frame, at : at + 5]
        state[0], state[1], state[2], state[3] = units[u].phase, units[u].full, units[u].level, units[u].ahead
        state[4] = max(0, units[u].until - 1 - cycle)
        at += 5
        pace[1] += units[u].waited
        if units[u].first_in == units[u].last_in:
            pace[2 + u] = gate[0] * units[u].fired - cycle * units[u].frame * gate[1]
    for e in range(edges.shape[0]):
        states[frame, at] = edges[e].word
        at += 1
    for n in range(engines.shape[0]):
        at += note_engine(engines[n], elements, items, states[frame, at:])
    # FNV-1a; states are compared whole only where their digests agree.
    digest = np.uint64(14695981039346656037)
    for value in states[frame, 1:]:
        digest = (digest ^ np.uint64(value)) * np.uint64(1099511628211)
    states[frame, 0] = np.int64(digest)
    for earlier in range(frame):
        if states[earlier, 0] == states[frame, 0] and np.array_equal(states[earlier], states[frame]):
            before = paces[earlier]
            if before[1] == pace[1] or (before[0] == pace[0] and np.array_equal(before[2:], pace[2:])):
                return earlier
    return frame


@njit(cache=True)
def run_cycles(units, edges, in_edges, out_edge, codes, idle, need, freed, engines, elements, given, counts, items,
               words_in, words_out, frame_in, frame_out, offers, accepts, gate, patience, expected, progress, times,
               states, paces, max_cycles):
    """Step the network until ``words_out`` words have left it, its state repeats at a frame's end, or nothing moves.

    ``units`` stand consumers first. ``idle`` is, for a phase that neither takes nor gives, how many more of that kind
    follow, else 0. ``engines``, ``elements``, ``given``, ``counts`` and ``items`` are those of all sparse engines, one
    after another, as in ``_engine_kernel``. ``words_in`` and ``words_out`` are those of all frames, ``frame_in`` and
    ``frame_out`` those of one. ``gate`` is (numerator, denominator) of the pace, in cycles a frame, that nothing from
    outside and no source is ahead of, or (0, 1). ``expected[n]`` are the words that have crossed each edge after ``n``
    frames of that pace in a run that keeps it; the run ends when an edge lost ground against it in ``patience`` frames
    in a row. ``progress`` has room for the same of this run; ``states`` and ``paces``, zeros, for what is compared at
    the ends of frames.
    Returns (status, cycles, first frame of the period, frame at which it repeats).
    """
    width = units.shape[0] // WORD + 1
    # The units to visit in this cycle and in the next, a bit each; the last word is for the outside of the network.
    now = np.zeros(width + 1, np.int64)
    later = np.zeros(width + 1, np.int64)
    for u in range(units.shape[0]):
        now[u // WORD] |= 1 << u % WORD
    source = edges[0]
    sink = edges[out_edge]
    unstalled = offers.shape[0] == 1 and accepts.shape[0] == 1
    # Words taken from outside, frames compared, cycles for which the pace kept the outside waiting.
    sent = 0
    frame = 0
    waited = 0
    # Frames of the pace that are over, and the cycle in which the next one is.
    passed = 0
    next_frame = _NEVER if gate[0] == 0 else 0
    # The first cycle at whose beginning an actor has done with idle phases.
    alarm = _NEVER
    cycle = 0
    while cycle < max_cycles:
        if cycle == next_frame and sent < words_in:
            if _loses_ground(edges, passed, expected, progress) >= patience:
                return BEHIND, cycle, 0, 0
            passed += 1
            next_frame = -(-gate[0] * passed // gate[1])
        # The outside: what it offers and accepts. In cycle ``opens`` its pace no longer keeps it waiting.
        opens = _NEVER
        if not source.valid and sent < words_in:
            at = -(-gate[0] * sent // (frame_in * gate[1]))
            if cycle < at:
                opens = at
                waited += 1
            elif offers[cycle % offers.shape[0]]:
                source.valid = True
                source.offered = cycle
                now[source.consumer >> 5] |= 1 << (source.consumer & 31)
        sink.ready = accepts[cycle % accepts.shape[0]]
        delivered = sink.valid and sink.ready
        if delivered:
            now[sink.producer >> 5] |= 1 << (sink.producer & 31)
        if alarm == cycle:
            alarm = _NEVER
            for u in range(units.shape[0]):
                if units[u].until == cycle:
                    now[u >> 5] |= 1 << (u & 31)
                elif units[u].until > cycle:
                    alarm = min(alarm, units[u].until)
        # The units, consumers first; a visit may add a producer, which comes later.
        changed = alarm < _NEVER
        nobody = True
        for w in range(width):
            while now[w]:
                nobody = False
                bit = now[w] & -now[w]
                now[w] ^= bit
                u = w * WORD + _POSITIONS[((bit * _DE_BRUIJN) & 0xFFFFFFFF) >> 27]
                unit = units[u]
                if unit.until > cycle:
                    continue
                first, last, top, before = unit.first_out, unit.last_out, unit.top, unit.full
                if unit.kind == ACTOR or unit.kind >= BUFFER:
                    # What leaves the last stage.
                    pending = False
                    for e in range(first, last):
                        if edges[e].valid:
                            if edges[e].ready:
                                edges[e].word ^= top
                            else:
                                pending = True
                    # Whether the phase can fire, and what it takes and gives.
                    entry = unit.base + unit.phase
                    gives = np.int64(1)
                    possible = True
                    works = not pending
                    waits = False
                    if unit.kind == BUFFER:
                        possible = unit.ahead >= need[entry]
                    elif unit.kind == SPARSE:
                        possible = may_leave(engines[unit.base])
                    else:
                        takes = np.int64(codes[entry])
                        gives = takes >> GIVES
                        works |= takes & ((1 << GIVES) - 1) != 0
                        for i in range(unit.first_in, unit.last_in):
                            edge = edges[in_edges[i]]
                            edge.ready = takes & 1
                            if edge.ready and not edge.valid:
                                possible = False
                            takes >>= 1
                        if unit.first_in == unit.last_in:
                            waits = gate[0] * unit.fired > cycle * unit.frame * gate[1]
                            possible = not waits
                    fires, moving = _advance(unit, pending, possible)
                    moves = fires or waits
                    if unit.kind == ACTOR and fires and works:
                        unit.busy += 1
                    if unit.kind == BUFFER:
                        moves |= _step_buffer(unit, edges[in_edges[unit.first_in]], fires, freed[entry])
                    elif unit.kind == SPARSE:
                        moves |= step_engine(engines[unit.base], edges[in_edges[unit.first_in]],
                                             fires and unit.phase == 0, elements, given, counts, items)
                    elif unit.first_in == unit.last_in:
                        unit.waited += waits
                        unit.fired += fires
                    elif not fires:
                        for i in range(unit.first_in, unit.last_in):
                            edges[in_edges[i]].ready = False
                    # Words move as their items do.
                    carries = np.int64(0)
                    for e in range(first, last):
                        edge = edges[e]
                        edge.word += edge.word & moving
                        if fires:
                            edge.word |= gives & 1
                            gives >>= 1
                        carries |= edge.word
                    # An item without a word, or whose last word was taken, is gone from the last stage.
                    if not carries & top:
                        unit.full &= ~top
                    moves |= unit.full != before
                    if fires and carries == 0 and idle[entry] > 0:
                        _run_idle(unit, cycle, idle[entry])
                        unit.busy += idle[entry]
                        alarm = min(alarm, unit.until)
                        changed = True
                        moves = False
                else:
                    moves = _step_queue(unit, edges[in_edges[unit.first_in]], edges[first])
                # What crosses the edges, and who is to be visited for it.
                crossed = False
                for i in range(unit.first_in, unit.last_in):
                    edge = edges[in_edges[i]]
                    if edge.valid and edge.ready:
                        crossed = True
                        now[edge.producer >> 5] |= 1 << (edge.producer & 31)
                for e in range(first, last):
                    edge = edges[e]
                    offers_anew = not edge.valid
                    if edge.valid and edge.ready:
                        crossed = offers_anew = True
                        edge.stalled += cycle - edge.offered
                        # A unit may give before it takes, and so be ahead of the frames asked for.
                        if edge.moved < edge.time_count:
                            times[edge.time_base + edge.moved] = cycle
                        edge.moved += 1
                        changed = True
                        moves |= unit.until <= cycle
                    edge.valid = (edge.word & top) != 0
                    if edge.valid:
                        if offers_anew:
                            edge.offered = cycle + 1
                        later[edge.consumer >> 5] |= 1 << (edge.consumer & 31)
                if crossed and unit.kind != ACTOR:
                    unit.busy += 1
                if moves:
                    changed = True
                    later[u >> 5] |= 1 << (u & 31)
        for w in range(width + 1):
            now[w] = later[w]
            later[w] = 0
        if source.valid and source.ready:
            changed = True
            if source.moved < source.time_count:
                times[source.time_base + source.moved] = cycle
            source.moved += 1
            source.stalled += cycle - source.offered
            source.valid = False
            sent += 1
        elif not changed and sink.ready and (source.valid or sent == words_in):
            # Nothing held the network up from outside, and it stays as it is: it does so for ever.
            return STUCK, cycle, 0, 0
        if delivered:
            # A drained input is no longer the steady state, so its frame ends are not compared.
            if frame < states.shape[0] and sink.moved % frame_out == 0 and sent < words_in:
                paces[frame, 0] = gate[0] * sent - cycle * frame_in * gate[1]
                paces[frame, 1] = waited
                earlier = _note_state(units, edges, engines, elements, items, gate, cycle, states, paces, frame)
                if earlier < frame:
                    return PERIODIC, cycle + 1, earlier, frame
                frame += 1
            if sink.moved == words_out:
                return FINISHED, cycle + 1, 0, 0
        cycle += 1
        if nobody and unstalled:
            # Until the first of these cycles nothing can happen.
            until = min(alarm, next_frame, opens)
            if cycle < until < _NEVER:
                if opens < _NEVER:
                    waited += until - cycle
                cycle = until
    return OUT_OF_TIME, max_cycles, 0, 0
