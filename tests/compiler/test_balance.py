"""Balanced assignment of rows to elements: what it keeps, and the idle cycles that it takes away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.coding.csc import entry_counts
from gatewright.compiler.balance import balance
from gatewright.hdl.schedule import Engine
from gatewright.sim.dataflow import predict
from gatewright.sim.network import Network, Unit


def interval(present, elements, active):
    engine = Engine(entry_counts(present, elements), 16, 8, -(-len(present) // elements), 5, 2, active=[active])
    return predict(Network((Unit("engine", engine, ("i",), ("o",)),))).interval


def matrix(rows, columns, density, spread, seed):
    """Weights at random; the densities of rows and columns vary log-normally, as those of trained layers do."""
    rng = np.random.default_rng(seed)
    row, column = (np.exp(rng.normal(0, spread, n)) for n in (rows, columns))
    return rng.random((rows, columns)) < density * np.outer(row / row.mean(), column / column.mean())


@settings(max_examples=60)
@given(rows=st.integers(1, 40), columns=st.integers(1, 300), elements=st.integers(1, 50),
       density=st.sampled_from([0, 0.02, 0.3, 1]), run_bits=st.integers(1, 5), seed=st.integers(0, 99))
def test_rows_change_places_and_no_element_gets_more_of_them(rows, columns, elements, density, run_bits, seed):
    present = matrix(rows, columns, density, 0.5, seed)
    order = balance(present, elements, run_bits=run_bits)
    assert sorted(order) == list(range(rows))
    assert np.array_equal(order, balance(present, elements, run_bits=run_bits))


@pytest.mark.parametrize(("spread", "saved"), [(0, 0.03), (0.3, 0.12), (0.7, 0.2)])
def test_idle_cycles_fall(spread, saved):
    present = matrix(600, 1024, 0.1, spread, seed=0)
    active = np.random.default_rng(1).random(1024) < 0.5
    plain, balanced = (interval(present[order], 64, active) for order in (np.arange(600), balance(present, 64)))
    assert balanced < (1 - saved) * plain


def test_long_runs_end_columns():
    """Padding costs cycles, and the order of the rows of an element decides how much there is of it."""
    present = matrix(2048, 300, 0.04, 1, seed=0)
    plain, balanced = (entry_counts(present[order], 32).sum() for order in (np.arange(2048), balance(present, 32)))
    assert balanced < 0.85 * plain


def test_padding_is_counted_as_work():
    present = matrix(1024, 500, 0.05, 0.7, seed=0)
    loads = entry_counts(present[balance(present, 16)], 16).sum(axis=0)
    assert loads.max() < 1.01 * loads.mean()


def test_columns_that_are_seldom_active_count_less():
    present = matrix(512, 400, 0.1, 0, seed=0)
    present[:, 200:] |= matrix(512, 200, 0.2, 1, seed=1)
    often = np.where(np.arange(400) < 200, 1.0, 0.01)
    for importance, better in ((often, 0), (1 - often, 1)):
        halves = np.add.reduceat(entry_counts(present[balance(present, 32, importance=importance)], 32), [0, 200])
        other = np.add.reduceat(entry_counts(present[balance(present, 32)], 32), [0, 200])
        assert np.ptp(halves[better]) < np.ptp(other[better])


@pytest.mark.parametrize(("arguments", "message"), [
    ((np.zeros(3), 2), r"present must be a matrix \[rows, columns\], not an array of shape \(3,\)"),
    ((np.zeros((3, 0)), 2), r"present must be a matrix \[rows, columns\], not an array of shape \(3, 0\)"),
    ((np.zeros((3, 2)), 0), "elements must be a positive integer, not 0"),
])
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        balance(*arguments)


@pytest.mark.parametrize("importance", [[1.0], [1, -1], [1, np.inf], [1, np.nan]])
def test_importance_is_of_the_columns(importance):
    with pytest.raises(ValueError, match=r"^importance must be 2 numbers that are not negative, not array\("):
        balance(np.ones((3, 2)), 2, importance=importance)
