"""The torch side of the comparison: which integers a module has at its boundaries. It knows no compiler.

The caller sets these beside the compiler's exact reference. At a scale of 1 every sum here is exact; what may still
differ by a tie is the float32 expression of a norm, which torch orders differently from ONNX.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .layers import QuantIdentity

__all__ = ["Boundaries", "boundaries"]


@dataclass(frozen=True, eq=False)
class Boundaries:
    """The integers after each activation quantiser, and what the network answers.

    ``codes``: in order of execution, int8 -1 or +1 ``[batch, channels]`` each, and ``names``: the quantisers' paths in
    the module, ``layers.0.sign``; ``logits``: float32 ``[batch, classes]``.
    """

    names: tuple[str, ...]
    codes: tuple[np.ndarray, ...]
    logits: np.ndarray


def boundaries(module: nn.Module, x: np.ndarray | Tensor) -> Boundaries:
    """Run ``module`` in eval mode on float32 ``x`` ``[batch, inputs]`` in the model's units, and listen at every sign.

    The module's mode and parameters are as before afterwards. Raises ``ValueError`` when a quantiser is not bipolar.
    """
    codes: dict[str, np.ndarray] = {}

    def listen(path: str):
        def hook(layer: nn.Module, inputs, output: Tensor) -> None:
            values = output.numpy()
            if not (np.abs(values) == np.abs(values).max()).all():
                raise ValueError(f"activation quantiser {path!r} must give two values, -s and +s")
            codes[path] = np.where(values > 0, 1, -1).astype(np.int8)

        return hook

    hooks = [
        layer.register_forward_hook(listen(path))
        for path, layer in module.named_modules()
        if isinstance(layer, QuantIdentity)
    ]
    training = module.training
    try:
        with torch.no_grad():
            logits = module.eval()(torch.as_tensor(x, dtype=torch.float32)).numpy()
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return Boundaries(tuple(codes), tuple(codes.values()), logits)
