"""The compressor tree equals counting ones, for every shape of tree, and stays linear in size."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.sim import Simulator
from amaranth.utils import bits_for
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.popcount import popcount, xnor_popcount

LUTS = (4, 6)
lut_inputs = pytest.mark.parametrize("lut", LUTS)


def evaluate(m, output, inputs, vectors):
    """The output for each vector of input values."""
    got = []

    async def bench(ctx):
        for vector in vectors:
            for signal, value in zip(inputs, vector, strict=True):
                ctx.set(signal, value)
            await ctx.delay(1e-9)
            got.append(ctx.get(output))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return got


@lut_inputs
@pytest.mark.parametrize("n", range(1, 10))
def test_every_word_of_few_bits(n, lut):
    m, bits = Module(), Signal(n)
    count = popcount(m, bits, lut=lut)
    assert count.shape().signed is False
    assert len(count) == bits_for(n)
    assert evaluate(m, count, [bits], [[word] for word in range(2**n)]) == [word.bit_count() for word in range(2**n)]


@lut_inputs
@pytest.mark.parametrize("n", range(1, 6))
def test_every_pair_of_short_vectors(n, lut):
    m, x, w = Module(), Signal(n), Signal(n)
    count = xnor_popcount(m, x, w, lut=lut)
    pairs = [(a, b) for a in range(2**n) for b in range(2**n)]
    assert evaluate(m, count, [x, w], pairs) == [n - (a ^ b).bit_count() for a, b in pairs]


@lut_inputs
@pytest.mark.parametrize("n", range(1, 5))
def test_every_constant_of_short_vectors(n, lut):
    for constant in range(2**n):
        m, x = Module(), Signal(n)
        count = xnor_popcount(m, x, Const(constant, n), lut=lut)
        assert evaluate(m, count, [x], [[a] for a in range(2**n)]) == [
            n - (a ^ constant).bit_count() for a in range(2**n)]


@st.composite
def long_vectors(draw, most=200):
    """A width, and words of it: dense and sparse ones, and the two extremes."""
    n = draw(st.integers(1, most))
    word = st.integers(0, 2**n - 1)
    near = st.sets(st.integers(0, n - 1), max_size=3).map(lambda bits: sum(1 << bit for bit in bits))
    mixed = st.one_of(word, near, near.map(lambda value: value ^ (2**n - 1)))
    pairs = draw(st.lists(st.tuples(mixed, mixed), min_size=1, max_size=20))
    ones = 2**n - 1
    return n, [(0, 0), (ones, ones), (ones, 0), *pairs]


@lut_inputs
@settings(deadline=None, max_examples=20)
@given(vectors=long_vectors())
def test_long_vectors(lut, vectors):
    n, pairs = vectors
    m, x, w = Module(), Signal(n), Signal(n)
    ones, agree = popcount(m, x, lut=lut, name="ones"), xnor_popcount(m, x, w, lut=lut, name="agree")
    got = evaluate(m, Cat(ones, agree), [x, w], pairs)
    assert [value & (1 << len(ones)) - 1 for value in got] == [a.bit_count() for a, _ in pairs]
    assert [value >> len(ones) for value in got] == [n - (a ^ b).bit_count() for a, b in pairs]


@lut_inputs
@settings(deadline=None, max_examples=15)
@given(vectors=long_vectors(), data=st.data())
def test_long_constants(lut, vectors, data):
    n, pairs = vectors
    constant = data.draw(st.integers(0, 2**n - 1))
    m, x = Module(), Signal(n)
    count = xnor_popcount(m, x, Const(constant, n), lut=lut)
    assert evaluate(m, count, [x], [[a] for a, _ in pairs]) == [n - (a ^ constant).bit_count() for a, _ in pairs]


@lut_inputs
@pytest.mark.parametrize("n", [255, 256, 257, 784, 1024, 1025])
def test_widest_vectors(n, lut):
    m, x, w = Module(), Signal(n), Signal(n)
    count = xnor_popcount(m, x, w, lut=lut)
    ones = 2**n - 1
    pairs = [(0, 0), (ones, 0), (ones, ones), (ones >> 1, ones), (1, ones), (ones // 3, 0), (ones // 3, ones // 5)]
    assert evaluate(m, count, [x, w], pairs) == [n - (a ^ b).bit_count() for a, b in pairs]


@lut_inputs
def test_counts_several_values_together(lut):
    m, a, b = Module(), Signal(3), Signal(2)
    count = popcount(m, [a, b, ~a[0]], lut=lut)
    assert len(count) == bits_for(6)
    assert evaluate(m, count, [a, b], [(7, 3), (0, 0), (6, 1)]) == [5, 1, 4]


def converted(n, lut, constant=False):
    m, x, w, o = Module(), Signal(n, name="x"), Signal(n, name="w"), Signal(bits_for(n), name="o")
    weights = Const(0x5A5A5A5A5A % 2**n, n) if constant else w
    m.d.comb += o.eq(xnor_popcount(m, x, weights, lut=lut, name="tree"))
    return rtlil.convert(m, ports=[x, o] if constant else [x, w, o], emit_src=False)


@lut_inputs
@pytest.mark.parametrize("constant", [False, True])
def test_size_is_linear_in_lanes(lut, constant):
    # Bare expressions in a tree double at every level; a tree of signals takes the same for every lane.
    sizes = {n: converted(n, lut, constant).count("\n  cell ") for n in (64, 256, 1024)}
    assert all(sizes[n] <= 12 * n for n in sizes), sizes
    assert sizes[1024] <= 4.5 * sizes[256], sizes


@lut_inputs
def test_every_signal_has_the_given_name_and_none_is_shared(lut):
    wires = re.findall(r"^  wire .*\\(\S+)$", converted(300, lut), re.MULTILINE)
    made = [wire for wire in wires if wire not in ("x", "w", "o")]
    assert len(made) > 300 / 8
    # Amaranth appends $n to a name that is taken, and begins with $ those that nobody gave.
    assert all(re.fullmatch(r"tree_[a-z]+\d*", wire) for wire in made), made
    assert len(set(made)) == len(made)


@lut_inputs
def test_constant_weights_leave_no_second_operand(lut):
    text = converted(64, lut, constant=True)
    assert "$xnor" not in text
    assert not re.search(r"\bw\b", text)


def test_is_deterministic():
    assert converted(100, 4) == converted(100, 4)
    assert converted(100, 6) == converted(100, 6)
    assert converted(100, 4) != converted(100, 6)


@pytest.mark.parametrize("lut", [0, 3, 5, None, "4"])
def test_refuses_other_lookup_tables(lut):
    with pytest.raises(ValueError, match=re.escape(f"lut must be 4 or 6, not {lut!r}")):
        popcount(Module(), Signal(4), lut=lut)


def test_refuses_empty_and_unequal_vectors():
    with pytest.raises(ValueError, match=r"^bits must be at least one bit wide$"):
        popcount(Module(), Signal(0))
    with pytest.raises(ValueError, match=r"^x must be at least one bit wide$"):
        xnor_popcount(Module(), Signal(0), Signal(0))
    with pytest.raises(ValueError, match=r"^x and w must have the same width, not 3 and 4$"):
        xnor_popcount(Module(), Signal(3), Signal(4))
