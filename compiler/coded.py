"""One file with new weights for a design that is built, coded and checked: what ``loading`` writes, in fewer bits.

    8 bytes     ``GWcoded`` and a newline
    4 bytes     the version of what follows, 1
    4 bytes     bytes of the header
    header      JSON: the design and its identity, the model, the ports in order, what the host does with the output
    streams     of each port in order, words of 32 bits (``coding.coded``), each with a CRC-32 of its own
    4 bytes     the CRC-32 of all before

Integers have their lowest byte first. A stream can be given to ``hdl.checked_load`` as it is.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import numpy as np

from ..coding import coded
from ..errors import UserError
from .build import as_json
from .checked import layouts_of
from .compiled import Compiled

__all__ = ["MAGIC", "identity_of", "is_coded", "packed", "unpacked"]

MAGIC = b"GWcoded\n"
VERSION = 1
_WORD = 4


def identity_of(design: Compiled) -> str:
    """What a design must have in common with another to take the same files: its name, its ports, their words."""
    return hashlib.sha256(repr((design.name, tuple(layouts_of(design.dataflow).items()))).encode()).hexdigest()


def is_coded(path: Path) -> bool:
    """Whether a file is meant to be one of coded weights: by its name, or by how it begins."""
    if path.suffix == ".gwc":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def packed(design: Compiled, words: dict[str, tuple[int, ...]], said: dict) -> bytes:
    """The file's bytes, for words by unit; ``said`` goes into the header."""
    layouts = layouts_of(design.dataflow)
    streams = {unit: coded.encode(layout, words[unit], f"load_{unit}") for unit, layout in layouts.items()}
    ports = [{"port": f"load_{unit}", "words": len(stream)} for unit, stream in streams.items()]
    header = as_json(said | {"identity": identity_of(design), "ports": ports})
    parts = [MAGIC, VERSION.to_bytes(4, "little"), len(header).to_bytes(4, "little"), header]
    body = b"".join(parts + [stream.astype("<u4").tobytes() for stream in streams.values()])
    return body + zlib.crc32(body).to_bytes(4, "little")


def unpacked(design: Compiled, path: Path) -> tuple[dict[str, tuple[int, ...]], dict]:
    """The words by unit, and the header, of a file for this design.

    Raises
    ------
    UserError
        If the file is damaged in any bit, no such file, or made for another design.
    """
    content = path.read_bytes()
    again = "make it anew with gatewright weights --coded, and copy it whole"
    start = len(MAGIC) + 8
    if len(content) < start + 4 or not content.startswith(MAGIC):
        raise UserError("is no file of coded weights", where=str(path), remedy=again)
    expected, found = int.from_bytes(content[-4:], "little"), zlib.crc32(content[:-4])
    if expected != found:
        raise UserError(f"is damaged: its CRC-32 should be {expected:08x} and is {found:08x}", where=str(path),
                        remedy=again)
    version, size = (int.from_bytes(content[at : at + 4], "little") for at in (start - 8, start - 4))
    if version != VERSION:
        raise UserError(f"is of version {version}, and this Gatewright reads version {VERSION}", where=str(path),
                        remedy=again)
    try:
        said = json.loads(content[start : start + size])
        lengths = [int(port["words"]) for port in said["ports"]]
        names, identity, name = [str(port["port"]) for port in said["ports"]], said["identity"], said["design"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"has no header that can be read ({error})", where=str(path), remedy=again) from None
    layouts = layouts_of(design.dataflow)
    if identity != identity_of(design) or names != [f"load_{unit}" for unit in layouts]:
        raise UserError(f"is for another design ({name}), or for another folding of it", where=str(path),
                        remedy="name the build that it was made for, or make it anew for this one")
    if start + size + _WORD * sum(lengths) + 4 != len(content) or min(lengths) < 0:
        raise UserError("has streams of other lengths than its header says", where=str(path), remedy=again)
    words, at = {}, start + size
    for (unit, layout), length in zip(layouts.items(), lengths, strict=True):
        stream = np.frombuffer(content[at : at + _WORD * length], dtype="<u4")
        at += _WORD * length
        try:
            words[unit] = tuple(coded.decode(layout, stream, f"load_{unit}"))
        except ValueError as error:
            raise UserError(f"has a bad stream for load_{unit}: {error}", where=str(path), remedy=again) from None
    return words, said
