"""Integers as bytes: the driver packs words from ``design.json`` alone, and they are the compiler's words."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.ir import IntType
from gatewright.compiler.stream import NOTHING, PADDING, Edge, grouped
from gatewright.compiler.words import pack, unpack
from gatewright.driver.wire import Stream, Wire
from gatewright.errors import UserError


@st.composite
def edges(draw):
    """A stream of some pixels, or with elements in any order and lanes that carry none."""
    kind = draw(st.sampled_from([IntType(1), IntType(3), IntType(8), IntType(5, True), IntType(17, True),
                                 IntType(1, bipolar=True)]))
    pixel, pixels, lanes = draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(st.integers(1, 9))
    index = grouped(np.arange(pixel * pixels).reshape(pixels, pixel), lanes)
    said = {"name": "i", "type": str(kind), "pixel": pixel, "lanes": lanes, "words": len(index),
            "bits": lanes * kind.bits, "elements": pixel * pixels}
    fill = 0
    if draw(st.booleans()):
        index = index[draw(st.permutations(range(len(index))))]
        if draw(st.booleans()):
            index, fill = np.concatenate([index, np.full((1, lanes), PADDING)]), kind.lo
            index[-1, -1] = NOTHING
        said |= {"index": index.tolist(), "fill": fill, "words": len(index)}
    return Edge("i", "x", kind, index.astype(np.int32), pixel, pixel * pixels, fill), said


@given(edges(), st.integers(1, 3), st.integers(0, 1 << 20))
def test_words_are_the_compilers_padded_to_bytes(case, frames, seed):
    edge, said = case
    kind = edge.type
    rng = np.random.default_rng(seed)
    values = rng.integers(kind.lo, kind.hi + 1, (frames, edge.elements))
    if kind.bipolar:
        values = np.where(values >= 0, 1, -1)
    stream = Stream.read(json.loads(json.dumps(said)))
    packed = stream.pack(values)
    assert packed.dtype == np.uint8
    assert packed.shape == (frames, stream.frame_bytes)
    assert np.array_equal(packed.reshape(-1, stream.word_bytes), pack(values, edge))
    assert np.array_equal(stream.unpack(packed), values)
    assert np.array_equal(stream.unpack(packed), unpack(packed.reshape(-1, stream.word_bytes), edge))


def described(**stream):
    said = {"name": "i", "type": "uint3", "pixel": 4, "lanes": 2, "words": 2, "bits": 6, "elements": 4}
    return {"name": "net", "identity": "00" * 8, "streams": [said | stream, said | {"name": "o"}]}


def test_a_build_folder_its_design_json_and_its_content_say_the_same(tmp_path):
    path = tmp_path / "design.json"
    path.write_text(json.dumps(described()))
    for said in (tmp_path, path, str(path), described()):
        wire = Wire.read(said)
        assert (wire.name, wire.identity, wire.i.frame_bytes, wire.o.elements) == ("net", bytes(8), 2, 4)
    assert Wire.read(wire) is wire


@pytest.mark.parametrize(("change", "message"), [
    ({"type": "float32"}, "description: lacks or garbles stream type 'float32'"),
    ({"words": 3}, "description: lacks or garbles stream of contradicting sizes"),
    ({"bits": 7}, "description: lacks or garbles stream of contradicting sizes"),
    ({"lanes": None}, "description: lacks or garbles int")])
def test_a_description_that_is_damaged_is_one_line(change, message):
    with pytest.raises(UserError) as error:
        Wire.read(described(**change))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("content", ["[]", "{", '{"name": "net"}'])
def test_so_is_a_file_that_is_none(tmp_path, content):
    (tmp_path / "design.json").write_text(content)
    with pytest.raises(UserError, match=r"design.json: .*build it again with gatewright build$"):
        Wire.read(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        Wire.read(tmp_path / "nothing")


def test_frames_of_another_type_are_refused():
    stream = Stream.read(described()["streams"][0])
    with pytest.raises(UserError, match=r"^frames hold integers from 0 to 8; the accelerator takes uint3$"):
        stream.pack(np.array([[0, 1, 2, 8]]))
    with pytest.raises(UserError, match=r"^frames must be integers of shape \[frames, 4\], not float64 of \[1, 4\]$"):
        stream.pack(np.zeros((1, 4)))
