"""What the tests of compression share: a small network trained on the digits, once."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from gatewright.quant import Trainer, load
from gatewright.quant.networks_lenet import LeNet300
from gatewright.quant.trainer import reproducible


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data():
    """The digits, as a compression sees them: 19 batches an epoch."""
    return Trainer(load("digits"), (64,), scale=Fraction(1, 16), batch=64, validation=200, progress=False)


@pytest.fixture(scope="session")
def trained(data):
    """64-24-16-10, weights of 8 bits. Tests must not change it."""
    with reproducible(0):
        module = LeNet300(8, 4, inputs=64, hidden=(24, 16))
        data.fit(module, 6, 1e-2)
    return module


@pytest.fixture
def network():
    """An untrained 64-24-16-10 of its own for each test."""
    torch.manual_seed(0)
    return LeNet300(8, 4, inputs=64, hidden=(24, 16))
