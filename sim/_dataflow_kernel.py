"""The engine's inner loop, compiled by numba: one iteration is one clock cycle of the whole network."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["FINISHED", "HUNG", "PERIODIC", "run_cycles"]

FINISHED, HUNG, PERIODIC = 0, 1, 2


@njit(cache=True)
def run_cycles(inputs, outputs, kind, size, phase_base, phases, codes, edge_in, edge_out, words_in, words_out,
               words_frame, offers, accepts, time_base, time_count, times, peaks, snapshots, max_cycles):
    """Step the network until ``words_out`` words have left it, its state repeats at a frame's end, or time is up.

    Actors keep a phase and two bit masks over their elastic stages (``full``: an item is there; ``word``: it carries a
    word); queues keep the words in memory and, for latency 2, whether the output register is filled.
    Returns (status, cycles, first frame of the period, frame at which it repeats).
    """
    units, max_in = inputs.shape
    edges = time_base.shape[0]
    phase = np.zeros(units, np.int64)
    full = np.zeros(units, np.int64)
    word = np.zeros(units, np.int64)
    level = np.zeros(units, np.int64)
    head = np.zeros(units, np.int64)
    valid = np.zeros(edges, np.bool_)
    ready = np.zeros(edges, np.bool_)
    moved = np.zeros(edges, np.int64)
    states = np.zeros((max(snapshots, 1), units * 5), np.int64)
    digests = np.zeros(max(snapshots, 1), np.uint64)
    sent = 0
    left = 0
    held = False
    frame = 0
    for cycle in range(max_cycles):
        # What is valid follows from the state alone.
        if not held and sent < words_in and offers[cycle % offers.shape[0]]:
            held = True
        valid[edge_in] = held
        for u in range(units):
            if kind[u] == 0:
                last = size[u] - 1
                valid[outputs[u]] = (word[u] >> last) & 1
            elif kind[u] == 1:
                valid[outputs[u]] = level[u] > 0
            else:
                valid[outputs[u]] = head[u] > 0
        # What is ready follows from the state and from what is ready downstream; the state advances on the way back.
        ready[edge_out] = accepts[cycle % accepts.shape[0]]
        for u in range(units - 1, -1, -1):
            out = outputs[u]
            leaves = valid[out] and ready[out]
            if kind[u] == 0:
                code = codes[phase_base[u] + phase[u]]
                present = True
                for p in range(max_in):
                    if (code >> p) & 1 and not valid[inputs[u, p]]:
                        present = False
                stages = size[u]
                advance = leaves or not valid[out]
                f = full[u]
                w = word[u]
                if advance:
                    f &= ~(1 << (stages - 1))
                    w &= ~(1 << (stages - 1))
                # From the last stage to the first: an item moves into a stage that is empty or was just left.
                for d in range(stages - 2, -1, -1):
                    if (f >> d) & 1 and not (f >> (d + 1)) & 1:
                        f = (f & ~(1 << d)) | (1 << (d + 1))
                        if (w >> d) & 1:
                            w = (w & ~(1 << d)) | (1 << (d + 1))
                fire = present and not f & 1
                # An item without a word is gone once it has reached the last stage.
                for p in range(max_in):
                    if inputs[u, p] >= 0:
                        ready[inputs[u, p]] = fire and (code >> p) & 1
                if fire:
                    f |= 1
                    if code >> 7:
                        w |= 1
                    phase[u] += 1
                    if phase[u] == phases[u]:
                        phase[u] = 0
                if not (w >> (stages - 1)) & 1:
                    f &= ~(1 << (stages - 1))
                full[u] = f
                word[u] = w
            else:
                into = inputs[u, 0]
                ready[into] = level[u] + head[u] < size[u]
                enters = valid[into] and ready[into]
                if kind[u] == 1:
                    level[u] += int(enters) - int(leaves)
                else:
                    if leaves:
                        head[u] = 0
                    if head[u] == 0 and level[u] > 0:
                        head[u] = 1
                        level[u] -= 1
                    level[u] += int(enters)
                if level[u] + head[u] > peaks[u]:
                    peaks[u] = level[u] + head[u]
        for e in range(edges):
            if valid[e] and ready[e]:
                # An actor may give before it takes, and so be ahead of the frames asked for.
                if moved[e] < time_count[e]:
                    times[time_base[e] + moved[e]] = cycle
                moved[e] += 1
        if held and ready[edge_in]:
            held = False
            sent += 1
        if valid[edge_out] and ready[edge_out]:
            left += 1
            # A drained input is no longer the steady state, so its frame ends are not compared.
            if snapshots > 0 and left % words_frame == 0 and sent < words_in:
                state = states[frame]
                state[0:units] = phase
                state[units : 2 * units] = full
                state[2 * units : 3 * units] = word
                state[3 * units : 4 * units] = level
                state[4 * units : 5 * units] = head
                # FNV-1a; states are compared whole only where their digests agree.
                digest = np.uint64(14695981039346656037)
                for value in state:
                    digest = (digest ^ np.uint64(value)) * np.uint64(1099511628211)
                digests[frame] = digest
                for earlier in range(frame):
                    if digests[earlier] == digest and np.array_equal(states[earlier], state):
                        return PERIODIC, cycle + 1, earlier, frame
                frame += 1
            if left == words_out:
                return FINISHED, cycle + 1, 0, 0
    return HUNG, max_cycles, 0, 0
