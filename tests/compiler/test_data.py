"""Frames on their way into the accelerator: any array of as many elements, unless it says that they lie otherwise."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gatewright.compiler.data import encode
from gatewright.compiler.ir import InputSpec, IntType
from gatewright.errors import UserError

SPEC = InputSpec(IntType(4, False), Fraction(1), (3, 4, 5))


@pytest.mark.parametrize("kind", [np.int64, np.float32])
@pytest.mark.parametrize("shape", [(60,), (3, 4, 5), (1, 3, 4, 5), (3, 4, 1, 5), (60, 1)])
def test_frames_of_another_rank_are_reshaped(kind, shape):
    x = np.random.default_rng(0).integers(0, 16, size=(7, 3, 4, 5)).astype(kind)
    np.testing.assert_array_equal(encode(x.reshape(7, *shape), SPEC), x.transpose(0, 2, 3, 1).reshape(7, 60))


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_channels_last_is_no_order_to_guess_at(kind):
    """Nothing would differ between hardware and model; both would see scrambled images."""
    with pytest.raises(UserError) as refusal:
        encode(np.zeros((7, 4, 5, 3), dtype=kind), SPEC)
    assert str(refusal.value) == (
        "--data: frames have the shape [4, 5, 3]; the model takes [3, 4, 5], which is another order of as many "
        "elements; transpose them, as in x.transpose(0, 3, 1, 2) for channels that come last; or reshape them")


def test_a_vector_may_come_as_an_image():
    spec = InputSpec(IntType(4, False), Fraction(1), (60,))
    np.testing.assert_array_equal(encode(np.ones((2, 4, 5, 3), dtype=np.int64), spec), np.ones((2, 60)))
