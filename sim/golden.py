"""Golden operators: pure integer NumPy, no lanes, no folding, no cycles. The hardware is checked against these.

Arrays are batches of integers, channels last: vectors ``[frames, channels]`` or images ``[frames, H, W, channels]``;
what works on each integer alone takes both. Every operator is exact: it computes in a type that holds whatever its
operands can reach, floats included where a BLAS is faster and the reach leaves every sum exact. Results have the
narrowest NumPy type that the operator can vouch for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["add", "arg_max", "concat", "conv", "matmul", "pool_max", "pool_sum", "requantise", "table", "take",
           "threshold", "threshold_bipolar"]

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]

# Bounds the unfolded windows of a convolution, in elements, to a size that caches hold.
_BLOCK_ELEMENTS = 1 << 21
# Up to so many thresholds, comparing with each is faster than a binary search.
_FEW_LEVELS = 3


def matmul(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Dot products ``[..., N]`` of ``values [..., K]`` and ``weights [N, K]``.

    Raises
    ------
    ValueError
        If K differs, or a sum may leave int64.
    """
    if weights.ndim != 2 or values.shape[-1] != weights.shape[1]:
        raise ValueError(f"values [..., K] and weights [N, K] must agree in K, not {values.shape} and {weights.shape}")
    kind, result = _product_types(values, weights)
    return (values.astype(kind) @ weights.astype(kind).T).astype(result)


def conv(values: np.ndarray, weights: np.ndarray, *, stride: Pair = (1, 1), pads: Pads = (0, 0, 0, 0),
         dilation: Pair = (1, 1), insert: Pair = (1, 1), groups: int = 1) -> np.ndarray:
    """Convolve ``values [frames, H, W, in]`` with ``weights [out, kh, kw, in / groups]``: ``[frames, H', W', out]``.

    ``insert - 1`` zeros are put between neighbouring pixels, then ``pads`` (top, left, bottom, right) zeros around
    them. Output channel ``o`` sees the input channels of group ``o // (out / groups)``.

    Raises
    ------
    ValueError
        If channels and groups do not agree, no window fits into the image, or a sum may leave int64.
    """
    rows, kh, kw, depth = weights.shape
    if values.shape[3] != depth * groups or rows % groups:
        raise ValueError(f"weights {weights.shape} in {groups} groups do not fit {values.shape[3]} channels")
    kind, result = _product_types(values, weights.reshape(rows, -1))
    matrices = weights.reshape(groups, rows // groups, kh * kw * depth).astype(kind).transpose(0, 2, 1)
    parts = []
    pixels = _windows(_spread(values[:1], pads, insert), (kh, kw), stride, dilation).shape[1:3]
    block = max(1, _BLOCK_ELEMENTS // (pixels[0] * pixels[1] * kh * kw * values.shape[3]))
    for begin in range(0, max(1, len(values)), block):
        spread = _spread(values[begin : begin + block].astype(kind), pads, insert)
        windows = _windows(spread, (kh, kw), stride, dilation)
        positions = windows.shape[:3]
        if groups == 1:
            sums = windows.reshape(-1, kh * kw * depth) @ matrices[0]
        elif depth == 1:  # depthwise: products too small for a BLAS
            sums = np.zeros((*positions, groups, rows // groups), dtype=kind)
            for tap in range(kh * kw):
                sums += windows[:, :, :, tap // kw, tap % kw, :, None] * matrices[:, tap]
        else:
            grouped = windows.reshape(*positions, kh, kw, groups, depth)
            sums = np.moveaxis(grouped, 5, 0).reshape(groups, -1, kh * kw * depth) @ matrices
            sums = np.moveaxis(sums, 0, 1)
        parts.append(sums.astype(result).reshape(*positions, rows))
    return np.concatenate(parts)


def pool_max(values: np.ndarray, kernel: Pair, *, stride: Pair = (1, 1), pads: Pads = (0, 0, 0, 0),
             dilation: Pair = (1, 1), insert: Pair = (1, 1)) -> np.ndarray:
    """Each channel's largest integer in each window of ``[frames, H, W, channels]``; padding never wins.

    Raises
    ------
    ValueError
        If no window fits into the image.
    """
    lowest = np.iinfo(values.dtype).min
    windows = _windows(_spread(values, pads, insert, lowest), kernel, stride, dilation)
    largest = windows[:, :, :, 0, 0].copy()
    for tap in range(1, kernel[0] * kernel[1]):
        np.maximum(largest, windows[:, :, :, tap // kernel[1], tap % kernel[1]], out=largest)
    return largest


def pool_sum(values: np.ndarray, kernel: Pair, *, stride: Pair = (1, 1), pads: Pads = (0, 0, 0, 0),
             dilation: Pair = (1, 1), insert: Pair = (1, 1)) -> np.ndarray:
    """Each channel's sum over each window of ``[frames, H, W, channels]``; padding is 0.

    Raises
    ------
    ValueError
        If no window fits into the image, or a sum may leave int64.
    """
    kind = _result_type(_reach(values) * kernel[0] * kernel[1])
    windows = _windows(_spread(values.astype(kind), pads, insert), kernel, stride, dilation)
    total = windows[:, :, :, 0, 0].copy()
    for tap in range(1, kernel[0] * kernel[1]):
        total += windows[:, :, :, tap // kernel[1], tap % kernel[1]]
    return total


def threshold(values: np.ndarray, thresholds: np.ndarray, falling: np.ndarray | None = None,
              base: int = 0) -> np.ndarray:
    """``base`` plus the number of its channel's thresholds that each integer of ``[..., channels]`` meets.

    ``thresholds`` is ``[channels, levels]``; one is met where ``value >= threshold``, or ``<=`` where
    ``falling[channel]``. They ascend; those of falling channels descend.
    """
    channels, levels = thresholds.shape
    falling = np.zeros(channels, dtype=np.bool_) if falling is None else falling
    count = np.zeros(values.shape, dtype=_narrowest(min(base, 0), max(levels, base + levels)))
    if levels <= _FEW_LEVELS:
        for steps in thresholds.T:
            count += np.where(falling, values <= steps, values >= steps) if falling.any() else values >= steps
    else:
        flat, counts = values.reshape(-1, channels), count.reshape(-1, channels)
        for channel, steps in enumerate(thresholds):
            if falling[channel]:
                counts[:, channel] = levels - np.searchsorted(steps[::-1], flat[:, channel], side="left")
            else:
                counts[:, channel] = np.searchsorted(steps, flat[:, channel], side="right")
    return count + count.dtype.type(base)


def threshold_bipolar(values: np.ndarray, thresholds: np.ndarray, falling: np.ndarray | None = None) -> np.ndarray:
    """+1 where each integer meets its channel's one threshold, else -1: int8 of the same shape."""
    return (2 * threshold(values, thresholds, falling) - 1).astype(np.int8)


def requantise(values: np.ndarray, multiplier: np.ndarray, offset: np.ndarray, shift: int, lo: int, hi: int,
               even: bool = False) -> np.ndarray:
    """``clip((value * multiplier + offset) >> shift, lo, hi)`` of ``[..., channels]``; >> rounds down.

    If ``even``, an odd code of which the bits shifted out are all 0 is lowered by one before the clip.

    Raises
    ------
    ValueError
        If a product may leave int64.
    """
    _result_type(_reach(values) * _reach(multiplier) + _reach(offset))
    scaled = values.astype(np.int64) * multiplier + offset
    codes = scaled >> shift
    if even:
        codes -= codes & (scaled == codes << shift)
    return np.clip(codes, lo, hi).astype(_narrowest(lo, hi))


def table(values: np.ndarray, entries: np.ndarray, first: int) -> np.ndarray:
    """``entries[channel, value - first]`` of ``[..., channels]``; ``entries`` is ``[channels or 1, span]``.

    Raises
    ------
    ValueError
        If a value is outside the table.
    """
    places = values.astype(np.int64) - first
    if places.size and not 0 <= places.min() <= places.max() < entries.shape[1]:
        raise ValueError(f"values must lie from {first} to {first + entries.shape[1] - 1}, not from {values.min()} to "
                         f"{values.max()}")
    return entries.astype(_type_of(entries))[np.arange(len(entries)), places]


def add(inputs: Sequence[np.ndarray], multipliers: Sequence[int]) -> np.ndarray:
    """``sum of multipliers[i] * inputs[i]``, element by element; all inputs have one shape.

    Raises
    ------
    ValueError
        If shapes differ, or a sum may leave int64.
    """
    if len({values.shape for values in inputs}) != 1 or len(inputs) != len(multipliers):
        raise ValueError(f"inputs must have one shape and a multiplier each, not {[v.shape for v in inputs]} and "
                         f"{list(multipliers)}")
    reaches = [_reach(values) * abs(factor) for values, factor in zip(inputs, multipliers, strict=True)]
    kind = _result_type(max(sum(reaches), *(abs(factor) for factor in multipliers)))
    total = np.zeros(inputs[0].shape, dtype=kind)
    for values, factor in zip(inputs, multipliers, strict=True):
        total += values.astype(kind) * kind(factor)
    return total


def concat(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Inputs side by side along the channels, the last axis."""
    return np.concatenate(inputs, axis=-1)


def take(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Element ``j`` of the result is element ``index[j]`` of ``values [frames, elements]``, or 0 where it is -1."""
    moved = values[:, index]
    moved[:, index < 0] = 0
    return moved


def arg_max(values: np.ndarray) -> np.ndarray:
    """Index of each frame's largest integer of ``[frames, elements]``, the lowest of equal ones: ``[frames, 1]``."""
    return values.argmax(axis=1, keepdims=True)


def _spread(values: np.ndarray, pads: Pads, insert: Pair, fill: int = 0) -> np.ndarray:
    """The image with ``insert - 1`` fills between neighbours and ``pads`` around it."""
    frames, height, width, channels = values.shape
    (down, across), (top, left, bottom, right) = insert, pads
    if (down, across, top, left, bottom, right) == (1, 1, 0, 0, 0, 0):
        return values
    inner = (height - 1) * down + 1, (width - 1) * across + 1
    image = np.full((frames, inner[0] + top + bottom, inner[1] + left + right, channels), fill, dtype=values.dtype)
    image[:, top : top + inner[0] : down, left : left + inner[1] : across] = values
    return image


def _windows(image: np.ndarray, kernel: Pair, stride: Pair, dilation: Pair) -> np.ndarray:
    """A view ``[frames, H', W', kh, kw, channels]`` of all windows."""
    reach = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
    if image.shape[1] < reach[0] or image.shape[2] < reach[1]:
        raise ValueError(f"a window over {reach[0]} x {reach[1]} pixels must fit into the padded image of "
                         f"{image.shape[1]} x {image.shape[2]}")
    view = np.lib.stride_tricks.sliding_window_view(image, reach, axis=(1, 2))
    view = view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


def _reach(values: np.ndarray) -> int:
    """The largest magnitude in the array, as a Python integer."""
    return max(abs(int(values.min())), abs(int(values.max()))) if values.size else 0


def _product_types(values: np.ndarray, weights: np.ndarray) -> tuple[type, type]:
    """Types to multiply ``weights [N, K]`` in, and of the result: no sum, however ordered, needs more bits.

    Products and partial sums are integers of at most the largest row's sum of magnitudes times the largest value;
    floats hold these exactly up to 2 to the power of their significand's bits, 24 and 53.
    """
    # Magnitudes are added up in float64, which may round, so a little more is assumed.
    reach = int(np.abs(weights.astype(np.float64)).sum(axis=1).max(initial=0) * (1 + 2.0**-20)) * _reach(values)
    result = _result_type(reach)
    return np.float32 if reach <= 1 << 24 else np.float64 if reach <= 1 << 53 else result, result


def _result_type(reach: int) -> type:
    """int32 or int64, whichever holds magnitudes up to ``reach``."""
    if reach >= 1 << 63:
        raise ValueError(f"sums must stay within int64, not reach {reach}")
    return np.int32 if reach < 1 << 31 else np.int64


def _narrowest(lo: int, hi: int) -> type:
    """The narrowest signed type that holds all from ``lo`` to ``hi``."""
    return next(kind for kind in (np.int8, np.int16, np.int32, np.int64)
                if np.iinfo(kind).min <= lo and hi <= np.iinfo(kind).max)


def _type_of(values: np.ndarray) -> type:
    return _narrowest(int(values.min(initial=0)), int(values.max(initial=0)))
