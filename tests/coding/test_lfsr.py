"""Shift registers have full periods, and the masks that they make are even, repeat little, and hold what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.coding.lfsr import LEAP, TAPS, Lfsr, advanced, linear, mask


def prime_factors(number):
    found, divisor = [], 2
    while divisor * divisor <= number:
        while not number % divisor:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return {*found, number} - {1}


def later(width, steps):
    """What ``steps`` steps make of each bit, by squaring."""
    images, step = 1 << np.arange(width), advanced(1 << np.arange(width), 1, width)
    for digit in f"{steps:b}":
        images = linear(images, images)
        images = linear(step, images) if digit == "1" else images
    return images


@pytest.mark.parametrize("width", TAPS)
def test_the_period_of_every_register_is_the_longest(width):
    """Its step comes back to itself after 2**width - 1 steps, and after no divisor of that."""
    period, still = (1 << width) - 1, (1 << np.arange(width)).tolist()
    assert later(width, period).tolist() == still
    assert all(later(width, period // prime).tolist() != still for prime in prime_factors(period))


def test_a_column_begins_with_the_seed_and_its_number_many_steps_later():
    index = Lfsr(20, 6, 3, 2, seed=4, width=8)
    for element in range(3):
        steps = LEAP * (element + 1) % 255
        assert index.starts[element].tolist() == advanced(index.seeds[element] ^ np.arange(6), steps, 8).tolist()


@st.composite
def indices(draw):
    rows, columns, elements = draw(st.integers(1, 60)), draw(st.integers(1, 20)), draw(st.integers(1, 16))
    slots = -(-rows // elements)
    return Lfsr(rows, columns, elements, draw(st.integers(1, slots)), draw(st.integers(0, 2**32 - 1)),
                draw(st.integers(12, 32)))


@given(indices())
def test_each_column_of_each_element_has_as_many_slots_as_are_kept(index):
    positions = index.positions
    assert positions.shape == (index.elements, index.columns, index.kept)
    assert positions.min() >= 0
    assert positions.max() < index.slots
    assert all(len(set(column.tolist())) == index.kept for column in positions.reshape(-1, index.kept))
    assert (index.starts > 0).all()


@given(indices(), st.randoms(use_true_random=False))
def test_the_memory_holds_the_weights_in_the_order_of_their_positions(index, random):
    weights = np.array([random.randint(-9, 9) for _ in range(index.rows * index.columns)]).reshape(index.rows, -1)
    weights *= index.mask
    entries, back = index.entries(weights), np.zeros((index.slots * index.elements, index.columns), dtype=np.int64)
    for element in range(index.elements):
        for column in range(index.columns):
            back[index.positions[element, column] * index.elements + element, column] = entries[element, column]
    assert np.array_equal(back[: index.rows], weights)
    assert not back[index.rows :].any()


SHAPES = [(300, 784, 16, 2), (300, 784, 1, 24), (300, 784, 64, 1), (100, 300, 10, 3), (500, 800, 8, 5),
          (4096, 4096, 64, 6)]


@pytest.mark.parametrize(("rows", "columns", "elements", "kept"), SHAPES)
def test_rows_are_used_as_evenly_as_random_ones_and_columns_differ(rows, columns, elements, kept):
    """The spread over rows is at most that of independent draws, sqrt(mean); no two columns are the same."""
    found = mask(rows, columns, elements, kept, seed=1)
    used = found.sum(axis=1)
    mean = columns * kept / -(-rows // elements)
    assert abs(used.mean() / mean - 1) < 0.02
    assert used.std() < 1.1 * np.sqrt(mean)
    assert used.min() > mean / 2
    assert len(np.unique(np.packbits(found, axis=0), axis=1).T) == columns


def test_seeds_give_other_masks():
    masks = [mask(60, 40, 4, 3, seed) for seed in range(20)]
    density = masks[0].mean()
    both = [(a & b).mean() for number, a in enumerate(masks) for b in masks[:number]]
    assert abs(np.mean(both) / density**2 - 1) < 0.1
    assert max(both) < 2.5 * density**2


@pytest.mark.parametrize(("arguments", "message"), [
    ((4, 4, 0, 1), "elements must be a positive integer, not 0"),
    ((9, 4, 2, 6), "kept must be at most the 5 slots of an element, not 6"),
    ((9, 4, 2, 2, -1), r"seed must be from 0 to 2\*\*32 - 1, not -1"),
    ((9, 100, 2, 2, 0, 7), "width must be from 8 to 32 bits for 100 columns and 5 slots, not 7"),
])
def test_what_is_no_index(arguments, message):
    with pytest.raises(ValueError, match=message):
        Lfsr(*arguments)


def test_a_weight_outside_the_mask_is_refused():
    index = Lfsr(8, 3, 2, 1)
    row, column = np.argwhere(~index.mask)[0]
    weights = np.zeros((8, 3), dtype=np.int64)
    weights[row, column] = 5
    with pytest.raises(ValueError, match=f"weights must be 0 where the mask is: row {row} of column {column} is not"):
        index.entries(weights)
    with pytest.raises(ValueError, match=r"weights must be a matrix \[8, 3\], not an array of shape \(3,\)"):
        index.entries(np.zeros(3))
