"""The torch side of the comparison: which integers a module has at its boundaries. It knows no compiler.

The caller sets these beside the compiler's exact reference. At power-of-two scales every sum here is exact; what may
still differ by a tie is the float32 expression of a norm, which torch orders differently from ONNX.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .layers import QUANTISERS, WEIGHTED

__all__ = ["Boundaries", "boundaries"]


@dataclass(frozen=True, eq=False)
class Boundaries:
    """The integers after each activation quantiser, and what the network answers.

    ``codes``: int32 ``[batch, elements]`` each, elements in C order of torch's tensor, bipolar ones -1 and +1; in order
    of execution, by the names that ``export`` gives the tensors: ``layers.0.sign.out``, and ``block.join_2.out`` where
    a quantiser is called a second time, and ``output`` where it is the last. ``outputs``: float32 ``[batch, outputs]``.
    """

    codes: dict[str, np.ndarray]
    outputs: np.ndarray


def boundaries(module: nn.Module, x: np.ndarray | Tensor) -> Boundaries:
    """Run ``module`` in eval mode on float32 ``x`` ``[batch, ...]`` in its units, and listen at every quantiser.

    The module's mode and parameters are as before afterwards. Raises ``ValueError`` where a value is not a code times
    the quantiser's scale, one for the whole tensor.
    """
    listener = _Listener(module)
    training = module.training
    try:
        with torch.no_grad():
            outputs = module.eval()(torch.as_tensor(x, dtype=torch.float32))
    finally:
        module.train(training)
        listener.close()
    codes = {"output" if values is outputs else f"{path}.out": _codes(path, quantiser, values)
             for path, (quantiser, values) in listener.heard.items()}
    return Boundaries(codes, outputs.numpy())


class _Listener:
    """Follows the calls from module to module: a quantiser that several modules share goes by its caller's name."""

    def __init__(self, module: nn.Module):
        self.heard: dict[str, tuple[nn.Module, Tensor]] = {}
        self._callers: list[tuple[str, nn.Module]] = []
        self._hooks = []
        self._attach(module, set())

    def _attach(self, module: nn.Module, seen: set[nn.Module]) -> None:
        if module in seen:
            return
        seen.add(module)
        self._hooks += [module.register_forward_pre_hook(self._enter), module.register_forward_hook(self._leave)]
        if not isinstance(module, (*QUANTISERS, *WEIGHTED)):
            for child in module.children():
                self._attach(child, seen)

    def _enter(self, module: nn.Module, inputs) -> None:
        if not self._callers:
            self._callers.append(("", module))
            return
        path, caller = self._callers[-1]
        aliases = [name for name, inner in caller.named_modules(remove_duplicate=False) if inner is module]
        name = min(aliases, key=lambda alias: alias.count("."))  # what a module calls is mostly its own child
        self._callers.append((f"{path}.{name}" if path else name, module))

    def _leave(self, module: nn.Module, inputs, output: Tensor) -> None:
        path, _ = self._callers.pop()
        if isinstance(module, QUANTISERS):
            name, count = path, 1
            while name in self.heard:
                count += 1
                name = f"{path}_{count}"
            self.heard[name] = module, output

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()


def _codes(path: str, quantiser, output: Tensor) -> np.ndarray:
    """What was rounded to ``output``, which must be exactly that times the scale."""
    values, scale = output.flatten(1), quantiser.act_quant.scale()
    whole = torch.round(values / scale)
    if scale.numel() != 1 or not torch.equal(whole * scale, values):
        raise ValueError(f"activation quantiser {path!r} must give integers times one scale")
    return whole.to(torch.int32).numpy()
