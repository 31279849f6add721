"""Data files: frames and labels from ``.npy``, ``.npz`` and IDX files, and their way into the accelerator's codes."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..idx import read_idx
from .ir import InputSpec

__all__ = ["Data", "encode", "read"]


@dataclass(frozen=True, eq=False)
class Data:
    """Frames ``x [frames, …]``, integer or float, and labels ``y [frames]`` or None."""

    x: np.ndarray
    y: np.ndarray | None = None

    def first(self, frames: int | None) -> Data:
        """The first so many frames, or all."""
        return self if frames is None else Data(self.x[:frames], None if self.y is None else self.y[:frames])


def read(path: Path, labels: Path | None = None) -> Data:
    """Read a data file: ``.npy``, ``.npz`` with ``x`` and perhaps ``y``, or IDX, also ``.gz``.

    Labels come from ``labels``, else from the ``.npz``, else from the IDX file of labels that MNIST's naming puts
    beside a file of images.

    Raises
    ------
    UserError
        If a file cannot be read, or frames and labels do not match. No pickle is ever loaded.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("no such file" if not path.exists() else "not a file", where=str(path),
                        remedy="give a .npy, .npz or IDX file")
    y = None
    if path.suffix == ".npz":
        arrays = _numpy(path)
        if "x" not in arrays:
            raise UserError(f"holds {', '.join(sorted(arrays)) or 'nothing'}, but no array 'x'", where=str(path),
                            remedy="save it with numpy.savez(file, x=frames, y=labels)")
        x, y = arrays["x"], arrays.get("y")
    elif path.suffix == ".npy":
        x = _numpy(path)["x"]
    else:
        try:
            x = read_idx(path)
        except UserError as error:
            raise UserError(f"is read as IDX for its name ends neither in .npy nor .npz: {error.what}", where=str(path),
                            remedy="save other data with numpy.savez(file, x=frames, y=labels)") from None
        beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
        if labels is None and beside != path and beside.is_file():
            labels = beside
    if labels is not None:
        y = read(labels).x
    if x.dtype.kind not in "iufb" or x.ndim < 1 or not len(x):
        raise UserError(f"holds {x.dtype} of shape {list(x.shape)}; frames must be integers or floats, at least one",
                        where=str(path))
    if y is not None and (y.dtype.kind not in "iu" or y.shape != (len(x),)):
        raise UserError(f"labels are {y.dtype} of shape {list(y.shape)}; {len(x)} integers are needed, one a frame",
                        where=str(labels or path))
    return Data(x, y)


def _numpy(path: Path) -> dict[str, Any]:
    """The arrays ``x`` and ``y`` of a file; of an ``.npz`` with neither, the names that it has."""
    try:
        with path.open("rb") as file:  # np.load leaves a file of its own open when it fails
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"x": loaded}
            found = {name: loaded[name] for name in loaded.files if name in ("x", "y")}
            return found or dict.fromkeys(loaded.files)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    except (ValueError, EOFError, MemoryError, zipfile.BadZipFile):
        # NumPy's own words advise to unpickle, which nobody should.
        raise UserError("cannot be read as a NumPy file of plain numbers", where=str(path),
                        remedy="save arrays with numpy.save or numpy.savez (no objects)") from None


def encode(x: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Codes int64 ``[frames, elements]`` in stream order of frames in the model's order.

    Integer arrays are codes already, floats become codes as the host does it.

    Raises
    ------
    UserError
        If the frames are not of the model's shape, or a value is not of the accelerator's input type.
    """
    elements = math.prod(spec.shape)
    given, wanted = ([size for size in shape if size > 1] for shape in (x.shape[1:], spec.shape))
    if math.prod(given) == elements and given != wanted and len(given) > 1 and len(wanted) > 1:
        raise UserError(f"frames have the shape {list(x.shape[1:])}; the model takes {list(spec.shape)}, which is "
                        "another order of as many elements", where="--data", remedy="transpose them, as in "
                        "x.transpose(0, 3, 1, 2) for channels that come last; or reshape them")
    if x.dtype.kind == "f":
        return spec.encode(x)
    if math.prod(given) != elements:
        raise UserError(f"frames have the shape {list(x.shape[1:])}; the model takes {list(spec.shape)}",
                        where="--data")
    codes = x.reshape(len(x), elements).astype(np.int64)
    if not spec.type.holds(codes):
        raise UserError(
            f"holds integers from {codes.min()} to {codes.max()}, but the accelerator takes {spec.type} codes",
            where="--data", remedy="build with --input and --input-scale for this data (as in --input uint8 "
            "--input-scale 1/255), or give floats in the model's own units")
    return spec.to_stream(codes)
