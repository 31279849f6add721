"""What every unit of the library is: a component made from one validated parameter object, with its schedule."""

from __future__ import annotations

from typing import Any

from amaranth.lib import wiring

__all__ = ["Unit"]


class Unit(wiring.Component):
    """A streaming component. ``parameters`` is a frozen dataclass with a ``schedule``; ``ports`` are its members."""

    def __init__(self, parameters: Any, ports: dict[str, Any]):
        self._parameters = parameters
        super().__init__(ports)

    @property
    def parameters(self):
        """The validated parameters, from which gates, schedule and reports derive."""
        return self._parameters

    @property
    def schedule(self):
        """The unit's timing: a ``Schedule`` or a ``Queue``."""
        return self._parameters.schedule
