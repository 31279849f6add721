"""Zero blocks left out: against NumPy and against the schedule, alone and behind the unit that replays words."""

import numpy as np
import pytest
from amaranth.hdl import Module, Shape
from amaranth.lib import wiring
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.hdl.block_sparse import BlockSparseParameters, BlockSparseUnit, block_cycles, blocks_of
from gatewright.hdl.dot import LANES
from gatewright.hdl.lanes import connect
from gatewright.hdl.matrix import MatrixVectorParameters
from gatewright.hdl.mvu import MatrixVectorUnit
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.reorder import ReorderUnit
from gatewright.sim.network import Network, Unit

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
stalls = st.tuples(patterns, patterns)
seeds = st.integers(0, 2**32 - 1)
types = st.builds(IntType, st.integers(1, 9), st.booleans())
VALUES = {"xnor": [-1, 1], "gated xnor": [-1, 1], "planes": [-6, -1, 1, 7], "add": [-1, 1], "shift": [-8, -1, 2, 4],
          "multiply": [-77, 3, 100], "levels": [-3_000, 5]}


class Replayed(wiring.Component):
    """What the compiler puts together: the words that blocks need, in their order, and the blocks."""

    def __init__(self, parameters, depth=None):
        self.parameters = parameters
        kind = parameters.input
        self.replay = ReorderUnit(Shape(kind.bits, kind.signed), parameters.replay(depth))
        self.blocks = BlockSparseUnit(parameters)
        super().__init__({"i": self.replay.signature.members["i"], "o": self.blocks.signature.members["o"]})

    @property
    def network(self):
        return Network((Unit("replay", self.replay.schedule, ("i",), ("replayed",)),
                        Unit("blocks", self.blocks.schedule, ("replayed",), ("o",))))

    def elaborate(self, platform):
        m = Module()
        m.submodules.replay, m.submodules.blocks = self.replay, self.blocks
        connect(m, wiring.flipped(self.i), self.replay.i)
        connect(m, self.replay.o, self.blocks.i)
        connect(m, self.blocks.o, wiring.flipped(self.o))
        return m


def sparse(rng, values, shape, pe, simd, density, within):
    """Blocks that are there with one probability, weights in them with another."""
    rows, columns = shape
    blocks = rng.random((-(-rows // pe), -(-columns // simd))) < density
    kept = blocks.repeat(pe, axis=0).repeat(simd, axis=1)[:rows, :columns] & (rng.random(shape) < within)
    return np.where(kept, rng.choice(values, size=shape), 0)


def activations(rng, kind, size):
    return rng.choice([-1, 1], size=size) if kind.bipolar else rng.integers(kind.lo, kind.hi + 1, size=size)


def replayed(rng, frames, p):
    """The words that the unit takes, lane by lane: rubbish in the padding lanes."""
    m, count = p.matrix, len(frames)
    rubbish = activations(rng, p.input, (count, m.positions, -m.columns % m.simd))
    words = np.concatenate([frames, rubbish], axis=2).reshape(count, m.positions, m.column_folds, m.simd)
    return words[:, :, p.replay().index].reshape(count, -1)


@pytest.mark.parametrize("lane", [lane for lane in LANES if lane != "serial"])
@settings(max_examples=25)
@given(rows=st.integers(1, 9), columns=st.integers(1, 14), positions=st.integers(1, 2), data=st.data(), kind=types,
       density=st.sampled_from([0, 0.2, 0.5, 0.9, 1]), within=st.sampled_from([0.5, 1]), levels=st.integers(0, 3),
       stalls=stalls, seed=seeds)
def test_every_lane_multiplies_what_is_there(check_integers, lane, rows, columns, positions, data, kind, density,
                                             within, levels, stalls, seed):
    rng = np.random.default_rng(seed)
    pe, simd = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    kind = BIPOLAR if "xnor" in lane or (lane in ("planes", "levels", "add") and data.draw(st.booleans())) else kind
    weights = sparse(rng, VALUES[lane], (rows, columns), pe, simd, density, within)
    if lane == "xnor":  # signs alone cannot say that nothing is there
        weights = np.where(weights == 0, 1, weights)
    assume(lane != "levels" or weights.any())
    frames = activations(rng, kind, (3, positions, columns))
    expected = frames @ weights.T
    thresholds, output, base = None, None, 0
    if levels:
        span = max(1, int(np.abs(expected).max()))
        thresholds = rng.integers(-span - 2, span + 3, size=(rows, levels))
        base = data.draw(st.integers(-3, 2))
        output = IntType.spanning(base, base + levels)
        expected = base + (expected[..., None] >= thresholds).sum(axis=-1)
    p = BlockSparseParameters(MatrixVectorParameters(
        weights, pe, simd, thresholds, data.draw(st.sampled_from([4, 6])), input=kind, output=output, base=base,
        positions=positions, lane=lane, multiplier=data.draw(st.sampled_from([None, (18, 18)])),
        pipeline=data.draw(st.integers(0, 3))))
    unit = BlockSparseUnit(p)
    by_fold = [sum(weights[row : row + pe, column : column + simd].any() for column in range(0, columns, simd))
               for row in range(0, rows, pe)]
    assert unit.schedule.phases == positions * sum(max(1, count) for count in by_fold)
    assert p.phases == block_cycles(weights, pe, simd) == len(p.weight_words)
    got = check_integers(unit, replayed(rng, frames, p), simd, rows, stalls, rng)
    assert got.tolist() == expected.reshape(3, -1).tolist()


@settings(max_examples=50)
@given(rows=st.integers(1, 9), columns=st.integers(1, 14), positions=st.integers(1, 3), data=st.data(), kind=types,
       density=st.sampled_from([0, 0.2, 0.5, 1]), extra=st.integers(0, 20), stalls=stalls, seed=seeds)
def test_words_are_replayed_for_the_blocks(check_integers, rows, columns, positions, data, kind, density, extra, stalls,
                                           seed):
    rng = np.random.default_rng(seed)
    pe, simd = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    weights = sparse(rng, [-5, -2, 1, 6], (rows, columns), pe, simd, density, 0.7)
    p = BlockSparseParameters(MatrixVectorParameters(weights, pe, simd, input=kind, positions=positions))
    unit = Replayed(p, p.replay().depth + extra)
    frames = activations(rng, kind, (3, positions, columns))
    got = check_integers(unit, frames.reshape(3, -1), columns, rows, stalls, rng, unit.network)
    assert got.tolist() == (frames @ weights.T).reshape(3, -1).tolist()


def test_without_zero_blocks_it_is_as_fast_as_the_dense_unit():
    matrix = MatrixVectorParameters(np.ones((12, 20)), 4, 5, input=IntType(4))
    dense, unit = MatrixVectorUnit(matrix), BlockSparseUnit(BlockSparseParameters(matrix))
    assert unit.schedule.phases == dense.schedule.phases == 12
    assert unit.schedule.stages == dense.schedule.stages


def test_frames_follow_without_bubbles_where_two_fit_into_the_replaying_unit(check_unit):
    rng = np.random.default_rng(7)
    weights = sparse(rng, [-1, 1], (16, 40), 4, 5, 0.4, 1)
    p = BlockSparseParameters(MatrixVectorParameters(weights, 4, 5, input=IntType(3)))
    unit = Replayed(p, 16)
    _, _, given_at = check_unit.simulate(unit, [0] * 8 * 6, [1], [1], 4 * 5)
    ends = given_at[3::4]
    assert np.diff(ends).tolist() == [p.phases] * 4
    assert p.phases < 32


def test_blocks_are_where_weights_are():
    weights = np.zeros((3, 5), dtype=np.int64)
    weights[2, 4] = weights[0, 1] = 3
    assert blocks_of(weights, 2, 2).tolist() == [[True, False, False], [False, False, True]]
    assert block_cycles(weights, 2, 2) == 2
    assert block_cycles(np.zeros((3, 5)), 2, 2) == 2  # a fold without any still says that its sums are zeros


@pytest.mark.parametrize(("changes", "message"), [
    ({"groups": 2}, "a block-sparse matrix must have one group, not 2"),
    ({"memory": "loadable"}, "memory of block-sparse weights must be 'rom', not 'loadable'"),
    ({"lane": "serial"}, "lane must be one that takes a whole activation a cycle, not 'serial'"),
])
def test_parameters_say_what_must_hold(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        BlockSparseParameters(MatrixVectorParameters(np.ones((4, 4)), 1, 1, input=IntType(2), **changes))
