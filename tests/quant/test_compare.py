"""What the torch side reports at its boundaries, against a plain integer computation."""

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.quant import boundaries, export
from gatewright.quant.layers import relu, signed
from gatewright.quant.networks import BinaryMLP


def test_boundaries_are_the_integers_of_the_network():
    torch.manual_seed(5)
    module = BinaryMLP((12, 8, 6, 5), dropout=0.5)
    for _ in range(4):
        module(torch.rand(30, 12))
    x = np.random.default_rng(2).random((40, 12), dtype=np.float32)
    result = boundaries(module, x)
    assert list(result.codes) == ["input_sign.out", "layers.0.sign.out", "layers.1.sign.out"]
    assert module.training
    assert all(code.dtype == np.int32 for code in result.codes.values())

    codes = np.where(2 * x - 1 >= 0, 1, -1)
    assert np.array_equal(result.codes["input_sign.out"], codes)
    for index in (0, 1):
        block = module.layers[index]
        sums = codes @ np.where(block.linear.weight.detach().numpy() >= 0, 1, -1).T
        norm = block.norm
        # In float64, and never on the threshold with random statistics: the sign is beyond doubt.
        mean, variance = norm.running_mean.double().numpy(), norm.running_var.double().numpy()
        codes = np.where((sums - mean) / np.sqrt(variance + norm.eps) >= 0, 1, -1)
        assert np.array_equal(result.codes[f"layers.{index}.sign.out"], codes)
    assert result.outputs.shape == (40, 5)
    last = codes @ np.where(module.layers[2].linear.weight.detach().numpy() >= 0, 1, -1).T
    assert np.array_equal(last.argmax(1), result.outputs.argmax(1))


class Shared(nn.Module):
    """One quantiser called by two modules, by the outer one twice."""

    def __init__(self):
        super().__init__()
        join = signed(3)
        self.first = nn.Sequential(join)
        self.join = join
        self.relu = relu(4)

    def forward(self, x):
        return self.relu(self.join(self.first(x)) + self.join(x + 1))


def test_every_call_of_a_shared_quantiser_is_listened_to_under_its_name_in_the_file(tmp_path, run_qonnx):
    x = np.array([[-2.0, -0.3, 0.2, 0.7, 5.0]], dtype=np.float32)
    result = boundaries(Shared(), x)
    codes = {name: code.tolist()[0] for name, code in result.codes.items()}
    assert codes == {"first.0.out": [-3, -1, 0, 1, 3], "join.out": [-3, -1, 0, 1, 3], "join_2.out": [-2, 1, 2, 3, 3],
                     "output": [0, 0, 8, 15, 15]}
    assert result.outputs.tolist() == [[0, 0, 1, 1.875, 1.875]]
    in_file, _ = run_qonnx(export(Shared(), tmp_path / "net.onnx", (1, 5)), x)
    assert {name: code.tolist()[0] for name, code in in_file.items()} == codes


def test_images_are_flattened_channels_first():
    x = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2) / 8
    assert boundaries(nn.Sequential(relu(4)), x).codes["output"].tolist() == [list(range(12))]


def test_a_quantiser_with_several_scales_is_refused():
    from brevitas.nn import QuantIdentity

    several = QuantIdentity(scaling_per_output_channel=True, per_channel_broadcastable_shape=(1, 2, 1, 1),
                            scaling_stats_permute_dims=(1, 0, 2, 3))
    with pytest.raises(ValueError, match="activation quantiser '0' must give integers times one scale"):
        boundaries(nn.Sequential(several), np.ones((1, 2, 3, 3), dtype=np.float32))
