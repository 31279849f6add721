"""A layer of EIE's on the sparse engine in gates: Verilator's transfers and sums against the prediction and NumPy."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from gatewright.compiler.emit import Memories, convert
from gatewright.compiler.words import pack_lanes
from gatewright.hdl.number import IntType
from gatewright.hdl.sparse import SparseMatrixVectorUnit, SparseParameters
from gatewright.sim import patterns, verilated
from gatewright.sim.dataflow import predict, simulate
from gatewright.sim.network import Network, Unit

from .eie_layers import LANES


@dataclass(frozen=True)
class Measured:
    """Cycles measured, each equal to the one predicted, and how many transfers and sums were compared."""

    interval: Fraction
    alone: int
    transfers: int
    sums: int


def measure(name: str, weights: np.ndarray, xs: np.ndarray, elements: int) -> Measured:
    """Run the first vector again and again, alone, and all under stalls; ends the program if anything differs."""
    p = SparseParameters(weights, elements, lanes=LANES, lanes_out=min(LANES, elements), input=IntType(16, True))
    files: dict[str, str] = {}
    files["engine.v"] = convert(SparseMatrixVectorUnit(p), "engine", Memories("engine", files))
    library = verilated.build(verilated.Sources({file: text.encode() for file, text in files.items()}), "engine",
                              quick=True)
    first, again = predict(_network(p, xs[:1])).regime
    seed = patterns.offers(0), patterns.accepts(0)
    ends, transfers, sums = [], 0, 0
    with library.open() as simulation:
        for inputs, stalls in ((np.repeat(xs[:1], again + 3, axis=0), None), (xs[:1], None), (xs, seed)):
            offers, accepts = stalls or (patterns.always(), patterns.always())
            trace = simulate(_network(p, inputs), len(inputs), offers=offers, accepts=accepts)
            words = np.zeros((len(inputs), p.words_in * LANES), dtype=np.int64)
            words[:, : p.columns] = inputs
            simulation.reset()
            run = simulation.run(pack_lanes(words.reshape(-1, LANES), p.input.bits), p.words_out * len(inputs),
                                 max_cycles=trace.cycles + 256, offers=offers, accepts=accepts, times=("i", "o"),
                                 settle=64)
            for port, predicted in trace.times.items():
                if not np.array_equal(run.times[port], predicted):
                    sys.exit(f"{name}: transfers at {port} are not in the cycles predicted")
                transfers += len(predicted)
            got, expected = _sums(run.outputs, p), inputs @ weights.T
            if run.unstable or not np.array_equal(got, expected):
                sys.exit(f"{name}: {int((got != expected).sum())} sums of {got.size} are not NumPy's")
            sums += got.size
            ends.append((run.times["i"][0], run.times["o"][p.words_out - 1 :: p.words_out]))
    many, (begin, end) = ends[0][1], ends[1]
    return Measured(Fraction(int(many[again] - many[first]), again - first), int(end[0] - begin), transfers, sums)


def _network(p: SparseParameters, xs: np.ndarray) -> Network:
    return Network((Unit("engine", replace(p.schedule, active=xs != 0), ("i",), ("o",)),))


def _sums(rows: np.ndarray, p: SparseParameters) -> np.ndarray:
    """Words as sums, int64 ``[vectors, rows]``."""
    assert p.output is not None
    bits = p.output.bits
    lanes = np.unpackbits(rows, axis=1, bitorder="little", count=p.lanes_out * bits).reshape(len(rows), -1, bits)
    found = np.zeros(lanes.shape[:2], dtype=np.int64)
    for bit in range(bits):
        plane = lanes[..., bit].astype(np.int64) << bit
        found += -plane if p.output.signed and bit == bits - 1 else plane
    return found.reshape(len(rows) // p.words_out, -1)[:, : p.rows]
