"""Networks that are chains of layers: dense ones, and convolutions that end in dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from .blocks import conv_block, dense_block, dense_layers
from .layers import activation, hard_tanh, linear, sign, symmetric

__all__ = ["CNV", "MLP", "VGG10", "Autoencoder", "BinaryMLP", "LeNet5"]


class MLP(nn.Module):
    """Dense layers of sizes ``sizes[0]`` (inputs) to ``sizes[-1]`` (outputs), from codes times a scale.

    ``dropout`` follows every hidden activation and leaves no trace in eval mode.
    """

    def __init__(self, sizes: Sequence[int], weights: int, activations: int, *, dropout: float = 0.0):
        super().__init__()
        self.layers = dense_layers(sizes, weights, partial(activation, activations), dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class BinaryMLP(nn.Module):
    """Dense layers of sizes ``sizes[0]`` (inputs) to ``sizes[-1]`` (classes), all w1a1, as BNN-PYNQ's TFC, SFC and LFC.

    Takes ``[batch, sizes[0]]`` values in [0, 1], which become ``sign(2x - 1)``; gives ``[batch, sizes[-1]]`` logits.
    ``dropout`` follows every hidden sign, ``input_dropout`` the input's; neither leaves a trace in eval mode.
    """

    def __init__(self, sizes: Sequence[int], *, dropout: float = 0.0, input_dropout: float = 0.0):
        super().__init__()
        self.input_sign = sign()
        self.input_dropout = nn.Dropout(input_dropout) if input_dropout else nn.Identity()
        self.layers = dense_layers(sizes, 1, sign, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.input_dropout(self.input_sign(2.0 * x - 1.0)))


class LeNet5(nn.Module):
    """LeCun et al., 1998, with max pooling: ``[batch, 1, 28, 28]`` codes times a scale to ``[batch, 10]`` logits.

    5 x 5 convolutions to ``channels`` channels (the first padded by 2), each pooled by 2, then dense layers.
    """

    def __init__(self, weights: int, activations: int, *, channels: Sequence[int] = (6, 16),
                 hidden: Sequence[int] = (120, 84)):
        super().__init__()
        first, second = channels
        act = partial(activation, activations)
        self.features = nn.Sequential(
            conv_block(1, first, 5, weights, act(), padding=2, pool=2),
            conv_block(first, second, 5, weights, act(), pool=2),
        )
        self.layers = dense_layers((25 * second, *hidden, 10), weights, act)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.features(x).flatten(1))


class CNV(nn.Module):
    """BNN-PYNQ's CNV (Umuroglu et al., "FINN", 2017): ``[batch, 3, 32, 32]`` to ``[batch, 10]`` logits.

    Six 3 x 3 convolutions without padding, two for each of three ``channels``, pooled by 2 after the second and the
    fourth; then dense layers. As there, activations of 2 bits are -1, 0 and 1.
    """

    def __init__(self, weights: int, activations: int, *, channels: Sequence[int] = (64, 128, 256),
                 hidden: Sequence[int] = (512, 512)):
        super().__init__()
        small, middle, large = channels
        act = partial(symmetric, activations)
        self.features = nn.Sequential(
            conv_block(3, small, 3, weights, act()),
            conv_block(small, small, 3, weights, act(), pool=2),
            conv_block(small, middle, 3, weights, act()),
            conv_block(middle, middle, 3, weights, act(), pool=2),
            conv_block(middle, large, 3, weights, act()),
            conv_block(large, large, 3, weights, act()),
        )
        self.layers = dense_layers((large, *hidden, 10), weights, act)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.features(x).flatten(1))


class VGG10(nn.Module):
    """The 1-D VGG of RadioML (O'Shea et al., 2018): ``[batch, 2, 8 << blocks]`` signals to ``[batch, 24]`` logits.

    ``blocks`` convolutions of kernel 3, padded by 1, to ``channels`` channels, each pooled by 2; then dense layers.
    """

    def __init__(self, weights: int, activations: int, *, blocks: int = 7, channels: int = 64,
                 hidden: Sequence[int] = (128, 128)):
        super().__init__()
        act = partial(activation, activations)
        self.features = nn.Sequential(*(
            conv_block(channels if index else 2, channels, 3, weights, act(), dims=1, padding=1, pool=2)
            for index in range(blocks)
        ))
        self.layers = dense_layers((8 * channels, *hidden, 24), weights, act)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.features(x).flatten(1))


class Autoencoder(nn.Module):
    """MLPerf Tiny's anomaly detector: ``[batch, inputs]`` values in [0, 1] through a narrow code and back again.

    Four hidden layers of ``hidden``, the code of ``code`` values between -1 and 1, four more, and the input's estimate.
    """

    def __init__(self, weights: int, activations: int, *, inputs: int = 640, hidden: int = 128, code: int = 8):
        super().__init__()
        act = partial(activation, activations)

        def four(first: int) -> list[nn.Sequential]:
            sizes = (first, *[hidden] * 4)
            return [dense_block(sizes[i], sizes[i + 1], weights, act()) for i in range(4)]

        self.encoder = nn.Sequential(*four(inputs), dense_block(hidden, code, weights, hard_tanh(activations)))
        self.decoder = nn.Sequential(*four(code))
        self.estimate = linear(hidden, inputs, weights)
        self.norm = nn.BatchNorm1d(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.estimate(self.decoder(self.encoder(x))))
