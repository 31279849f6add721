"""Golden operators against the plainest loops that compute the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.sim import golden

SEEDS = st.integers(0, 2**32 - 1)
# (bits of the values, bits of the weights): through float32, float64 and int64.
WIDTHS = st.sampled_from([(1, 1), (2, 2), (8, 8), (16, 16), (30, 16), (28, 28)])


def integers(rng, bits, shape):
    return rng.integers(-(1 << bits - 1), 1 << bits - 1, size=shape, endpoint=True)


@st.composite
def movements(draw):
    """An image's size and a window that fits into it once padded and spread."""
    kernel, stride, dilation, insert = (tuple(draw(st.integers(1, 3)) for _ in range(2)) for _ in range(4))
    pads = tuple(draw(st.integers(0, 2)) for _ in range(4))
    size = []
    for axis in range(2):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        least = -(-max(0, reach - 1 - pads[axis] - pads[axis + 2]) // insert[axis]) + 1
        size.append(least + draw(st.integers(0, 4)))
    return tuple(size), kernel, {"stride": stride, "pads": pads, "dilation": dilation, "insert": insert}


def seen(image, kernel, *, stride, pads, dilation, insert):
    """For each position, the pixels that its taps see in the image ``[H, W, C]``: None for what is not of it."""
    height, width = image.shape[:2]
    sizes = [insert[a] * ((height, width)[a] - 1) + 1 + pads[a] + pads[a + 2] for a in range(2)]
    counts = [(sizes[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in range(2)]
    for row, column in np.ndindex(*counts):
        taps = []
        for i, j in np.ndindex(*kernel):
            y, x = row * stride[0] + i * dilation[0] - pads[0], column * stride[1] + j * dilation[1] - pads[1]
            inside = y % insert[0] == 0 and x % insert[1] == 0 and 0 <= y // insert[0] < height and (
                0 <= x // insert[1] < width)
            taps.append(image[y // insert[0], x // insert[1]] if inside else None)
        yield (row, column), taps


@given(WIDTHS, st.integers(0, 3), st.integers(1, 5), st.integers(1, 9), SEEDS)
def test_matmul(widths, frames, rows, columns, seed):
    rng = np.random.default_rng(seed)
    x, w = integers(rng, widths[0], (frames, columns)), integers(rng, widths[1], (rows, columns))
    expected = [[sum(int(a) * int(b) for a, b in zip(vector, row, strict=True)) for row in w] for vector in x]
    assert golden.matmul(x, w).tolist() == expected


def test_products_at_the_limit_of_each_float_are_exact():
    """Sums of 2^24 + 1 and 2^53 + 1 are no float32 and no float64."""
    for half in (23, 52):
        x, w = np.array([[1 << half, 1 << half, 1]]), np.array([[1, 1, 1]])
        assert golden.matmul(x, w).tolist() == [[(1 << half + 1) + 1]]


def test_sums_beyond_int64_are_refused():
    x, w = np.full((1, 4), 1 << 31), np.full((1, 4), 1 << 31)
    with pytest.raises(ValueError, match=r"^sums must stay within int64, not reach "):
        golden.matmul(x, w)


@settings(max_examples=150)
@given(movements(), WIDTHS, st.sampled_from([(1, 1, 1), (1, 3, 2), (2, 2, 1), (3, 1, 2), (4, 1, 1), (1, 1, 4)]), SEEDS)
def test_conv(movement, widths, shape, seed):
    rng = np.random.default_rng(seed)
    size, kernel, options = movement
    groups, depth, each = shape
    x = integers(rng, widths[0], (2, *size, groups * depth))
    w = integers(rng, widths[1], (groups * each, *kernel, depth))
    got = golden.conv(x, w, groups=groups, **options)
    for frame in range(2):
        for (row, column), taps in seen(x[frame], kernel, **options):
            for out in range(groups * each):
                first = out // each * depth
                expected = sum(int(a) * int(b) for tap, pixel in enumerate(taps) if pixel is not None
                               for a, b in zip(pixel[first:first + depth], w[out].reshape(-1, depth)[tap], strict=True))
                assert got[frame, row, column, out] == expected


@settings(max_examples=100)
@given(movements(), st.sampled_from([np.int8, np.int32, np.int64]), SEEDS)
def test_pools(movement, kind, seed):
    rng = np.random.default_rng(seed)
    size, kernel, options = movement
    x = rng.integers(-100, 100, size=(2, *size, 3)).astype(kind)
    total, largest = golden.pool_sum(x, kernel, **options), golden.pool_max(x, kernel, **options)
    for frame in range(2):
        for (row, column), taps in seen(x[frame], kernel, **options):
            pixels = [pixel for pixel in taps if pixel is not None]
            assert total[frame, row, column].tolist() == [sum(int(p[c]) for p in pixels) for c in range(3)]
            if pixels:
                assert largest[frame, row, column].tolist() == [max(p[c] for p in pixels) for c in range(3)]


def test_many_frames_go_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    x, w = rng.integers(-8, 8, size=(7, 5, 6, 4)), rng.integers(-8, 8, size=(6, 3, 2, 4))
    whole = golden.conv(x, w)
    monkeypatch.setattr(golden, "_BLOCK_ELEMENTS", 1)
    assert np.array_equal(golden.conv(x, w), whole)
    assert golden.conv(x[:0], w).shape == (0, 3, 5, 6)


def test_windows_that_do_not_fit():
    with pytest.raises(ValueError, match=r"^a window over 5 x 1 pixels must fit into the padded image of 4 x 3$"):
        golden.conv(np.zeros((1, 3, 3, 1), int), np.zeros((1, 3, 1, 1), int), dilation=(2, 1), pads=(1, 0, 0, 0))
    with pytest.raises(ValueError, match=r"^weights \(4, 1, 1, 2\) in 2 groups do not fit 3 channels$"):
        golden.conv(np.zeros((1, 3, 3, 3), int), np.zeros((4, 1, 1, 2), int), groups=2)
    with pytest.raises(ValueError, match=r"must agree in K, not \(1, 3\) and \(2, 4\)$"):
        golden.matmul(np.ones((1, 3), int), np.ones((2, 4), int))


@given(channels=st.integers(1, 6), levels=st.integers(1, 9), base=st.integers(-130, 130), image=st.booleans(),
       seed=SEEDS)
def test_thresholds_count_what_is_met(channels, levels, base, image, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, size=(7, channels)).astype(rng.choice([np.int8, np.int64]))
    falling = rng.integers(0, 2, size=channels).astype(bool)
    thresholds = np.sort(rng.integers(-11, 12, size=(channels, levels)), axis=1)
    thresholds[falling] = thresholds[falling, ::-1]
    expected = [[base + sum(v <= t if falling[c] else v >= t for t in thresholds[c]) for c, v in enumerate(row)]
                for row in x.tolist()]
    shaped = x.reshape(1, 7, 1, channels) if image else x
    assert golden.threshold(shaped, thresholds, falling, base).reshape(7, channels).tolist() == expected
    rising = golden.threshold(x, np.sort(thresholds, axis=1))
    assert rising.tolist() == [[sum(v >= t for t in thresholds[c]) for c, v in enumerate(row)] for row in x.tolist()]


def test_bipolar_thresholds():
    x = np.array([[3, 3], [4, 4], [5, 5]])
    got = golden.threshold_bipolar(x, np.array([[4], [4]]), np.array([False, True]))
    assert got.tolist() == [[-1, 1], [1, 1], [1, -1]]


@given(st.integers(0, 20), st.integers(-100, 0), st.integers(1, 300), st.booleans(), SEEDS)
def test_requantise(shift, lo, width, even, seed):
    rng = np.random.default_rng(seed)
    x, m, b = integers(rng, 20, (5, 3)), integers(rng, 20, 3), integers(rng, 20, 3)

    def code(scaled: int) -> int:
        whole, rest = divmod(scaled, 2**shift)
        return min(max(whole - (even and rest == 0 and whole % 2), lo), lo + width)

    expected = [[code(v * int(m[c]) + int(b[c])) for c, v in enumerate(row)] for row in x.tolist()]
    assert golden.requantise(x, m, b, shift, lo, lo + width, even).tolist() == expected
    with pytest.raises(ValueError, match=r"^sums must stay within int64"):
        golden.requantise(np.array([[1 << 62]]), np.array([2]), np.array([0]), shift, lo, lo + width)


def test_table():
    x = np.array([[-1, 0], [1, 1]], dtype=np.int8)
    assert golden.table(x, np.array([[7, -300, 9]]), -1).tolist() == [[7, -300], [9, 9]]
    assert golden.table(x, np.array([[7, 8, 9], [4, 5, 6]]), -1).tolist() == [[7, 5], [9, 6]]
    with pytest.raises(ValueError, match=r"^values must lie from 0 to 2, not from -1 to 1$"):
        golden.table(x, np.array([[7, 8, 9]]), 0)


@given(st.lists(st.integers(-(1 << 40), 1 << 40), min_size=1, max_size=3), SEEDS)
def test_add(multipliers, seed):
    rng = np.random.default_rng(seed)
    inputs = [integers(rng, 8, (4, 5)).astype(np.int16) for _ in multipliers]
    expected = [[sum(m * int(v[row, column]) for m, v in zip(multipliers, inputs, strict=True)) for column in range(5)]
                for row in range(4)]
    assert golden.add(inputs, multipliers).tolist() == expected


def test_what_cannot_be_added():
    with pytest.raises(ValueError, match=r"^inputs must have one shape and a multiplier each, not \[\(2,\), \(3,\)\]"):
        golden.add([np.zeros(2, int), np.zeros(3, int)], [1, 1])


def test_moving_elements():
    a, b = np.arange(8).reshape(1, 2, 2, 2), np.arange(4).reshape(1, 2, 2, 1) + 10
    assert golden.concat([a, b]).tolist() == [[[[0, 1, 10], [2, 3, 11]], [[4, 5, 12], [6, 7, 13]]]]
    assert golden.take(np.array([[5, 6, 7], [1, 2, 3]]), np.array([2, -1, 0, 0])).tolist() == [[7, 0, 5, 5],
                                                                                            [3, 0, 1, 1]]


def test_arg_max_takes_the_lowest_of_equals():
    assert golden.arg_max(np.array([[1, 5, 5], [0, 0, 0], [-3, -2, -2]])).tolist() == [[1], [0], [1]]


def test_results_are_narrow():
    """A thousand frames of a large network stay in memory: codes take a byte, sums four."""
    x = np.ones((1, 4, 4, 3), dtype=np.int8)
    sums = golden.conv(x, np.ones((2, 3, 3, 3), dtype=np.int64))
    assert sums.dtype == np.int32
    for levels, base, kind in [(1, 0, np.int8), (100, -100, np.int8), (100, 100, np.int16)]:
        assert golden.threshold(sums, np.tile(np.arange(levels), (2, 1)), base=base).dtype == kind
