"""What networks are built of: a layer with its norm and its quantiser, under readable names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from .layers import QuantHardTanh, QuantIdentity, QuantReLU, TensorNorm, conv, linear, relu

__all__ = ["conv_block", "dense_block", "dense_layers", "global_average", "logits_block"]

_NAMES = {QuantHardTanh: "tanh", QuantIdentity: "sign", QuantReLU: "relu"}


def dense_block(inputs: int, outputs: int, weights: int, act: nn.Module, *, dropout: float = 0.0,
                norm: type[nn.Module] = nn.BatchNorm1d) -> nn.Sequential:
    """Linear with weights of so many bits, batch norm, the quantiser ``act``, and dropout."""
    return _named(linear=linear(inputs, outputs, weights), norm=norm(outputs), **_act(act),
                  dropout=nn.Dropout(dropout) if dropout else None)


def logits_block(inputs: int, outputs: int, weights: int) -> nn.Sequential:
    """The last layer of a classifier: linear, and one norm for all logits."""
    return _named(linear=linear(inputs, outputs, weights), norm=TensorNorm())


def dense_layers(sizes: Sequence[int], weights: int, act: Callable[[], nn.Module], *,
                 dropout: float = 0.0) -> nn.Sequential:
    """Dense blocks of sizes ``sizes[0]`` (inputs) to ``sizes[-1]`` (classes), the last one giving logits."""
    hidden = [dense_block(*pair, weights, act(), dropout=dropout) for pair in pairwise(sizes[:-1])]
    return nn.Sequential(*hidden, logits_block(sizes[-2], sizes[-1], weights))


def conv_block(inputs: int, outputs: int, kernel: int, weights: int, act: nn.Module | None = None, *, dims: int = 2,
               pool: int = 0, norm: type[nn.Module] | None = None, **how) -> nn.Sequential:
    """Convolution (:func:`.layers.conv` takes ``how``), batch norm, the quantiser ``act``, and max pooling by ``pool``.

    Without ``act``, a quantiser shared with other branches is to follow.
    """
    return _named(
        conv=conv(inputs, outputs, kernel, weights, dims=dims, **how),
        norm=(norm or (nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d))(outputs),
        **_act(act),
        pool=(nn.MaxPool1d if dims == 1 else nn.MaxPool2d)(pool) if pool else None,
    )


def global_average(size: int, bits: int = 8) -> nn.Sequential:
    """The mean of a quantised ``size`` x ``size`` image as a vector, quantised again; exact if ``size`` is 2 ** n."""
    return _named(pool=nn.AvgPool2d(size), flatten=nn.Flatten(), relu=relu(bits))


def _act(act: nn.Module | None) -> dict[str, nn.Module]:
    """The quantiser under a name that says what it is."""
    return {} if act is None else {_NAMES[type(act)]: act}


def _named(**parts: nn.Module | None) -> nn.Sequential:
    """The parts that are there, in this order, under these names."""
    return nn.Sequential(OrderedDict((name, part) for name, part in parts.items() if part is not None))
