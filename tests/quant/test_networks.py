"""Every network of the recipes, a few channels wide: it learns, and torch and its file meet at every quantiser."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from gatewright import compiler
from gatewright.compiler import reference
from gatewright.quant import boundaries, export, networks, networks_branch, networks_mobile
from gatewright.quant.layers import WEIGHTED, QuantConv2d

GREY = (1, 32, 32)
# Name: what builds it, a frame's shape, its outputs, and operators that it is there to bring to the compiler.
NETWORKS = {
    "mlp": (lambda: networks.MLP((20, 8, 6, 3), 3, 3, dropout=0.1), (20,), 3, {"Gemm": 3, "Relu": 2}),
    "lenet5 of one bit": (lambda: networks.LeNet5(1, 1, channels=(2, 4), hidden=(12, 8)), (1, 28, 28), 10,
                          {"Conv": 2, "MaxPool": 2, "BipolarQuant": 9}),
    "lenet5 of 8 bits": (lambda: networks.LeNet5(8, 8, channels=(2, 4), hidden=(12, 8)), (1, 28, 28), 10,
                         {"Conv": 2, "MaxPool": 2, "Quant": 9}),
    "cnv of one bit": (lambda: networks.CNV(1, 1, channels=(4, 4, 6), hidden=(8, 8)), (3, 32, 32), 10,
                       {"Conv": 6, "MaxPool": 2, "BipolarQuant": 17}),
    "cnv of 1 and 2 bits": (lambda: networks.CNV(1, 2, channels=(4, 4, 6), hidden=(8, 8)), (3, 32, 32), 10,
                            {"Conv": 6, "BipolarQuant": 9, "Quant": 8}),
    "vgg10-1d": (lambda: networks.VGG10(4, 4, blocks=3, channels=4, hidden=(8, 8)), (2, 64), 24,
                 {"Conv": 3, "MaxPool": 3, "Gemm": 3}),
    "autoencoder": (lambda: networks.Autoencoder(8, 8, inputs=40, hidden=8, code=3), (40,), 40,
                    {"Gemm": 10, "Relu": 8, "BatchNormalization": 10}),
    "mobilenet v1": (lambda: networks_mobile.MobileNetV1(4, 4, channels=(2, 4, 4, 4, 6)), GREY, 10,
                     {"Conv": 9, "AveragePool": 1}),
    "mobilenet v2": (lambda: networks_mobile.MobileNetV2(4, 4, channels=(2, 2, 4, 4), expansion=2, features=8), GREY,
                     10, {"Conv": 20, "Add": 4, "AveragePool": 1}),
    "shufflenet": (lambda: networks_mobile.ShuffleNet(4, 4, channels=4), GREY, 10,
                   {"Split": 2, "Concat": 4, "Transpose": 6, "AveragePool": 3}),
    "resnet8": (lambda: networks_branch.ResNet8(4, 4, channels=(2, 4, 6)), GREY, 10, {"Conv": 9, "Add": 3}),
    "squeezenet": (lambda: networks_branch.SqueezeNet(4, 4, channels=(8, 16, 16, 16)), GREY, 10,
                   {"Conv": 10, "Concat": 3, "MaxPool": 3}),
    "densenet": (lambda: networks_branch.DenseNet(4, 4, first=4, growth=2, layers=1), GREY, 10,
                 {"Concat": 3, "AveragePool": 3}),
}


def codes_of(shape):
    """Random bytes worth 1/256 each."""
    return lambda frames: torch.randint(0, 256, (frames, *shape)) / 256


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_learns_and_its_file_computes_its_integers(name, tmp_path, unsettle):
    build, shape, outputs, operators = NETWORKS[name]
    torch.manual_seed(0)
    module, draw = build(), codes_of(shape)

    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
    before = {path: parameter.detach().clone() for path, parameter in module.named_parameters()}
    nn.functional.mse_loss(module(draw(8)), torch.randn(8, outputs)).backward()
    optimiser.step()
    for path, parameter in module.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
        assert not torch.equal(parameter, before[path]), path

    unsettle(module, draw)
    path = export(module, tmp_path / "net.onnx", (1, *shape))
    nodes = [node.op_type for node in onnx.load(path).graph.node]
    for operator, count in operators.items():
        # The norm of the logits adds and subtracts a constant each.
        assert nodes.count(operator) - (operator == "Add") == count, operator

    codes = np.random.default_rng(1).integers(0, 256, (6, *shape))
    imported = compiler.load(path, input="uint8", input_scale="1/256").imported
    exact = reference.run_exact(imported.model, codes, imported.graph.spec)
    run = boundaries(module, codes / np.float32(256))
    plain = reference.run_plain(imported.model, codes, imported.graph.spec)
    assert set(exact.codes) == set(run.codes) == set(plain.codes)
    for quantiser, integers in run.codes.items():
        assert integers.min() < integers.max(), quantiser
    # Sums are exact, so a tie can only come from the norms' float32 expressions: none is expected, one is explained.
    for codes, outputs in ((run.codes, run.outputs), (plain.codes, plain.output)):
        explained = reference.explain(exact, codes, outputs)
        assert explained.outputs_compared >= 5


@pytest.mark.parametrize("name", NETWORKS)
def test_every_scale_is_a_power_of_two(name):
    """So codes times scales are exact in float32, and sums of them too."""
    for layer in NETWORKS[name][0]().modules():
        if isinstance(layer, WEIGHTED):
            weight = layer.quant_weight()
            mantissa, _ = np.frexp(weight.scale.detach().numpy())
            assert (mantissa == 0.5).all()
            whole = weight.value / weight.scale
            assert torch.equal(whole, whole.round())
            bits = int(weight.bit_width)
            assert whole.abs().max() <= max(1, (1 << (bits - 1)) - 1)


def test_depthwise_weights_have_a_scale_for_each_channel():
    torch.manual_seed(0)
    module = networks_mobile.MobileNetV1(4, 4)
    layers = [layer for layer in module.modules() if isinstance(layer, QuantConv2d) and layer.groups > 1]
    scales = [layer.quant_weight().scale for layer in layers]
    assert [scale.numel() for scale in scales] == [layer.out_channels for layer in layers] == [16, 32, 64, 64, 128]
    assert any(len(scale.unique()) > 1 for scale in scales)


@pytest.mark.parametrize("groups", [2, 3])
def test_a_shuffle_interleaves_the_groups(groups):
    x = torch.arange(12.0).reshape(1, 12, 1, 1)
    shuffled = networks_mobile._Shuffle(groups)(x).flatten().tolist()
    assert shuffled == [group * (12 // groups) + i for i in range(12 // groups) for group in range(groups)]
