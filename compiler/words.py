"""Integers to stream words and back: the lane order and the bits of every edge, as rows of little-endian bytes."""

from __future__ import annotations

import numpy as np

from .stream import NOTHING, PADDING, Edge

__all__ = ["lanes_of", "pack", "pack_lanes", "unpack", "unpack_lanes"]


def lanes_of(values: np.ndarray, edge: Edge) -> np.ndarray:
    """What each lane carries: int64 ``[frames, words, lanes]`` for a value's integers ``[frames, elements]``.

    Lanes that mean nothing hold the value's first element.
    """
    if values.shape[1] != edge.elements:
        raise ValueError(f"edge {edge.name!r} carries a value of {edge.elements} integers, not these {values.shape[1]}")
    lanes = values[:, np.maximum(edge.index, 0)].astype(np.int64)
    lanes[:, edge.index == PADDING] = edge.fill
    return lanes


def pack(values: np.ndarray, edge: Edge) -> np.ndarray:
    """Integers ``[frames, elements]`` as words: uint8 ``[frames * edge.words, ceil(edge.bits / 8)]``.

    The bits of lanes that mean nothing are 0.

    Raises
    ------
    ValueError
        If the elements are not those of the edge's value, or an integer is not of its type.
    """
    if not edge.type.holds(values):
        raise ValueError(f"edge {edge.name!r} carries {edge.type}, not these integers")
    lanes = lanes_of(values, edge)
    codes = (lanes > 0).astype(np.int64) if edge.type.bipolar else lanes
    codes[:, edge.index == NOTHING] = 0
    return pack_lanes(codes.reshape(-1, edge.lanes), edge.type.bits)


def pack_lanes(codes: np.ndarray, width: int) -> np.ndarray:
    """Rows of lanes, their low ``width`` bits each, as rows of bytes; lane 0 lowest."""
    bits = np.zeros((*codes.shape, width), dtype=np.uint8)
    for bit in range(width):
        bits[..., bit] = codes >> bit & 1
    return np.packbits(bits.reshape(len(codes), -1), axis=1, bitorder="little")


def unpack_lanes(rows: np.ndarray, edge: Edge) -> np.ndarray:
    """Words as what their lanes carry, ``[frames, words, lanes]``; words of an unfinished frame are left out."""
    frames, width = len(rows) // edge.words, edge.type.bits
    bits = np.unpackbits(rows[: frames * edge.words], axis=1, bitorder="little", count=edge.lanes * width)
    lanes = bits.reshape(frames, edge.words, edge.lanes, width)
    if edge.type.bipolar:
        return lanes[..., 0].astype(np.int8) * 2 - 1
    values = np.zeros(lanes.shape[:3], dtype=np.int32 if width < 32 else np.int64)
    for bit in range(width):
        plane = lanes[..., bit].astype(values.dtype) << bit
        # The top bit of a signed integer weighs negative.
        values += -plane if edge.type.signed and bit == width - 1 else plane
    return values


def unpack(rows: np.ndarray, edge: Edge) -> np.ndarray:
    """Words as the value's integers ``[frames, elements]``, for a stream that carries each element."""
    lanes = unpack_lanes(rows, edge)
    flat = edge.index.reshape(-1)
    there = flat >= 0
    values = np.zeros((len(lanes), edge.elements), dtype=lanes.dtype)
    values[:, flat[there]] = lanes.reshape(len(lanes), -1)[:, there]
    return values
