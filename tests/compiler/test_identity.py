"""A design's identity: the same for every folding, another as soon as answers mean something else."""

import hashlib
import json

import numpy as np
import pytest

import gatewright
from gatewright.compiler.identity import identity_of


@pytest.fixture(scope="module")
def said(builder, tmp_path_factory):
    """Builds a network of 6 inputs and 4 outputs; returns its ``design.json``."""
    folder = tmp_path_factory.mktemp("identity")

    def make(seed=1, sizes=(6, 5, 4), input="uint3", folding="5x3,4x5", **options):
        rng = np.random.default_rng(seed)
        net = builder((1, sizes[0])).gemm(rng.choice([-1, 0, 1], (sizes[1], sizes[0])), 0.5, bits=3)
        net.quantise(1.0, 2, signed=False).gemm(rng.choice([-2, 0, 1], sizes[:0:-1]), 0.5, bits=3)
        model = gatewright.load(net.save(folder / "net.onnx"), input=input, name="net")
        place = folder / f"build{len(list(folder.iterdir()))}"
        gatewright.compile(model, folding=folding, **options).write(place)
        return json.loads((place / "design.json").read_text())

    return make


def test_the_identity_is_the_hash_of_what_answers_mean(said):
    description = said()
    first, last = description["streams"][0], description["streams"][-1]
    text = json.dumps({"i": {"bits": first["bits"], "lanes": 3, "type": "uint3", "words": 2},
                       "input": {"scale": "1", "shape": [6], "type": "uint3"},
                       "model": description["model"]["sha256"],
                       "o": {key: last[key] for key in ("bits", "lanes", "type", "words")},
                       "output": {"shape": description["output"]["shape"], "type": description["output"]["type"]},
                       "top1": False}, separators=(",", ":"))
    assert description["identity"] == hashlib.sha256(text.encode()).hexdigest()[:16] == identity_of(description).hex()


def test_a_folding_that_keeps_the_words_at_the_ends_keeps_the_identity(said):
    assert said()["identity"] == said(folding="5x3,4x3")["identity"]
    assert said(clock=12.0)["identity"] == said()["identity"]


@pytest.mark.parametrize("other", [{"seed": 2}, {"input": "uint2"}, {"top1": True}, {"folding": "5x2,4x5"},
                                   {"folding": "5x3,2x5"}])
def test_whatever_answers_or_wires_depend_on_changes_it(said, other):
    assert said(**other)["identity"] != said()["identity"]


def test_what_the_host_needs_of_the_ends_is_said(said):
    first, *_, last = said()["streams"]
    assert (first["name"], first["elements"], "index" in first) == ("i", 6, False)
    assert (last["name"], last["elements"], "index" in last) == ("o", 4, False)
