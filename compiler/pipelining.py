"""How far each layer's unit is pipelined: what people write, and what a critical path asks for."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UserError
from ..hdl.pipeline import DEGREES
from ..hdl.sparse_parameters import EngineParameters
from .dataflow import Dataflow

__all__ = ["cut", "deeper", "parse"]

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


def deeper(dataflow: Dataflow, pipelines: Sequence[int], units: Sequence[str], by: int = 1) -> tuple[int, ...] | None:
    """``by`` degrees more for each layer whose unit is among ``units``; None where nothing can be shorter."""
    # All degrees of a sparse engine above 0 are one.
    new = tuple(min(degree + by * (stage.name in units), 1 if isinstance(stage.parameters, EngineParameters) else _MOST)
                for stage, degree in zip(dataflow.layers, pipelines, strict=True))
    return None if new == tuple(pipelines) else new


def cut(dataflow: Dataflow, units: Sequence[str]) -> str | None:
    """The unit behind which a register slice cuts a path through several ``units``: half of them lie before it.

    None where the path is within one unit, or comes to a place that a FIFO cuts already.
    """
    able = {stage.name for stage in dataflow.stages if len(stage.outputs) == 1 and stage.output.name != "o"}
    path = [stage.name for stage in dataflow.stages if stage.name in units]
    halves = sorted(range(len(path) - 1), key=lambda place: abs(2 * place - (len(path) - 2)))
    fifos = {stage.name for stage in dataflow.fifos}
    return next((path[place] for place in halves
                 if path[place] in able and not {path[place], path[place + 1]} & fifos), None)


def _degree(text: str | int) -> int:
    try:
        degree = int(text)
    except (TypeError, ValueError):
        degree = -1
    if not 0 <= degree <= _MOST:
        raise UserError(f"{text!r} is no degree of pipelining", where="--pipeline",
                        remedy=f"say 0 to {_MOST}, or for some units as in fc0=2,fc1=1")
    return degree
