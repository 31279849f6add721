"""Read a model file without trusting it.

Everything that can be wrong with the file itself is found here, before any work: its kind, its size, what its tensors
claim, where its external data lies. Nothing is allocated on a claim, nothing outside the model's folder is opened, and
nothing is unpickled.
"""

from __future__ import annotations

import math
import stat
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from onnx import numpy_helper

from ...errors import UserError

__all__ = ["LIMIT", "load_model"]

LIMIT = 1 << 30
"""The most bytes that a model file, and all its tensors together, may have."""

_EXPORT = "export the model again with brevitas.export.export_qonnx"
# The first bytes of files that people pass by mistake.
_OTHER_KINDS = (
    (b"PK\x03\x04", "a zip archive (a PyTorch checkpoint is one)", _EXPORT),
    (b"\x80\x02", "a Python pickle, which is never loaded", _EXPORT),
    (b"\x80\x03", "a Python pickle, which is never loaded", _EXPORT),
    (b"\x80\x04", "a Python pickle, which is never loaded", _EXPORT),
    (b"\x80\x05", "a Python pickle, which is never loaded", _EXPORT),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x89HDF", "an HDF5 file", "export the model to QONNX"),
)
_DTYPES = {
    int(onnx.TensorProto.FLOAT): np.float32, onnx.TensorProto.DOUBLE: np.float64, onnx.TensorProto.FLOAT16: np.float16,
    onnx.TensorProto.INT64: np.int64, onnx.TensorProto.INT32: np.int32, onnx.TensorProto.INT16: np.int16,
    onnx.TensorProto.INT8: np.int8, onnx.TensorProto.UINT8: np.uint8, onnx.TensorProto.UINT16: np.uint16,
    onnx.TensorProto.UINT32: np.uint32, onnx.TensorProto.UINT64: np.uint64, onnx.TensorProto.BOOL: np.bool_,
}
_TYPED_FIELDS = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data")


def load_model(path: str | Path) -> onnx.ModelProto:
    """The model in ``path`` with every tensor checked, finite, and inside the message.

    Raises
    ------
    UserError
        If the file is missing, no regular file, empty, larger than ``LIMIT``, truncated or not ONNX; if a tensor
        claims other than what the file holds, is not finite, or lies outside the model's folder.
    """
    path = Path(path)
    data = _read(path)
    model = _parse(path, data)
    total = 0
    for tensor, where in _tensors(model):
        total += _check_tensor(path, tensor, where, LIMIT - total)
    return model


def _read(path: Path) -> bytes:
    where = str(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UserError("there is no such file", where=where, remedy="give the path of a QONNX model") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be opened ({error})", where=where, remedy="give the path of a QONNX model") from None
    if stat.S_ISDIR(status.st_mode):
        raise UserError("is a directory", where=where, remedy="give the path of a QONNX model file")
    if not stat.S_ISREG(status.st_mode):
        raise UserError("is not a regular file", where=where, remedy="give the path of a QONNX model file")
    if status.st_size == 0:
        raise UserError("is empty", where=where, remedy=_EXPORT)
    if status.st_size > LIMIT:
        raise UserError(f"has {status.st_size} bytes; at most {LIMIT} are read", where=where,
                        remedy="check that it is a model")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=where, remedy="check its permissions") from None


def _parse(path: Path, data: bytes) -> onnx.ModelProto:
    for magic, kind, remedy in _OTHER_KINDS:
        if data.startswith(magic):
            raise UserError(f"is {kind}, not an ONNX model", where=str(path), remedy=remedy)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise UserError("is not an ONNX model, or is truncated", where=str(path), remedy=_EXPORT) from None
    if not _is_text(model):
        raise UserError("holds names that are not UTF-8: it is damaged", where=str(path), remedy=_EXPORT)
    if not model.ir_version or not model.HasField("graph"):
        raise UserError("is not an ONNX model: it has no graph", where=str(path), remedy=_EXPORT)
    if model.ir_version > onnx.IR_VERSION:
        raise UserError(f"is written in ONNX IR version {model.ir_version}; supported are those up to "
                        f"{onnx.IR_VERSION}", where=str(path), remedy="export it with an older onnx")
    return model


def _is_text(message: Any) -> bool:
    """Whether every string is one: protobuf gives ``bytes`` where it is not UTF-8."""
    for field, value in message.ListFields():
        parts = (value,) if isinstance(value, Message | str | bytes | int | float) else value
        if field.type == field.TYPE_STRING and not all(isinstance(part, str) for part in parts):
            return False
        if field.type == field.TYPE_MESSAGE and not all(_is_text(part) for part in parts):
            return False
    return True


def _tensors(model: onnx.ModelProto):
    """Every tensor of the main graph with the words that say where it is."""
    graph = model.graph
    if graph.sparse_initializer:
        raise UserError("sparse initializers are not supported",
                        where=f"tensor {graph.sparse_initializer[0].values.name!r}", remedy="store the tensor densely")
    for tensor in graph.initializer:
        yield tensor, f"tensor {tensor.name!r}"
    for node in graph.node:
        for attribute in node.attribute:
            where = f"node {node.name or (node.output[0] if node.output else '')!r} ({node.op_type})"
            if attribute.HasField("t"):
                yield attribute.t, where
            for tensor in attribute.tensors:
                yield tensor, where
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise UserError("sparse tensors are not supported", where=where, remedy="store the tensor densely")


def _check_tensor(path: Path, tensor: onnx.TensorProto, where: str, allowance: int) -> int:
    """Check one tensor against the bytes that it has, bring external data inside, and give its size in bytes."""
    if tensor.data_type not in _DTYPES:
        types = ", ".join(np.dtype(t).name for t in _DTYPES.values())
        known = {number: name for name, number in onnx.TensorProto.DataType.items()}.get(tensor.data_type, "unknown")
        raise UserError(f"has elements of type {known}; supported are {types}", where=where,
                        remedy="export weights as float32")
    dims = list(tensor.dims)
    if any(d < 0 for d in dims):
        raise UserError(f"has a negative dimension in {dims}", where=where, remedy=_EXPORT)
    itemsize = np.dtype(_DTYPES[tensor.data_type]).itemsize
    size = math.prod(dims) * itemsize
    if size > allowance:
        raise UserError(f"claims {dims}, {size} bytes; all tensors together may have {LIMIT}", where=where,
                        remedy="check that the file is what it should be")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        data = _external(path, tensor, where, size)
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT
        for name in _TYPED_FIELDS:
            tensor.ClearField(name)
        tensor.raw_data = data
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != size:
            raise UserError(f"claims {dims}, {size} bytes, but the file holds {len(tensor.raw_data)}", where=where,
                            remedy=_EXPORT)
    else:
        held = sum(len(getattr(tensor, name)) for name in _TYPED_FIELDS)
        if held != math.prod(dims):
            raise UserError(f"claims {dims}, {math.prod(dims)} elements, but the file holds {held}", where=where,
                            remedy=_EXPORT)
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise UserError(f"cannot be read as {dims} ({error})", where=where, remedy=_EXPORT) from None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError("holds NaN or infinite values", where=where,
                        remedy="train again with a lower learning rate, or repair the checkpoint")
    return size


def _external(path: Path, tensor: onnx.TensorProto, where: str, size: int) -> bytes:
    """The bytes of a tensor stored beside the model; never any of a file outside the model's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    folder = path.parent.resolve()
    inside = "keep external data beside the model"
    named = Path(location)
    if not location or "\0" in location or named.is_absolute() or ".." in named.parts or "\\" in location:
        raise UserError(f"lies in {location!r}, outside the model's folder", where=where, remedy=inside)
    file = (folder / named).resolve()
    if not file.is_relative_to(folder):
        raise UserError(f"lies in {location!r}, a link out of the model's folder", where=where, remedy=inside)
    if not file.is_file():
        raise UserError(f"lies in {location!r}, which is not there", where=where,
                        remedy="copy the data file beside the model")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
    except ValueError:
        raise UserError(f"has a malformed place in {location!r}", where=where, remedy=_EXPORT) from None
    if length != size:
        raise UserError(f"claims {list(tensor.dims)}, {size} bytes, but {location!r} holds {length} for it",
                        where=where, remedy=_EXPORT)
    if offset < 0 or offset + size > file.stat().st_size:
        raise UserError(f"reaches beyond the end of {location!r}", where=where,
                        remedy="copy the data file again, it is truncated")
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)
