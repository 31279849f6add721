"""The dataflow graph: one stage per hardware unit, one edge per stream. ``compiler.lower`` makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..hdl.block_sparse import BlockSparseParameters
from ..hdl.depthwise import DepthwiseParameters
from ..hdl.fifo import FifoParameters
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.schedule import Buffer, Engine, Queue
from ..hdl.sparse_parameters import EngineParameters
from ..sim.network import Network, Unit
from ..sim.sizing import size_queues
from .stream import PADDING, Edge
from .units import Parameters, fixed, loadable, make, ports, resized

__all__ = ["WEIGHTED", "Dataflow", "Stage", "size"]

WEIGHTED = MatrixVectorParameters | DepthwiseParameters | BlockSparseParameters | EngineParameters
"""Parameters of the units that hold a layer's weights."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One unit: its parameters, the edges at its ports, and the node (``layer``) of the graph that it is part of."""

    name: str
    layer: str
    parameters: Parameters
    inputs: tuple[Edge, ...]
    outputs: tuple[Edge, ...]

    @property
    def input(self) -> Edge:
        """The edge at the first input."""
        return self.inputs[0]

    @property
    def output(self) -> Edge:
        """The edge at the first output."""
        return self.outputs[0]

    @property
    def schedule(self):
        """The unit's timing."""
        return self.parameters.schedule

    @property
    def ports(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The component's stream members, in the order of ``inputs`` and ``outputs``."""
        return ports(self.parameters)

    def unit(self):
        """A fresh component."""
        return make(self.parameters, self.inputs[0] if self.inputs else None)


@dataclass(frozen=True, eq=False)
class Dataflow:
    """Stages in topological order from ``entry``, the edge ``i``, to the edge ``o``, which the last stage gives."""

    stages: tuple[Stage, ...]
    entry: Edge

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every stream, in order; the first is ``i``, the last ``o``."""
        return (self.entry, *(edge for stage in self.stages for edge in stage.outputs))

    @property
    def layers(self) -> tuple[Stage, ...]:
        """The units that hold a layer's weights."""
        return tuple(stage for stage in self.stages if isinstance(stage.parameters, WEIGHTED))

    @property
    def loadable(self) -> tuple[Stage, ...]:
        """The units whose weights, thresholds or tables can be written while the accelerator runs."""
        return tuple(stage for stage in self.stages if loadable(stage.parameters))

    @property
    def fixed(self) -> tuple[tuple[Stage, str], ...]:
        """The units with numbers of the model that cannot be written, and what they do with them."""
        found = ((stage, fixed(stage.parameters)) for stage in self.stages)
        return tuple((stage, what) for stage, what in found if what is not None)

    @property
    def fifos(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if isinstance(stage.parameters, FifoParameters))

    @property
    def buffers(self) -> tuple[Stage, ...]:
        """The units that hold part of a frame: line buffers, reorderings."""
        return tuple(stage for stage in self.stages if isinstance(stage.schedule, Buffer))

    @property
    def sized(self) -> tuple[Stage, ...]:
        """The units whose depth is chosen: FIFOs and buffers, in order."""
        return tuple(stage for stage in self.stages if isinstance(stage.schedule, Queue | Buffer))

    @property
    def sparse(self) -> tuple[Stage, ...]:
        """The units whose cycles depend on which activations are zero."""
        return tuple(stage for stage in self.stages if isinstance(stage.schedule, Engine))

    @property
    def network(self) -> Network:
        """What the dataflow engine executes. In sparse units no activation is zero: nothing takes longer than that."""
        return Network(tuple(Unit(stage.name, stage.schedule, tuple(edge.name for edge in stage.inputs),
                                  tuple(edge.name for edge in stage.outputs)) for stage in self.stages))

    def network_for(self, values: Mapping[str, np.ndarray]) -> Network:
        """The network that has just these frames to work on, one after another, and then again from the first on.

        ``values`` are the integers ``[frames, elements]`` of every value of the graph (``execute.run_golden``).
        """
        return self.network.with_timings({stage.name: replace(stage.schedule, active=_active(stage, values))
                                          for stage in self.sparse})

    @property
    def depths(self) -> tuple[int, ...]:
        """Words of storage of each of :attr:`sized`."""
        return tuple(stage.schedule.depth for stage in self.sized)

    def with_depths(self, depths: Sequence[int]) -> Dataflow:
        """The same with other depths, in the order of :attr:`sized`."""
        new = iter(depths)
        return replace(self, stages=tuple(
            replace(stage, parameters=resized(stage.parameters, next(new)))
            if isinstance(stage.schedule, Queue | Buffer) else stage for stage in self.stages))


def _active(stage: Stage, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which activations of a sparse unit are not zero: bool ``[vectors, columns]``."""
    edge, timing = stage.input, stage.schedule
    index = edge.index.reshape(timing.positions, -1)[:, : len(timing.counts)]
    active = (values[edge.value] != 0)[:, np.maximum(index, 0)]
    active[:, index == PADDING] = edge.fill != 0
    return active.reshape(-1, index.shape[1])


def size(dataflow: Dataflow) -> Dataflow:
    """Give FIFOs and buffers the smallest depths that keep the interval (:func:`..sim.sizing.size_queues`).

    Raises
    ------
    UserError
        If no depths let a frame through, which a graph made by ``lower`` never shows.
    """
    parameters = {stage.name: stage.parameters for stage in dataflow.sized}

    def timing(name: str, depth: int) -> Queue | Buffer:
        found = resized(parameters[name], depth).schedule
        assert isinstance(found, Queue | Buffer)  # those are what is sized
        return found

    return dataflow.with_depths(size_queues(dataflow.network, timing))
