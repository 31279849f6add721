"""A model read, and a model compiled: the objects that hold every choice made, and the two functions that make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import takewhile
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..hdl.matrix import MEMORIES
from ..sim import toolchain
from ..sim.dataflow import Prediction, predict
from . import data, emit, frontend, host, passes, pipelining
from .choosing import choose_engines, family_of
from .costing import Estimate
from .dataflow import Dataflow, size
from .engine import allowed, balanced
from .execute import run_golden
from .fitting import plan
from .folding import Choice, Work, parse, work_of
from .goal import Goal, check_clock
from .ir import ArgMax, Dense, Graph, IntType, canonical_order
from .lower import lower, prepared
from .units import built_otherwise, in_the_room_of

__all__ = ["Compiled", "Model", "compile_model", "load"]


@dataclass(frozen=True, eq=False)
class Model:
    """A QONNX model, read and understood: its integer graph before and after all passes."""

    imported: frontend.Imported
    graph: Graph
    declared: tuple[str, str] | None

    @property
    def name(self) -> str:
        return self.graph.name

    @cached_property
    def loadable_graph(self) -> Graph:
        """The graph in which weights, thresholds and tables may be those of another training (``passes.LOADABLE``)."""
        return passes.run(self.imported.graph, passes.LOADABLE)

    @property
    def says(self) -> dict[str, str]:
        """What the file says of itself: its metadata, of which Gatewright's recipes write ``gatewright.input``."""
        return {entry.key: entry.value for entry in self.imported.model.model.metadata_props}

    @property
    def layers(self) -> tuple[Dense, ...]:
        """The layers that have weights, in order."""
        return tuple(node for node in self.graph.nodes if isinstance(node, Dense))


def load(path: str | Path, *, input: str | None = None, input_scale: str | Fraction | None = None,
         name: str | None = None) -> Model:
    """Read a QONNX file.

    Parameters
    ----------
    input, input_scale
        What the accelerator takes: codes of type ``input`` (``uint8``, ``int4``, ``bipolar``, …), each worth
        ``input_scale`` in the model's units (``"1/255"``; 1 if not given). Without ``input``, it takes the codes of
        the model's first quantiser.
    name
        Of the design; by default the file's stem.

    Raises
    ------
    UserError
        If the file cannot be read, or holds something that is not supported.
    """
    if input is None and input_scale is not None:
        raise UserError("a scale without a type", where="--input-scale", remedy="say --input too, as in --input uint8")
    scale = Fraction(1) if input_scale is None else _scale(input_scale)
    if name is not None and emit.module_name(name) != name.lower():
        raise UserError(f"{name!r} is no name for a Verilog module", where="--name",
                        remedy="use letters, digits and single underscores, a letter first")
    imported = frontend.import_model(path, input_type=input, input_scale=scale if input else None,
                                     name=emit.module_name(name or Path(path).stem))
    return Model(imported, passes.run(imported.graph), None if input is None else (input, str(scale)))


def _scale(text: str | Fraction) -> Fraction:
    try:
        scale = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UserError(f"{text!r} is no number", where="--input-scale", remedy="write it as 1/255 or 0.5") from None
    if scale <= 0:
        raise UserError(f"a scale must be positive, not {scale}", where="--input-scale")
    return scale


def compile_model(model: Model, *, folding: Sequence[Choice] | str | None = None, goal: Goal | None = None,
                  clock: float = 50.0, top1: bool = False, lut: int = 4, memory: str = "rom",
                  multiplier: tuple[int, int] | None = None, depths: Sequence[int] | None = None,
                  lanes: Sequence[str | None] | None = None, engine: str = "auto",
                  balance: bool | None = None, pipeline: str | Sequence[int] | None = None,
                  slices: Sequence[str] = ()) -> Compiled:
    """As :func:`.design.compile`; ``depths`` are those of :attr:`.Dataflow.sized`, if known, else they are found.

    ``lut`` and ``multiplier`` are the target's, as of ``lower``. A ``folding`` is taken as it is, with ``lanes`` as of
    ``lower``; without one, those that reach the ``goal``, if that asks for anything, on the engines that ``engine``
    allows (``engine.allowed``), with rows of sparse engines in ``balance`` as of ``engine.balanced``. ``pipeline`` is a
    degree for each layer, or what :func:`.pipelining.parse` reads; ``slices`` are as of ``lower``.
    """
    check_clock(clock)
    if lut not in (4, 6):
        raise UserError(f"no lookup table of {lut} inputs is served", where="--lut", remedy="say 4 or 6")
    if memory not in MEMORIES:
        raise UserError(f"{memory!r} is no place for weights", where="--weights", remedy=f"say one of "
                        f"{', '.join(MEMORIES)}")
    graph = _graph(model, memory, top1)
    engines = allowed(graph, engine, memory)
    if folding is None and goal is not None and goal.asks:
        reached = plan(graph, goal, lut=lut, memory=memory, multiplier=multiplier, engines=engines)
        folds = balanced(graph, reached.folds, balance, memory)
        pipelines = pipelining.parse(pipeline, reached.dataflow)
        found = reached.dataflow if folds == reached.folds and not any(pipelines) else size(
            lower(graph, folds, lut=lut, memory=memory, multiplier=multiplier, lanes=reached.lanes,
                  pipelines=pipelines))
        return Compiled(model, prepared(graph, folds), found, folds, clock, lut, top1, memory, multiplier, goal,
                        reached.status, reached.lanes, pipelines)
    if folding is None:
        family = family_of(lut) if goal is None else goal.family
        folds, lanes = choose_engines(graph, engines, family, lut=lut, memory=memory)
        folds = balanced(graph, folds, balance, memory)
    else:
        folds = parse(folding) if isinstance(folding, str) else folding
    graph = prepared(graph, folds)
    dataflow = lower(graph, folds, lut=lut, memory=memory, multiplier=multiplier, lanes=lanes)
    pipelines = pipelining.parse(pipeline, dataflow)
    if any(pipelines) or slices:
        dataflow = lower(graph, folds, lut=lut, memory=memory, multiplier=multiplier, lanes=lanes, pipelines=pipelines,
                         slices=slices)
    dataflow = size(dataflow) if depths is None else dataflow.with_depths(depths)
    return Compiled(model, graph, dataflow, tuple(folds), clock, lut, top1, memory, multiplier, goal,
                    lanes=tuple(lanes or [None] * len(folds)), pipelines=pipelines, slices=tuple(slices))


def _graph(model: Model, memory: str, top1: bool) -> Graph:
    graph = model.loadable_graph if memory == "loadable" else model.graph
    return passes.run(graph, [passes.AppendArgMax()]) if top1 else graph


@dataclass(frozen=True, eq=False)
class Compiled:
    """A model mapped to hardware: what verification, build folder and report work on. Users meet it as ``Design``.

    ``goal`` is what was asked for, if anything was, and ``status`` how good the folding found for it is (``solve``).
    ``lanes`` are each layer's kind, ``pipelines`` each layer's degree of pipelining, ``slices`` the units with a
    register slice behind them, as of ``lower``.
    """

    model: Model
    graph: Graph
    dataflow: Dataflow
    folds: tuple[Choice, ...]
    clock: float
    lut: int
    top1: bool
    memory: str
    multiplier: tuple[int, int] | None = None
    goal: Goal | None = None
    status: str | None = None
    lanes: tuple[str | None, ...] = ()
    pipelines: tuple[int, ...] = ()
    slices: tuple[str, ...] = ()

    @cached_property
    def estimate(self) -> Estimate | None:
        """What the design will cost on the goal's family, by the cost model."""
        return None if self.goal is None else Estimate.of(self.dataflow, self.goal)

    @property
    def works(self) -> tuple[Work, ...]:
        """What each layer computes a frame."""
        return tuple(work_of(self.graph, layer) for layer in self.graph.nodes if isinstance(layer, Dense))

    @property
    def name(self) -> str:
        """The top module's name."""
        return self.graph.name

    @property
    def imported(self) -> frontend.Imported:
        return self.model.imported

    @property
    def input_type(self) -> IntType:
        return self.graph.spec.type

    @cached_property
    def prediction(self) -> Prediction:
        """Interval, latency (cycles) and FIFO peaks (words) without stalls."""
        return predict(self.dataflow.network)

    @property
    def fps(self) -> float:
        """Frames/s at the design's clock, as predicted."""
        return self.clock * 1e6 / float(self.prediction.interval)

    def rtl(self, progress: Callable[[str], None] = lambda stage: None) -> dict[str, str]:
        """The Verilog and memory files, by name. Made once."""
        made = self.__dict__.get("_rtl")
        if made is None:
            made = self.__dict__["_rtl"] = emit.emit(self.dataflow, self.name, progress=progress)
        return made

    def rtl_bytes(self) -> dict[str, bytes]:
        """The same as bytes."""
        return {name: text.encode() for name, text in self.rtl().items()}

    def load_words(self, model: Model) -> dict[str, tuple[int, ...]]:
        """What turns this design into another model's: for each unit of ``dataflow.loadable`` the words for its port
        ``load_UNIT``.

        Load while no frame is inside. The models may differ in weights, thresholds and tables; what the host does with
        the output (:attr:`Graph.final`) is the other model's own.

        Raises
        ------
        UserError
            If the design's weights are not loadable, or the other model needs other hardware.
        """
        if self.memory != "loadable":
            raise UserError("the weights of this design cannot be loaded", where=self.name,
                            remedy="build it with --weights loadable")
        remedy = "train it with the same layers, quantisers and activation scales, or build it anew"
        graph = self.graph_of(model)
        works = tuple(work_of(graph, layer) for layer in graph.nodes if isinstance(layer, Dense))
        if works != self.works:
            raise UserError("has other layers", where=model.name, remedy=remedy)
        other = lower(graph, self.folds, lut=self.lut, memory=self.memory, multiplier=self.multiplier, lanes=self.lanes,
                      pipelines=self.pipelines, slices=self.slices)
        if [stage.name for stage in self.dataflow.stages] != [stage.name for stage in other.stages]:
            raise UserError("needs other units", where=model.name, remedy=remedy)
        words = {}
        for mine, theirs in zip(self.dataflow.stages, other.stages, strict=True):
            parameters = in_the_room_of(mine.parameters, theirs.parameters)
            why = built_otherwise(mine.parameters, parameters)
            if why is not None:
                raise UserError(f"needs another {mine.name}: {why}", where=model.name, remedy=remedy)
            if mine in self.dataflow.loadable:
                words[mine.name] = parameters.load_words
        return words

    def graph_of(self, model: Model) -> Graph:
        """Another model's graph, as this design's was made."""
        return _graph(model, self.memory, self.top1)

    def simulator(self) -> str:
        """The RTL simulator's version."""
        return toolchain.verilator_version()

    def codes(self, x: np.ndarray) -> np.ndarray:
        """Frames as the accelerator's input codes, int64 ``[frames, channels]`` (see :func:`..data.encode`)."""
        return data.encode(np.asarray(x), self.graph.spec)

    @property
    def classes_known(self) -> int:
        """How many classes the network tells apart: elements of its output before any arg-max."""
        graph = self.model.graph
        last = graph.nodes[-1]
        return graph.value(last.input if isinstance(last, ArgMax) else graph.output).elements

    def check_labels(self, y: np.ndarray) -> None:
        """Raise ``UserError`` unless labels are classes that the network can answer."""
        classes = self.classes_known
        if len(y) and not 0 <= y.min() <= y.max() < classes:
            raise UserError(f"labels range from {y.min()} to {y.max()}; the network answers 0 to {classes - 1}",
                            where="labels", remedy="number the classes from 0, as in training")

    def logits(self, values: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """The model's float32 output ``[frames, channels]``, by the host's final expression; None with ``top1``."""
        return None if self.top1 else self._answers(values, self.graph.host)

    def _answers(self, values: Mapping[str, np.ndarray], steps: Sequence[str]) -> np.ndarray:
        """The final expression of the output, in the model's order, and what ``steps`` of the host make of it."""
        output = self.graph.value(self.graph.output)
        result = self.graph.final(values[output.name].reshape(-1, *output.shape)).reshape(-1, output.elements)
        order = canonical_order(output.shape) if self.graph.order is None else self.graph.order.reshape(-1)
        return host.apply(steps, result[:, order])

    def classes(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The class decision ``[frames]``: the largest logit's index, the lowest of equal ones.

        Where the host gives the largest few, or their indices, the logits are what it chooses from.
        """
        if isinstance(self.graph.nodes[-1], ArgMax):
            return values[self.graph.output][:, 0]
        logits = self._answers(values, list(takewhile(lambda step: not step.startswith("top"), self.graph.host)))
        if logits.shape[1] == 1:  # one output decides between two classes
            return (logits[:, 0] > 0).astype(np.int64)
        return logits.argmax(axis=1)

    def run(self, x: np.ndarray) -> np.ndarray:
        """What the accelerator and its host answer for frames: float32 logits ``[frames, channels]``, or classes."""
        values = run_golden(self.graph, self.codes(x))
        logits = self.logits(values)
        return self.classes(values) if logits is None else logits
