"""Files that are no models, or lie about what they hold, end in one line; what they claim is never allocated."""

from __future__ import annotations

import gzip
import pickle
import resource
import zipfile

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from gatewright.compiler import passes
from gatewright.compiler.frontend import import_model
from gatewright.compiler.frontend.load import LIMIT, load_model
from gatewright.errors import UserError

AGAIN = "export the model again with brevitas.export.export_qonnx"


def refusal(path) -> str:
    with pytest.raises(UserError) as error:
        load_model(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def model(builder):
    return builder().sign().gemm(np.ones((4, 8))).model()


def written(path, model):
    path.write_bytes(model.SerializeToString())
    return path


def test_missing_file(tmp_path):
    path = tmp_path / "none.onnx"
    assert refusal(path) == f"{path}: there is no such file; give the path of a QONNX model"


def test_directory(tmp_path):
    assert refusal(tmp_path) == f"{tmp_path}: is a directory; give the path of a QONNX model file"


def test_device():
    assert refusal("/dev/null") == "/dev/null: is not a regular file; give the path of a QONNX model file"


def test_path_with_a_zero_byte():
    assert refusal("a\0b") == "a\0b: cannot be opened (embedded null byte); give the path of a QONNX model"


def test_empty_file(tmp_path):
    path = tmp_path / "empty.onnx"
    path.touch()
    assert refusal(path) == f"{path}: is empty; {AGAIN}"


def test_file_that_is_too_large(tmp_path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as stream:
        stream.truncate(3 << 30)
    assert refusal(path) == f"{path}: has {3 << 30} bytes; at most {LIMIT} are read; check that it is a model"


def test_text(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("This is no model.\n")
    assert refusal(path) == f"{path}: is not an ONNX model, or is truncated; {AGAIN}"


def test_pickle(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    assert refusal(path) == f"{path}: is a Python pickle, which is never loaded, not an ONNX model; {AGAIN}"


def test_zip(tmp_path):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"")
    assert refusal(path) == f"{path}: is a zip archive (a PyTorch checkpoint is one), not an ONNX model; {AGAIN}"


def test_gzip(tmp_path, model):
    path = tmp_path / "model.onnx.gz"
    path.write_bytes(gzip.compress(model.SerializeToString()))
    assert refusal(path) == f"{path}: is a gzip archive, not an ONNX model; unpack it first"


@pytest.mark.parametrize("part", [1, 10, 50, 99])
def test_truncated(tmp_path, model, part):
    path, data = tmp_path / "model.onnx", model.SerializeToString()
    path.write_bytes(data[:len(data) * part // 100])
    message = refusal(path)
    assert message in (f"{path}: is not an ONNX model, or is truncated; {AGAIN}",
                       f"{path}: is not an ONNX model: it has no graph; {AGAIN}")


def test_no_graph(tmp_path):
    path = written(tmp_path / "model.onnx", onnx.ModelProto(ir_version=8))
    assert refusal(path) == f"{path}: is not an ONNX model: it has no graph; {AGAIN}"


def test_newer_ir(tmp_path, model):
    model.ir_version = 99
    path = written(tmp_path / "model.onnx", model)
    assert refusal(path) == (f"{path}: is written in ONNX IR version 99; supported are those up to {onnx.IR_VERSION}; "
                             "export it with an older onnx")


def test_not_a_number(tmp_path, builder):
    latent = np.ones((4, 8))
    latent[2, 3] = np.nan
    path = builder().sign().gemm(latent).save(tmp_path / "model.onnx")
    assert refusal(path) == ("tensor 'c1': holds NaN or infinite values; train again with a lower learning rate, or "
                             "repair the checkpoint")


def test_infinity_in_a_constant_node(tmp_path, builder):
    net = builder().node("Constant", value=onnx.numpy_helper.from_array(np.float32([np.inf])))
    assert refusal(net.save(tmp_path / "model.onnx")) == (
        "node 'Constant_0' (Constant): holds NaN or infinite values; train again with a lower learning rate, or repair "
        "the checkpoint")


def test_strings(tmp_path, model):
    model.graph.initializer[1].data_type = TensorProto.STRING
    assert refusal(written(tmp_path / "model.onnx", model)) == (
        "tensor 'c1': has elements of type STRING; supported are float32, float64, float16, int64, int32, int16, int8, "
        "uint8, uint16, uint32, uint64, bool; export weights as float32")


def test_three_gigabytes_claimed(tmp_path, model):
    model.graph.initializer[1].dims[:] = [30000, 26843]
    path = written(tmp_path / "model.onnx", model)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(path) == ("tensor 'c1': claims [30000, 26843], 3221160000 bytes; all tensors together may have "
                             "1073741824; check that the file is what it should be")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 18  # KiB: nothing like it was allocated


def test_many_large_claims(tmp_path, model):
    """Each is allowed alone; the bytes are checked before the next is looked at."""
    for tensor in model.graph.initializer[:2]:
        tensor.dims[:] = [1 << 27]
    assert refusal(written(tmp_path / "model.onnx", model)) == (
        f"tensor 'c0': claims [134217728], 536870912 bytes, but the file holds 4; {AGAIN}")


@pytest.mark.parametrize("raw", [True, False])
def test_more_claimed_than_held(tmp_path, model, raw):
    tensor = model.graph.initializer[1]
    if not raw:
        tensor.float_data.extend(np.frombuffer(tensor.raw_data, np.float32))
        tensor.ClearField("raw_data")
    tensor.dims[:] = [1000, 1000]
    assert refusal(written(tmp_path / "model.onnx", model)) == (
        "tensor 'c1': claims [1000, 1000], " + ("4000000 bytes, but the file holds 128; " if raw else
                                                "1000000 elements, but the file holds 32; ") + AGAIN)


def test_negative_dimension(tmp_path, model):
    model.graph.initializer[1].dims[0] = -4
    path = written(tmp_path / "model.onnx", model)
    assert refusal(path) == f"tensor 'c1': has a negative dimension in [-4, 8]; {AGAIN}"


def external(path, model, **entries):
    """The model with its weights in a file of their own, as the entries say, and that file's bytes."""
    tensor = model.graph.initializer[1]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": 0, "length": len(data), **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return written(path, model), data


def test_external_data(tmp_path, model):
    path, data = external(tmp_path / "model.onnx", model, offset=3)
    (tmp_path / "weights.bin").write_bytes(b"abc" + data)
    tensor = load_model(path).graph.initializer[1]
    assert tensor.raw_data == data
    assert tensor.data_location == TensorProto.DEFAULT
    assert not tensor.external_data


def test_external_data_in_a_folder_below(tmp_path, model):
    path, data = external(tmp_path / "model.onnx", model, location="data/weights.bin")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights.bin").write_bytes(data)
    assert load_model(path).graph.initializer[1].raw_data == data


@pytest.mark.parametrize("location", ["../weights.bin", "data/../../weights.bin", "/etc/passwd", "", "..\\weights.bin"])
def test_external_data_outside(tmp_path, model, location):
    folder = tmp_path / "inside"
    folder.mkdir()
    path, data = external(folder / "model.onnx", model, location=location)
    (tmp_path / "weights.bin").write_bytes(data)
    assert refusal(path) == (f"tensor 'c1': lies in {location!r}, outside the model's folder; keep external data "
                             "beside the model")


def test_external_data_through_a_link(tmp_path, model):
    folder = tmp_path / "inside"
    folder.mkdir()
    path, data = external(folder / "model.onnx", model)
    (tmp_path / "secret").write_bytes(data)
    (folder / "weights.bin").symlink_to(tmp_path / "secret")
    assert refusal(path) == ("tensor 'c1': lies in 'weights.bin', a link out of the model's folder; keep external data "
                             "beside the model")


def test_external_data_missing(tmp_path, model):
    path, _ = external(tmp_path / "model.onnx", model)
    assert refusal(path) == ("tensor 'c1': lies in 'weights.bin', which is not there; copy the data file beside the "
                             "model")


def test_external_data_too_short(tmp_path, model):
    path, data = external(tmp_path / "model.onnx", model)
    (tmp_path / "weights.bin").write_bytes(data[:-1])
    assert refusal(path) == ("tensor 'c1': reaches beyond the end of 'weights.bin'; copy the data file again, it is "
                             "truncated")


@pytest.mark.parametrize(("entries", "message"), [
    ({"length": 8}, f"tensor 'c1': claims [4, 8], 128 bytes, but 'weights.bin' holds 8 for it; {AGAIN}"),
    ({"offset": -8}, "tensor 'c1': reaches beyond the end of 'weights.bin'; copy the data file again, it is truncated"),
    ({"offset": "x"}, f"tensor 'c1': has a malformed place in 'weights.bin'; {AGAIN}"),
])
def test_external_data_misplaced(tmp_path, model, entries, message):
    path, data = external(tmp_path / "model.onnx", model, **entries)
    (tmp_path / "weights.bin").write_bytes(data)
    assert refusal(path) == message


def test_sparse_initializer(tmp_path, model):
    model.graph.sparse_initializer.add().values.name = "s"
    assert refusal(written(tmp_path / "model.onnx", model)) == (
        "tensor 's': sparse initializers are not supported; store the tensor densely")


def test_names_that_are_not_utf8(tmp_path, model):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString().replace(b"BipolarQuant_0", b"BipolarQ\xff\xfent_0"))
    assert refusal(path) == f"{path}: holds names that are not UTF-8: it is damaged; {AGAIN}"


@settings(deadline=None, max_examples=300)
@given(edits=st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(max_size=3), st.integers(0, 4)), min_size=1,
                      max_size=3))
def test_damaged_files_end_in_one_line_or_in_a_graph(tmp_path_factory, network, edits):
    """Bytes replaced, inserted and removed anywhere: never a traceback, whatever the damage."""
    data = bytearray(network(np.random.default_rng(1), (4, 3, 2)).model().SerializeToString())
    for place, inserted, removed in edits:
        data[place % len(data):place % len(data) + removed] = inserted
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(data)
    message = ""
    try:
        passes.run(import_model(path).graph)
    except UserError as error:
        message = str(error)
    assert "\n" not in message
