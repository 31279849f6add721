"""The identity of a design: 8 bytes that a board carries, so that a host knows what its answers mean before it asks.

Two builds have the same identity exactly if the same frames go in over the same wires and mean the same: the model, the
input's and output's types and shapes, whether the class is given, and the words of the streams at both ends. How the
core is folded is not part of it, nor are clocks and boards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["IDENTITY_BYTES", "identity_of"]

IDENTITY_BYTES = 8


def identity_of(said: Mapping[str, Any]) -> bytes:
    """The identity of a design, from what its ``design.json`` says: the first 8 bytes of a SHA-256 (FIPS 180-4).

    Hashed is the JSON text (keys sorted, no spaces, ASCII) of ``model`` (its SHA-256), ``input`` (type, scale, shape),
    ``output`` (type, shape), ``top1``, and ``i`` and ``o`` (lanes, words, bits and type of the streams at the ends).

    Raises
    ------
    KeyError
        If an entry is missing.
    """
    streams = {stream["name"]: stream for stream in said["streams"]}
    content = {
        "model": said["model"]["sha256"],
        "input": {key: said["input"][key] for key in ("type", "scale", "shape")},
        "output": {key: said["output"][key] for key in ("type", "shape")},
        "top1": said["top1"],
        **{end: {key: streams[end][key] for key in ("lanes", "words", "bits", "type")} for end in ("i", "o")},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()[:IDENTITY_BYTES]
