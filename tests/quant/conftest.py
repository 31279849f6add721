"""What the tests of the networks share: random norms, and the exported file as ``qonnx`` executes it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Layers this small only lose by sharing, on busy cores tenfold."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def unsettle():
    """Give a module's norms random parameters and the statistics of some random frames; it is left in eval mode."""

    def work(module: nn.Module, draw, batches: int = 3) -> nn.Module:
        with torch.no_grad():
            for layer in module.modules():
                if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                    layer.weight.uniform_(0.5, 1.5)
                    layer.bias.uniform_(-0.5, 0.5)
                    layer.momentum = None  # the mean over all batches
            for _ in range(batches):
                module(draw(8))
        return module.eval()

    return work


@pytest.fixture
def run_qonnx():
    """Execute a file frame by frame: each quantiser's codes by tensor, ``[frames, elements]``, and the outputs.

    Codes are int64: what ``qonnx`` gives divided by the scale, exactly.
    """
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    def run(path, x: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ModelWrapper(str(path)).transform(InferShapes())
            contexts = [execute_onnx(model, {"input": frame[None]}, return_full_exec_context=True) for frame in x]
        constants = {tensor.name for tensor in model.graph.initializer}
        codes = {}
        for node in model.graph.node:
            if "Quant" not in node.op_type or node.input[0] in constants:
                continue
            values = np.stack([context[node.output[0]].reshape(-1) for context in contexts])
            whole = np.rint(values / model.get_initializer(node.input[1]))
            assert np.array_equal(whole * model.get_initializer(node.input[1]), values), node.name
            codes[node.output[0]] = whole.astype(np.int64)
        return codes, np.stack([context["output"].reshape(-1) for context in contexts])

    return run
