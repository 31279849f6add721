"""How far each layer's unit is pipelined: what people write, and what a critical path asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import UserError
from ..hdl.pipeline import DEGREES
from ..hdl.requantise import RequantiseParameters
from ..hdl.sparse_parameters import EngineParameters
from ..hdl.table import TableParameters
from ..hdl.threshold import ThresholdParameters
from .dataflow import Dataflow, Stage

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
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, degree = part.partition("=")
        if name in found:
            raise UserError(f"{name!r} is named twice", where="--pipeline", remedy="say one degree for each unit")
        if name not in layers:
            raise UserError(f"no layer's unit is called {name!r}", where="--pipeline",
                            remedy=f"the units are {', '.join(layers)}")
        found[name] = _degree(degree)
    return tuple(found.get(name, 0) for name in layers)


def deeper(dataflow: Dataflow, pipelines: Sequence[int], units: Sequence[str], by: int = 1) -> tuple[int, ...] | None:
    """``by`` degrees more for each layer whose unit is among ``units``; None where nothing can be shorter.

    Units that are pipelined like the layers before them take these along, to the first degree.
    """
    behind = {layer for stage in dataflow.stages if stage.name in units and _follows(stage)
              for layer in _layers_before(dataflow, stage)}
    new = []
    for stage, degree in zip(dataflow.layers, pipelines, strict=True):
        # All degrees of a sparse engine above 0 are one.
        most = 1 if isinstance(stage.parameters, EngineParameters) else _MOST
        more = min(degree + by * (stage.name in units), most)
        new.append(max(more, 1) if stage.name in behind else more)
    return None if new == list(pipelines) else tuple(new)


def _follows(stage: Stage) -> bool:
    """Whether a unit without weights is shorter between registers behind layers that are pipelined."""
    if not isinstance(stage.parameters, ThresholdParameters | TableParameters | RequantiseParameters):
        return False
    return replace(stage.parameters, pipeline=1).schedule.stages > stage.schedule.stages


def _layers_before(dataflow: Dataflow, stage: Stage) -> set[str]:
    """The units with weights whose sums reach a unit through others."""
    giver = {edge.name: each for each in dataflow.stages for edge in each.outputs}
    layers, found = {each.name for each in dataflow.layers}, set()
    waiting = [edge.name for edge in stage.inputs]
    while waiting:
        before = giver.get(waiting.pop())
        if before is not None and before.name in layers:
            found.add(before.name)
        elif before is not None:
            waiting += [edge.name for edge in before.inputs]
    return found


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
