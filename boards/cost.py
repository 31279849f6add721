"""What units will cost on a family, estimated: a model fitted on Yosys runs, with its measured error beside it.

``cost_model.json`` holds, for each family, what each of a unit's numbers (``features``) weighs in lookup tables, and
how far estimates were off on units that the fit had not seen. ``python -m bench.cost_model`` makes it.
Memory blocks and multipliers are counted by rules (``memory``), whose hits are measured there, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np

from ..errors import UserError
from .device import REFERENCE
from .family import FAMILIES, Family
from .features import describe
from .memory import NUMBERS, RULES, fit
from .numbers import Product, Unit

__all__ = ["Cost", "CostModel", "load", "measured_numbers"]


@dataclass(frozen=True)
class Cost:
    """Lookup tables (with those of carry chains), memory blocks (halves occur), multipliers."""

    luts: int
    block_rams: float = 0.0
    dsps: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.luts + other.luts, self.block_rams + other.block_rams, self.dsps + other.dsps)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.luts - other.luts, self.block_rams - other.block_rams, self.dsps - other.dsps)


# Bits of a product below which Yosys takes lookup tables all the same (its commands' DSP_Y_MINWIDTH).
_LEAST = {"xc7": 9}


def _dsps(family: Family, product: Product) -> Any:
    """Multipliers that a product takes."""
    if family.multiplier is None or min(product.a, product.b) < 2 or product.a + product.b < _LEAST.get(family.name, 0):
        return 0
    wide, narrow = family.multiplier
    a, b = max(product.a, product.b), min(product.a, product.b)
    return np.asarray(product.count) * (-(-a // wide) * -(-b // narrow))


def measured_numbers(family: Family, unit: Unit) -> tuple[dict[str, Any], Any, Any, Any]:
    """A unit's numbers with those of its memories and products, the lookup tables of memory cells, and counts.

    Returns
    -------
    (numbers, luts, halves, dsps)
        ``luts`` are known exactly, ``numbers`` are for coefficients to weigh; halves of memory blocks; multipliers.
    """
    numbers: dict[str, Any] = dict(unit.numbers)
    luts: Any = 0
    halves: Any = 0
    for memory in unit.memories:
        mapped = fit(RULES[family.name], memory)
        luts, halves = luts + mapped.luts, halves + mapped.halves
        for name in NUMBERS:
            numbers[f"memory {name}"] = numbers.get(f"memory {name}", 0) + getattr(mapped, name)
    dsps: Any = 0
    for product in unit.products:
        taken = _dsps(family, product)
        dsps = dsps + taken
        if isinstance(taken, int):
            gates = np.asarray(product.count) * product.a * product.b
            for name, here in (("multiplied", ~np.asarray(product.fixed)), ("fixed multiplied", product.fixed)):
                numbers[name] = numbers.get(name, 0) + np.where(here, gates, 0)
    return numbers, luts, halves, dsps


@dataclass(frozen=True, eq=False)
class CostModel:
    """Estimates for one family. Made by :func:`load`."""

    family: Family
    coefficients: dict[str, dict[str, float]]
    errors: dict[str, Any]
    yosys: str
    stands_for: Family | None = None

    def needs(self, unit: Unit) -> np.ndarray:
        """Lookup tables, half memory blocks and multipliers: int64 ``[..., 3]`` for numbers of shape ``[...]``.

        Raises
        ------
        ValueError
            If no unit of the kind was in the fit.
        """
        if unit.kind not in self.coefficients:
            raise ValueError(f"unit must be of a kind that was fitted, not {unit.kind!r}")
        numbers, luts, halves, dsps = measured_numbers(self.family, unit)
        weights = self.coefficients[unit.kind]
        for name, value in numbers.items():
            luts = luts + weights.get(name, 0.0) * np.asarray(value, dtype=np.float64)
        columns = np.broadcast_arrays(luts, halves, dsps)
        return np.stack([np.rint(column) for column in columns], axis=-1).astype(np.int64)

    def cost(self, parameters: Any, bits: int) -> Cost:
        """The cost of a unit with such parameters and ``bits`` of a lane at its first input."""
        luts, halves, dsps = self.needs(describe(parameters, bits)).tolist()
        return Cost(luts, halves / 2, dsps)

    @property
    def prices(self) -> tuple[int, int, int]:
        """What a lookup table, half a memory block and a multiplier weigh: by how rare they are on a usual device."""
        device = REFERENCE[self.family.name]
        return 1, round(device.luts / device.block_rams / 2), round(device.luts / max(device.dsps, 1))

    @cached_property
    def accuracy(self) -> str:
        """How far estimates of lookup tables were off, for people."""
        median, most = (100 * self.errors[name] for name in ("median", "p90"))
        said = f"model, held-out error {median:.0f} % median, {most:.0f} % at 90 %"
        if self.stands_for is None:
            return said
        return f"{self.family.name}'s {said}, on its own family; none is fitted for {self.stands_for.name}"


@lru_cache
def _content() -> dict[str, Any]:
    folder = resources.files(__name__.rpartition(".")[0])
    return json.loads(folder.joinpath("cost_model.json").read_text(encoding="utf-8"))


@lru_cache
def load(family: str) -> CostModel:
    """The model that estimates a family, by name: the one fitted for it, or that of the family nearest to it.

    Raises
    ------
    KeyError
        If there is no such family.
    UserError
        If none comes near it.
    """
    asked = FAMILIES[family]
    if asked.priced_as == "":
        raise UserError(f"costs in {asked.title} are not estimated", remedy=f"say one of {', '.join(_priced())}")
    model = FAMILIES[asked.priced_as or asked.name]
    fitted = _content()["families"][model.name]
    return CostModel(model, fitted["coefficients"], fitted["errors"]["luts"], _content()["yosys"],
                     None if model is asked else asked)


def _priced() -> list[str]:
    return [name for name, family in FAMILIES.items() if family.priced_as != ""]
