"""A frame's integers as bytes on the wire and back, by what ``design.json`` says of the streams at the design's ends.

This is written from the description alone and shares no code with the compiler, which describes the same words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError

__all__ = ["Stream", "Wire"]


@dataclass(frozen=True, eq=False)
class Stream:
    """A stream at the design's end: ``words`` words a frame, of ``len(index[0])`` integers each.

    ``index`` is ``[words, lanes]``: the element in each lane; -1 where the lane carries ``fill``, -2 where it means
    nothing. ``kind`` is "uint", "int" or "bipolar", of ``bits`` bits an integer.
    """

    kind: str
    bits: int
    elements: int
    index: np.ndarray
    fill: int = 0

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Stream:
        """A stream as ``design.json`` describes it.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an entry is missing, or not what it must be.
        """
        found = re.fullmatch(r"(u?int)([1-9]\d*)|bipolar", said["type"])
        if found is None:
            raise ValueError(f"stream type {said['type']!r}")
        lanes, words, elements = (int(said[key]) for key in ("lanes", "words", "elements"))
        if "index" in said:
            index = np.array(said["index"], dtype=np.int64)
        else:
            pixel = int(said["pixel"])
            groups = np.full((elements // pixel, -(-pixel // lanes) * lanes), -2)
            groups[:, :pixel] = np.arange(elements).reshape(-1, pixel)
            index = groups.reshape(-1, lanes)
        bits = int(found[2] or 1)
        if index.shape != (words, lanes) or index.max() >= elements or int(said["bits"]) != bits * lanes:
            raise ValueError("stream of contradicting sizes")
        return cls(found[1] or "bipolar", bits, elements, index, int(said.get("fill", 0)))

    @property
    def word_bytes(self) -> int:
        """Bytes of a word on the wire."""
        return -(-self.index.shape[1] * self.bits // 8)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame on the wire."""
        return self.word_bytes * len(self.index)

    @property
    def range(self) -> tuple[int, int]:
        """The least and the largest integer."""
        match self.kind:
            case "bipolar":
                return -1, 1
            case "int":
                return -(1 << self.bits - 1), (1 << self.bits - 1) - 1
        return 0, (1 << self.bits) - 1

    def pack(self, values: np.ndarray) -> np.ndarray:
        """Integers ``[frames, elements]`` as bytes, uint8 ``[frames, frame_bytes]``.

        Raises
        ------
        UserError
            If they are not so many, or not of the stream's type.
        """
        values = np.asarray(values)
        if values.ndim != 2 or values.shape[1] != self.elements or values.dtype.kind not in "iub":
            raise UserError(f"frames must be integers of shape [frames, {self.elements}], not {values.dtype} of "
                            f"{list(values.shape)}")
        values = values.astype(np.int64)
        lo, hi = self.range
        if values.size and (values.min() < lo or values.max() > hi or (self.kind == "bipolar" and (values == 0).any())):
            raise UserError(f"frames hold integers from {values.min()} to {values.max()}; the accelerator takes "
                            f"{self.kind if self.kind == 'bipolar' else f'{self.kind}{self.bits}'}")
        lanes = values[:, np.maximum(self.index, 0)]
        lanes[:, self.index == -1] = self.fill
        codes = (lanes > 0).astype(np.int64) if self.kind == "bipolar" else lanes
        codes[:, self.index == -2] = 0
        bits = (codes[..., None] >> np.arange(self.bits) & 1).astype(np.uint8)
        words, lanes = self.index.shape
        rows = np.packbits(bits.reshape(len(values), words, lanes * self.bits), axis=2, bitorder="little")
        return rows.reshape(len(values), self.frame_bytes)

    def unpack(self, received: np.ndarray) -> np.ndarray:
        """Bytes ``[frames, frame_bytes]`` as integers, int64 ``[frames, elements]``."""
        words, lanes = self.index.shape
        rows = np.asarray(received, dtype=np.uint8).reshape(len(received), words, self.word_bytes)
        bits = np.unpackbits(rows, axis=2, bitorder="little", count=lanes * self.bits)
        weights = 1 << np.arange(self.bits, dtype=np.int64)
        if self.kind == "int":
            weights[-1] = -weights[-1]
        carried = bits.reshape(len(rows), words * lanes, self.bits).astype(np.int64) @ weights
        if self.kind == "bipolar":
            carried = 2 * carried - 1
        flat = self.index.reshape(-1)
        values = np.zeros((len(rows), self.elements), dtype=np.int64)
        values[:, flat[flat >= 0]] = carried[:, flat >= 0]
        return values


@dataclass(frozen=True, eq=False)
class Wire:
    """What a host must know of a design: its name, its identity, and the streams at its ends."""

    name: str
    identity: bytes
    i: Stream
    o: Stream

    @classmethod
    def read(cls, description: Wire | Mapping[str, Any] | str | Path) -> Wire:
        """From a build folder, from its ``design.json``, or from that file's content.

        Raises
        ------
        UserError
            If the file is not there, or says not what is needed.
        """
        if isinstance(description, Wire):
            return description
        where, remedy = "description", "build it again with gatewright build"
        if not isinstance(description, Mapping):
            path = Path(description)
            path = path / "design.json" if path.is_dir() else path
            where = str(path)
            try:
                description = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                raise UserError("no such file", where=where,
                                remedy="make one with gatewright build MODEL -o DIR") from None
            except (OSError, ValueError) as error:
                raise UserError(f"cannot be read: {error}", where=where, remedy=remedy) from None
        if not isinstance(description, Mapping):
            raise UserError("holds no JSON object", where=where, remedy=remedy)
        try:
            streams = {stream["name"]: stream for stream in description["streams"]}
            wire = cls(str(description["name"]), bytes.fromhex(description["identity"]), Stream.read(streams["i"]),
                       Stream.read(streams["o"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"lacks or garbles {error}", where=where, remedy=remedy) from None
        return wire
