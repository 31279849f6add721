"""How far each layer's unit is pipelined: what people write, and what a critical path asks for."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UserError
from ..hdl.pipeline import DEGREES
from ..hdl.sparse_parameters import EngineParameters
from .dataflow import Dataflow

__all__ = ["deeper", "parse"]

_MOST = len(DEGREES) - 1


def parse(text: str | Sequence[int] | None, dataflow: Dataflow) -> tuple[int, ...]:
    """A degree for each layer of a design.

    Parameters
    ----------
    text
        ``"2"`` for all, ``"fc0=2,conv1=1"`` for some by the name of their unit, numbers for all layers
        in order, or None.

    Raises
    ------
    UserError
        If a degree or a name is not one.
    """
    layers = [stage.name for stage in dataflow.layers]
    if text is None:
        return (0,) * len(layers)
    if not isinstance(text, str):
        if len(text) != len(layers):
            raise UserError(f"{len(text)} degrees for {len(layers)} layers", where="--pipeline",
                            remedy="give one for each layer")
        return tuple(_degree(degree) for degree in text)
    if "=" not in text:
        return (_degree(text),) * len(layers)
    found = dict.fromkeys(layers, 0)
    for part in text.split(","):
        name, _, degree = part.partition("=")
        if name not in found:
            raise UserError(f"no layer's unit is called {name!r}", where="--pipeline",
                            remedy=f"the units are {', '.join(layers)}")
        found[name] = _degree(degree)
    return tuple(found.values())


def deeper(dataflow: Dataflow, pipelines: Sequence[int], units: Sequence[str]) -> tuple[int, ...] | None:
    """One degree more for each layer whose unit is among ``units``; None where nothing can be shorter."""
    # All degrees of a sparse engine above 0 are one.
    new = tuple(min(degree + (stage.name in units), 1 if isinstance(stage.parameters, EngineParameters) else _MOST)
                for stage, degree in zip(dataflow.layers, pipelines, strict=True))
    return None if new == tuple(pipelines) else new


def _degree(text: str | int) -> int:
    try:
        degree = int(text)
    except (TypeError, ValueError):
        degree = -1
    if not 0 <= degree <= _MOST:
        raise UserError(f"{text!r} is no degree of pipelining", where="--pipeline",
                        remedy=f"say 0 to {_MOST}, or for some units as in fc0=2,fc1=1")
    return degree
