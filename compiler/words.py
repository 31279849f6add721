"""Integers to stream words and back: the lane order and the bits of every edge, as rows of little-endian bytes."""

from __future__ import annotations

import numpy as np

from .dataflow import Edge

__all__ = ["pack", "unpack"]


def pack(values: np.ndarray, edge: Edge) -> np.ndarray:
    """Integers ``[frames, channels]`` as words: uint8 ``[frames * edge.words, ceil(edge.bits / 8)]``, padding lanes 0.

    Raises
    ------
    ValueError
        If the channels are not those of the edge, or an integer is not of its type.
    """
    frames, channels = values.shape
    if channels != edge.channels or not edge.type.holds(values):
        raise ValueError(f"edge {edge.name!r} carries {edge.channels} x {edge.type}, not these {channels} integers")
    width = edge.type.bits
    codes = (values > 0 if edge.type.bipolar else values).astype(np.int64)
    lanes = np.zeros((frames, edge.words * edge.lanes, width), dtype=np.uint8)
    for bit in range(width):
        lanes[:, :channels, bit] = codes >> bit & 1
    return np.packbits(lanes.reshape(frames * edge.words, edge.lanes * width), axis=1, bitorder="little")


def unpack(rows: np.ndarray, edge: Edge) -> np.ndarray:
    """Words as integers ``[frames, channels]``, padding lanes dropped; words of an unfinished frame are left out."""
    frames, width = len(rows) // edge.words, edge.type.bits
    bits = np.unpackbits(rows[: frames * edge.words], axis=1, bitorder="little", count=edge.lanes * width)
    lanes = bits.reshape(frames, edge.words * edge.lanes, width)[:, : edge.channels]
    if edge.type.bipolar:
        return lanes[:, :, 0].astype(np.int8) * 2 - 1
    values = np.zeros(lanes.shape[:2], dtype=np.int32 if width < 32 else np.int64)
    for bit in range(width):
        plane = lanes[:, :, bit].astype(values.dtype) << bit
        # The top bit of a signed integer weighs negative.
        values += -plane if edge.type.signed and bit == width - 1 else plane
    return values
