"""Random units that skip zeros, for ``bench.cost_samples``."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from gatewright.boards.family import Family
from gatewright.coding.lfsr import Lfsr
from gatewright.coding.xxhash32 import Hash
from gatewright.hdl.block_sparse import BlockSparseParameters
from gatewright.hdl.matrix import MatrixVectorParameters
from gatewright.hdl.number import IntType
from gatewright.hdl.sparse_hash import HashParameters
from gatewright.hdl.sparse_lfsr import LfsrParameters
from gatewright.hdl.sparse_matrix import SparseParameters

from .cost_samples_trained import logs, random_type

__all__ = ["blocks", "engine", "unstored"]


def blocks(rng: Random, family: Family) -> Any:
    """Of a matrix, some blocks of PE x SIMD weights."""
    kinds: list[tuple[list[int], str, IntType]] = [
        ([-1, 1], "planes", random_type(rng, 2, 4)), ([-1, 1], "add", random_type(rng, 4, 8)),
        ([-6, -2, 1, 7], "planes", random_type(rng, 2, 4)), ([-90, -17, 33, 120], "multiply", random_type(rng, 4, 8))]
    values, lane, activation = rng.choice(kinds)
    pe, simd = logs(rng, 1, 8), logs(rng, 1, 16)
    shape = pe * logs(rng, 2, 8), simd * logs(rng, 2, 16)
    numbers = np.random.default_rng(rng.getrandbits(32))
    there = numbers.random((shape[0] // pe, shape[1] // simd)) < rng.uniform(0.1, 0.7)
    weights = numbers.choice(values, shape) * there.repeat(pe, axis=0).repeat(simd, axis=1)
    weights.flat[: len(values)] = values
    return BlockSparseParameters(MatrixVectorParameters(weights, pe, simd, lut=family.lut_inputs, input=activation,
                                                        lane=lane, multiplier=family.multiplier))


def engine(rng: Random, family: Family) -> Any:
    """A sparse engine of a few elements."""
    elements = rng.choice([1, 2, 4, 4, 8, 8, 16, 16])
    rows, columns = elements * logs(rng, 2, 40), logs(rng, 16, 400)
    numbers = np.random.default_rng(rng.getrandbits(32))
    count, bits = rng.choice([(3, 4), (7, 6), (15, 8), (15, 12), (15, 8), (31, 8)])
    values = numbers.integers(-(1 << bits - 1), 1 << bits - 1, count)
    there = numbers.random((rows, columns)) < rng.uniform(0.03, 0.3)
    weights = np.where(there, numbers.choice(values, (rows, columns)), 0)
    lanes_out = rng.choice([lanes for lanes in (1, 2, 4) if elements % lanes == 0])
    return SparseParameters(weights, elements, input=random_type(rng, 2, 8), lanes=rng.choice([1, 4, 8]),
                            lanes_out=lanes_out, run_bits=rng.randint(2, 5), depth=rng.choice([4, 8, 8, 8, 16]))


def unstored(rng: Random, family: Family) -> Any:
    """A sparse engine whose index is a register's or a hash's."""
    elements, columns, slots = rng.choice([1, 2, 4]), logs(rng, 16, 200), logs(rng, 4, 40)
    rows = elements * slots
    numbers = np.random.default_rng(rng.getrandbits(32))
    options = {"input": random_type(rng, 2, 8), "lanes": rng.choice([1, 8]), "depth": 8}
    if rng.random() < 0.5:
        index = Hash(1 << rng.randint(4, 9), rng.getrandbits(16))
        weights = index.matrix(numbers.integers(-100, 101, index.size), rows, columns)
        return HashParameters(weights, elements, index=index, **options)
    register = Lfsr(rows, columns, elements, max(1, slots // rng.choice([3, 5, 8])), rng.getrandbits(16))
    return LfsrParameters(numbers.choice([-90, -41, -8, 17, 60, 111], (rows, columns)) * register.mask, elements,
                          index=register, **options)
