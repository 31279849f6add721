"""What the registers of ``NAME_axi`` counted, against what the dataflow engine predicts for the very same stalls."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..hdl.axis import frame_schedule
from ..sim import dataflow as engine
from ..sim.network import Network, Unit
from .dataflow import Dataflow

__all__ = ["Counted", "bus_network", "check", "read_record"]


@dataclass(frozen=True)
class Counted:
    """A run over the bus: frames, in which cycles since reset the source offered and the sink was ready, and counters.

    ``busy`` is of each unit, ``stalled`` of each stream, in cycles.
    """

    frames: int
    offered: np.ndarray
    accepted: np.ndarray
    busy: dict[str, int]
    stalled: dict[str, int]


def bus_network(dataflow: Dataflow) -> Network:
    """The design's network between both ends of the bus: from the edge ``s_axis`` to the edge ``m_axis``."""
    first, last = dataflow.edges[0], dataflow.edges[-1]
    slave = Unit("s_axis", frame_schedule(first.words), ("s_axis",), (first.name,))
    master = Unit("m_axis", frame_schedule(last.words), (last.name,), ("m_axis",))
    return Network((slave, *dataflow.network.units, master))


def read_record(path: Path) -> Iterable[Counted]:
    """The runs that the bench has recorded (``GATEWRIGHT_AXI_RECORD``)."""
    for line in path.read_text().splitlines():
        said = json.loads(line)
        offered, accepted = (np.array(said[key], dtype=np.uint8) for key in ("offered", "accepted"))
        yield Counted(said["frames"], offered, accepted, said["busy"], said["stalled"])


def check(dataflow: Dataflow, counted: Counted) -> list[tuple[str, int, int]]:
    """Each counter with what is predicted and what was counted: ``("fc0 busy", 64, 64)``.

    Units whose cycles depend on the data, and all they hold up, are predicted for data without zeros. Units that need
    no input work on when the last frame has gone, so theirs depends on when it is read.
    """
    trace = engine.simulate(bus_network(dataflow), counted.frames, offers=counted.offered, accepts=counted.accepted)
    return [*((f"{stage.name} busy", trace.busy[stage.name], counted.busy[stage.name]) for stage in dataflow.stages),
            *((f"{edge.name} stalled", trace.stalled[edge.name], counted.stalled[edge.name])
              for edge in dataflow.edges)]
