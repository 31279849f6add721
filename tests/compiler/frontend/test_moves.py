"""Operators that move elements, alone and before a layer that needs them in place, against plain ``qonnx``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.compiler.ir import Rearrange

RNG = np.random.default_rng(7)
I64 = np.int64


def small(*shape):
    return RNG.integers(-3, 4, size=shape)


def kinds(graph):
    return [node.kind if isinstance(node, Rearrange) else type(node).__name__ for node in graph.nodes]


# What moves an image [1, 4, 4, 6], and the word that people are given for it.
MOVES = {
    "transpose": (lambda net: net.node("Transpose", perm=[0, 1, 3, 2]), "transpose"),
    "channels of other places": (lambda net: net.node("Transpose", perm=[0, 2, 3, 1]), "transpose"),
    "slice": (lambda net: net.node("Slice", ..., I64([1, 0]), I64([4, 99]), I64([1, 3]), I64([1, 2])), "slice"),
    "backwards": (lambda net: net.node("Slice", ..., I64([-1]), I64([-99]), I64([2]), I64([-1])), "slice"),
    "split": (lambda net: net.node("Split", ..., I64([1, 3]), axis=1, outputs=2).at(net.last + "_1"), "split"),
    "gather": (lambda net: net.node("Gather", ..., I64([2, 0, -1]), axis=1), "gather"),
    "one row": (lambda net: net.node("Gather", ..., I64(1), axis=2).node("Unsqueeze", ..., I64([2])), "gather"),
    "shuffle": (lambda net: net.node("Reshape", ..., I64([1, 2, 2, 4, 6])).node(
        "Transpose", perm=[0, 2, 1, 3, 4]).node("Reshape", ..., I64([0, -1, 4, 6])), "shuffle"),
    "upsample": (lambda net: net.node("Resize", ..., "", np.float32([1, 1, 2, 3]), mode="nearest"), "upsample"),
    "upsample to a size": (lambda net: net.node("Resize", ..., "", "", I64([1, 4, 8, 6]), mode="nearest",
                                                coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
                           "upsample"),
    "depth to space": (lambda net: net.node("DepthToSpace", blocksize=2), "depth to space"),
    "pixel shuffle": (lambda net: net.node("DepthToSpace", blocksize=2, mode="CRD"), "depth to space"),
    "space to depth": (lambda net: net.node("SpaceToDepth", blocksize=2), "space to depth"),
    "zeros around": (lambda net: net.node("Pad", ..., I64([0, 1, 0, 2, 0, 0, 1, 0]), np.float32(0)), "pad"),
    "mirrored edges": (lambda net: net.node("Pad", ..., I64([0, 0, 1, 2, 0, 0, 1, 0]), mode="reflect"), "pad"),
    "repeated edges": (lambda net: net.node("Pad", ..., I64([0, 0, 1, 2, 0, 0, 1, 0]), mode="edge"), "pad"),
    "cut off": (lambda net: net.node("Pad", ..., I64([0, 0, -1, 0, 0, 0, 0, -2])), "pad"),
    "tile": (lambda net: net.node("Tile", ..., I64([1, 2, 1, 1])), "tile"),
    "expand": (lambda net: net.node("Slice", ..., I64([0]), I64([1]), I64([1])).node("Expand", ..., I64([1, 3, 1, 1])),
               "expand"),
    "another image": (lambda net: net.node("Reshape", ..., I64([1, 2, 8, 6])), "reshape"),
}

USUAL = ("zeros around", "another image")
"""Those that leave the stream in the usual order: by a unit of their own, or because C order stays."""


@pytest.mark.parametrize("name", list(MOVES))
def test_moved_images_are_rearranged_once_before_a_convolution(builder, agrees, name):
    make, word = MOVES[name]
    net = builder((1, 4, 4, 6), opset=13)
    make(net)
    channels = {"slice": 3, "split": 3, "gather": 3, "depth to space": 1, "space to depth": 16}.get(word, 4)
    channels = {"channels of other places": 4, "backwards": 4, "one row": 4, "zeros around": 5, "tile": 8, "expand": 3,
                "another image": 2}.get(name, channels)
    graph = agrees(net.conv(small(3, channels, 1, 1), 0.5, [1, 2, 3]))
    assert kinds(graph) == [word, "Conv"]


@pytest.mark.parametrize("name", list(MOVES))
def test_moves_at_the_end_are_left_to_the_host(builder, agrees, name):
    graph = agrees(MOVES[name][0](builder((1, 3, 4, 6), opset=13).conv(small(4, 3, 1, 1), 0.5)))
    assert kinds(graph) == (["Conv", "pad"] if name == "zeros around" else ["Conv"])
    assert (graph.order is None) == (name in USUAL)


@pytest.mark.parametrize("name", list(MOVES))
def test_codes_of_moved_tensors_keep_their_place(builder, agrees, name):
    """A quantiser works where the integers lie; the value says where its tensor's elements are."""
    net = MOVES[name][0](builder((1, 3, 4, 6), opset=13).conv(small(4, 3, 1, 1), 0.5))
    graph = agrees(net.quantise(1.0, 4, signed=False))
    assert (graph.nodes[-1].output.order is None) == (name in USUAL)


def test_older_spellings(builder, agrees):
    net = builder((1, 4, 4, 4), opset=9).node("Slice", starts=[1], ends=[3], axes=[1])
    net.node("Upsample", ..., np.float32([1, 1, 2, 2]), mode="nearest").node("Pad", pads=[0, 0, 1, 1, 0, 0, 1, 1])
    graph = agrees(net.conv(small(2, 2, 3, 3)))
    assert kinds(graph) == ["upsample", "Conv"]
    net = builder((1, 4, 6), opset=10).node("Resize", ..., np.float32([1, 1, 2]), mode="nearest")
    assert kinds(agrees(net.conv(small(2, 4, 3)))) == ["upsample", "Conv"]


def test_elements_in_order_need_no_move(builder, agrees):
    net = builder((1, 4, 4, 6)).node("Transpose", perm=[0, 2, 3, 1]).node("Reshape", ..., I64([1, 24, 4]))
    net.node("Transpose", perm=[0, 2, 1]).node("Reshape", ..., I64([1, 4, 4, 6]))
    graph = agrees(net.conv(small(2, 4, 2, 2)))
    assert kinds(graph) == ["Conv"]


def test_readers_share_what_was_moved(builder, agrees):
    net = builder((1, 4, 4, 4)).node("Transpose", perm=[0, 1, 3, 2])
    moved = net.last
    left = net.conv(small(2, 4, 1, 1)).last
    graph = agrees(net.at(moved).conv(small(2, 4, 1, 1)).node("Add", ..., left))
    assert kinds(graph) == ["transpose", "Conv", "Conv", "Add"]


def test_constants_follow_their_channels(builder, agrees):
    net = builder((1, 3, 4, 4)).conv(small(4, 3, 1, 1), 0.5).node("DepthToSpace", blocksize=2)
    graph = agrees(net.norm([2], [1], [3], [3], epsilon=1.0).quantise(1.0, 4))
    assert kinds(graph) == ["Conv", "Elementwise", "Quantise"]
    net = builder((1, 3, 4, 4)).conv(small(4, 3, 1, 1), 0.5).node("SpaceToDepth", blocksize=2)
    graph = agrees(net.node("Mul", ..., np.float32([1, 2] * 8).reshape(1, 16, 1, 1)).quantise(1.0, 4))
    assert kinds(graph) == ["Conv", "Elementwise", "Quantise"]
    net = builder((1, 3, 4, 4)).conv(small(4, 3, 1, 1), 0.5).node("SpaceToDepth", blocksize=2)
    graph = agrees(net.node("Mul", ..., np.float32(2.0 ** (np.arange(16) % 5)).reshape(1, 16, 1, 1)).quantise(1.0, 4))
    assert kinds(graph) == ["Conv", "space to depth", "Elementwise", "Quantise"]


def test_a_constant_for_each_feature_of_a_flattened_image(builder, agrees):
    net = builder((1, 3, 2, 2)).conv(small(4, 3, 1, 1), 0.5).node("Flatten")
    net.norm(2.0 ** (np.arange(16) % 3), np.arange(16), np.arange(16), [3] * 16, epsilon=1.0).quantise(1.0, 4)
    graph = agrees(net.gemm(small(3, 16), bits=4))
    assert kinds(graph) == ["Conv", "flatten", "Elementwise", "Quantise", "MatMul"]


def test_the_first_quantiser_sees_the_models_order(builder, agrees):
    net = builder((1, 2, 3, 4)).node("Mul", ..., np.float32([[[2]], [[0.5]]])).node("Transpose", perm=[0, 3, 1, 2])
    net.node("Add", ..., np.float32([1, 2, 3, 4]).reshape(1, 4, 1, 1)).quantise(0.5, 5)
    graph = agrees(net.conv(small(2, 4, 2, 2)), None)
    assert graph.input.shape == (3, 4, 2)
    assert graph.input.order is not None
    assert kinds(graph) == ["transpose", "Conv"]


STEPS = st.lists(st.sampled_from(["reverse", "swap", "shuffle", "roll", "flatten", "widen"]), min_size=1, max_size=6)


@settings(max_examples=25)
@given(STEPS)
def test_any_chain_of_moves(builder, agrees, steps):
    """However elements wander, a product sees them where the model does."""
    net = builder((1, 2, 2, 6))
    for step in steps:
        match step:
            case "reverse":
                net.node("Slice", ..., I64([-1]), I64([-99]), I64([1]), I64([-1]))
            case "swap":
                net.node("Reshape", ..., I64([1, 4, 6])).node("Transpose", perm=[0, 2, 1])
            case "shuffle":
                net.node("Reshape", ..., I64([1, 3, 2, 4])).node("Transpose", perm=[0, 3, 2, 1])
            case "roll":
                net.node("Reshape", ..., I64([1, 24])).node("Gather", ..., np.roll(np.arange(24), 5), axis=1)
            case "flatten":
                net.node("Flatten")
            case "widen":
                net.node("Reshape", ..., I64([1, 24, 1, 1]))
    net.node("Flatten").gemm(small(3, 24), 0.5, bits=4)
    assert kinds(agrees(net, frames=2)) == ["MatMul"]
