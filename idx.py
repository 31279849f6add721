"""IDX files, the format of MNIST, read safely: the one reader that training data and ``verify --data`` share.

It stands beside ``errors.py`` below every layer and imports numpy alone. A file is a stranger: the header is checked
before any memory is asked for, and a short, long, foreign or damaged file gives one clear line.

The format (LeCun, Cortes and Burges, "The MNIST database"): two zero bytes, a type code, the number of dimensions,
each dimension as a big-endian 32-bit integer, then the elements in C order, big-endian. ``.gz`` is read through gzip,
recognised by content and not by name.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import UserError

__all__ = ["LARGEST", "read_idx"]

#: The largest array accepted, in bytes: ten times MNIST's training images, and no surprise for anybody's memory.
LARGEST = 1 << 30

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, plain or gzipped, into an array in native byte order that owns its memory.

    Raises ``UserError`` for a missing, truncated, overlong, damaged, foreign or unreasonably large file.
    """
    path = Path(path)
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP
            raw.seek(0)
            if not zipped:
                return _read(raw, path)
            with gzip.GzipFile(fileobj=raw) as unzipped:
                return _read(unzipped, path)  # pyright: ignore[reportArgumentType]
    except FileNotFoundError:
        raise UserError("there is no such file", where=str(path)) from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as problem:
        raise UserError(
            f"the gzip data is damaged or cut short ({problem})",
            where=str(path),
            remedy="download or copy the file again",
        ) from None
    except OSError as problem:
        raise UserError(f"it cannot be read ({problem.strerror or problem})", where=str(path)) from None


def _read(file: BinaryIO, path: Path) -> np.ndarray:
    """Header, bounds, elements, end of file, in this order."""
    magic = _exactly(file, 4, path, "its header")
    zeros, code, rank = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0" or code not in _TYPES or not 1 <= rank <= 8:
        raise UserError(
            f"this is not an IDX file: it starts with the bytes {magic.hex(' ')}",
            where=str(path),
            remedy="an IDX file starts with 00 00, a type (08 for unsigned bytes) and the number of dimensions",
        )
    shape = struct.unpack(f">{rank}I", _exactly(file, 4 * rank, path, "its dimensions"))
    dtype = np.dtype(_TYPES[code])
    size = math.prod(shape) * dtype.itemsize
    claimed = " x ".join(map(str, shape))
    if size > LARGEST:
        raise UserError(f"its header claims {claimed} elements, {size} bytes; {LARGEST} are the limit", where=str(path))
    content = _exactly(file, size, path, f"the {claimed} elements that its header claims")
    if file.read(1):
        raise UserError(f"it goes on after the {claimed} elements that its header claims", where=str(path))
    return np.frombuffer(content, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _exactly(file: BinaryIO, count: int, path: Path, what: str) -> bytes:
    """``count`` bytes or an error; read in pieces, so that a false header costs no more memory than the file has."""
    pieces, missing = [], count
    while missing:
        piece = file.read(min(missing, 1 << 20))
        if not piece:
            raise UserError(
                f"the file is cut short: {missing} of {count} bytes of {what} are missing",
                where=str(path),
                remedy="download or copy the file again",
            )
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
