"""A coded file of weights gives the words back to the design that it was made for, and to nobody if a bit is wrong."""

import zlib

import numpy as np
import pytest

import gatewright
from gatewright.compiler.checked import layouts_of
from gatewright.compiler.coded import identity_of, is_coded, unpacked
from gatewright.compiler.loading import unpack, write_coded, write_words
from gatewright.errors import UserError


@pytest.fixture(scope="module")
def design(trained):
    return gatewright.compile(trained[0], folding="2x2,2x1", memory="loadable")


@pytest.fixture(scope="module")
def file(trained, design, tmp_path_factory):
    path = tmp_path_factory.mktemp("coded") / "net.gwc"
    write_coded(design, trained[1], path)
    return path


def test_the_words_come_back(trained, design, file, tmp_path):
    words, said = unpacked(design, file)
    assert words == design.load_words(trained[1])
    assert said["design"] == "net"
    assert said["identity"] == identity_of(design)
    assert write_words(design, trained[1], tmp_path / "plain") == unpack(design, file, tmp_path / "unpacked") == words
    for path in sorted((tmp_path / "plain").iterdir()):
        assert (tmp_path / "unpacked" / path.name).read_bytes() == path.read_bytes()


def test_every_flipped_bit_of_the_file_is_refused(design, file, tmp_path):
    content, damaged = file.read_bytes(), tmp_path / "damaged.gwc"
    for place in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        damaged.write_bytes(flipped)
        with pytest.raises(UserError, match=r"^\S*damaged\.gwc: is (damaged: its CRC-32 should be [0-9a-f]{8} and is "
                                            r"[0-9a-f]{8}|no file of coded weights); make it anew with [^\n]*$"):
            unpacked(design, damaged)


@pytest.mark.parametrize("size", [0, 1, 8, 19, 100, -1])
def test_a_file_that_is_not_whole_is_refused(design, file, tmp_path, size):
    (tmp_path / "cut.gwc").write_bytes(file.read_bytes()[:size])
    with pytest.raises(UserError, match=r"is damaged|is no file of coded weights"):
        unpacked(design, tmp_path / "cut.gwc")


def sealed(path, content):
    path.write_bytes(content + zlib.crc32(content).to_bytes(4, "little"))
    return path


@pytest.mark.parametrize(("change", "message"), [
    (lambda body: body[:8] + b"\2" + body[9:], "is of version 2, and this Gatewright reads version 1"),
    (lambda body: body[:12] + b"\xff\xff\xff\x7f" + body[16:], "has no header that can be read"),
    (lambda body: body[:16] + b"[]" + body[18:], "has no header that can be read"),
    (lambda body: body.replace(b'"words": 1', b'"words": 2'), "has streams of other lengths than its header says"),
    (lambda body: body[:-4] + b"\0\0\0\0", "has a bad stream for load_fc1: the stream must end with the CRC-32"),
    (lambda body: body.replace(b'"load_fc1"', b'"load_fc2"'), "is for another design (net), or for another folding"),
])
def test_a_good_checksum_is_not_enough(design, file, tmp_path, change, message):
    body = file.read_bytes()[:-4]
    assert change(body) != body
    with pytest.raises(UserError) as caught:
        unpacked(design, sealed(tmp_path / "other.gwc", change(body)))
    assert message in str(caught.value)


def test_a_file_is_for_its_design_alone(trained, file):
    other = gatewright.compile(trained[0], folding="1x2,2x1", memory="loadable")
    with pytest.raises(UserError, match=r"is for another design \(net\), or for another folding of it; name the build"):
        unpacked(other, file)


def test_pruned_weights_take_few_bits(builder, tmp_path):
    """8-bit weights of which one in twenty is left, as they would be written and as they are coded."""
    rng = np.random.default_rng(4)
    weights = rng.integers(-127, 128, (64, 96)) * (rng.random((64, 96)) < 0.05)
    model = gatewright.load(builder((1, 96)).gemm(weights, 0.5, bits=8).save(tmp_path / "big.onnx"), input="uint4",
                            name="big")
    design = gatewright.compile(model, folding="8x8", memory="loadable")
    _, size = write_coded(design, model, tmp_path / "big.gwc")
    plain = sum(layout.plain_bits for layout in layouts_of(design.dataflow).values()) // 8
    assert plain >= weights.size
    assert size < plain / 3
    assert is_coded(tmp_path / "big.gwc")
    assert not is_coded(tmp_path / "big.onnx")
