"""Which engines a layer may be carried out on, and what choices each offers: by its weights, or by what users say.

Dense lanes multiply whatever is there. Where pruning has left few weights, two others may be smaller: lanes that leave
out blocks of zeros ("static"), and elements that each work on one weight a cycle ("eie").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from ..coding.csc import entry_counts
from ..coding.lfsr import Lfsr
from ..coding.xxhash32 import Hash
from ..errors import UserError
from ..hdl.block_sparse import block_cycles
from ..hdl.lanes import words
from .balance import balance
from .folding import ENGINES, Blocks, Choice, Elements, Work, divisors, work_of
from .ir import Dense, Graph, Requantise, Table, Threshold

__all__ = ["PRUNED", "Others", "allowed", "balanced", "block_choices", "density", "element_choices", "entries",
           "layer_cycles", "layer_names", "obstacle", "row_order"]

PRUNED = 0.5
"""Share of weights that are not 0 up to which a layer counts as pruned, so that other engines are looked at."""

# Elements tried: none that would have fewer rows than this each.
_MOST, _ROWS_EACH = 256, 2
_RUN_BITS = (2, 3, 4, 5, 6)
# Activations in a word: of zeros, so many pass in a cycle.
_LANES = 8


@dataclass(frozen=True, eq=False)
class Others:
    """What a layer may be carried out on but dense lanes: cycles a frame, int64 ``[choices]``, and lookup tables, half
    memory blocks and multipliers, int64 ``[choices, 3]``.
    """

    choices: tuple[Choice, ...] = ()
    cycles: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    needs: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), dtype=np.int64))

    def __add__(self, other: Others) -> Others:
        return Others(self.choices + other.choices, np.concatenate([self.cycles, other.cycles]),
                      np.concatenate([self.needs, other.needs]))


def density(layer: Dense) -> float:
    """The share of weights that are not 0."""
    return np.count_nonzero(layer.weights) / layer.weights.size


@lru_cache(maxsize=64)
def row_order(layer: Dense, choice: Elements) -> np.ndarray:
    """Which row of a layer takes each place of a sparse engine: int64 ``[rows]``."""
    if not choice.balanced:
        return np.arange(len(layer.weights))
    return balance(layer.weights != 0, choice.elements, run_bits=choice.run_bits)


def layer_cycles(layer: Dense, work: Work, choice: Choice) -> int:
    """Cycles a frame of a layer on an engine; of a sparse engine the most, where no activation is 0.

    That engine takes one activation a cycle at most, and each of its elements works on one weight a cycle.
    """
    match choice:
        case Elements():
            return work.positions * max(work.columns, busiest(layer, choice), words(work.rows, choice.lanes_out))
        case Blocks():
            return work.positions * block_cycles(layer.weights, choice.pe, choice.simd)
    return work.cycles(choice)


def busiest(layer: Dense, choice: Elements) -> int:
    """Entries of the element that has most."""
    return int(entries(layer, choice).sum(axis=0).max())


def entries(layer: Dense, choice: Elements) -> np.ndarray:
    """Entries of each element in each column, int32 ``[columns, elements]``."""
    rows, columns = layer.weights.shape
    match layer.index:
        case Lfsr() as index:
            return np.full((columns, choice.elements), index.kept, dtype=np.int32)
        case Hash():
            each = np.bincount(np.arange(rows) % choice.elements, minlength=choice.elements)
            return np.tile(each.astype(np.int32), (columns, 1))
    return entry_counts(layer.weights[row_order(layer, choice)] != 0, choice.elements, choice.run_bits)


def balanced(graph: Graph, choices: Sequence[Choice], wish: bool | None, memory: str = "rom") -> tuple[Choice, ...]:
    """The choices, with rows of sparse engines dealt out in balance: all, none, or (None) those where it helps.

    Weights to come are not known yet, so rows of those that are loaded keep their order. It helps where the busiest
    element has less to do then, and the order of the rows costs nothing, because whoever reads them is a fully
    connected layer that takes them in any.
    """
    layers = [node for node in graph.nodes if isinstance(node, Dense)]
    by_name = dict(zip((layer.name for layer in layers), choices, strict=True))
    found: list[Choice] = []
    for layer, choice in zip(layers, choices, strict=True):
        if isinstance(choice, Elements) and layer.index is None and wish is not False and (
                memory == "rom"):
            other = replace(choice, balanced=True)
            if wish or (_in_any_order(graph, layer.output.name, by_name) and busiest(layer, other) < busiest(
                    layer, choice)):
                choice = other
        found.append(choice)
    return tuple(found)


def _in_any_order(graph: Graph, name: str, choices: dict[str, Choice]) -> bool:
    """Whether all that read a value take its elements in any order."""
    readers = [node for node in graph.nodes if name in node.inputs]
    return bool(readers) and name != graph.output and all(
        (isinstance(node, Dense) and node.window is None and node.index is None
         and not isinstance(choices[node.name], Blocks))
        or (isinstance(node, Threshold | Requantise | Table) and _in_any_order(graph, node.output.name, choices))
        for node in readers)


def layer_names(graph: Graph) -> dict[str, Dense]:
    """The layers with weights by the names of their units: fc0, conv0, dw0, …"""
    seen: Counter[str] = Counter()
    names = {}
    for node in graph.nodes:
        if isinstance(node, Dense):
            kind = "fc" if node.window is None else "dw" if work_of(graph, node).depthwise else "conv"
            names[f"{kind}{seen[kind]}"] = node
            seen[kind] += 1
    return names


def obstacle(graph: Graph, layer: Dense, engine: str, memory: str) -> str | None:
    """Why a layer cannot be carried out on an engine, or None."""
    if engine == "dense":
        return None
    work = work_of(graph, layer)
    if work.depthwise or work.groups > 1:
        return "works on groups of channels"
    if memory != "rom" and (engine, memory) != ("eie", "loadable"):
        return f"has weights that are {memory}, not built in"
    if memory != "rom" and isinstance(layer.index, Hash):
        return "has weights behind a hash, which are built in"
    if engine == "eie" and graph.value(layer.input).type.bipolar:
        return "takes bipolar activations, which are never 0"
    return None


def allowed(graph: Graph, wish: str, memory: str = "rom") -> tuple[tuple[str, ...], ...]:
    """The engines among which each layer chooses.

    ``wish`` is ``auto``, an engine for every layer that it can carry out, or ``fc0=eie,conv1=dense`` for some layers,
    by the names of their units or nodes, with ``auto`` or an engine for the others in front: ``dense,fc0=eie``. Auto
    looks at other engines than dense lanes where a layer is :data:`PRUNED`, or has an index that takes no memory.

    Raises
    ------
    UserError
        If there is no such engine or layer, or a layer cannot have the one that is asked for.
    """
    names, common, own = layer_names(graph), "auto", {}
    for part in (part.strip() for part in wish.split(",")):
        name, given, engine = part.rpartition("=")
        if engine not in ("auto", *ENGINES):
            raise UserError(f"{engine!r} is no engine", where="--engine",
                            remedy=f"say auto, {', '.join(ENGINES)}, or LAYER=ENGINE for some layers")
        if not given:
            common = engine
            continue
        layer = names.get(name) or next((layer for layer in names.values() if layer.name == name), None)
        if layer is None:
            raise UserError(f"no layer is called {name!r}", where="--engine", remedy=f"name one of {', '.join(names)}")
        if layer.name in own:
            raise UserError(f"{name!r} is named twice", where="--engine", remedy="say one engine for each layer")
        own[layer.name] = engine
    found = tuple(_allowed(graph, layer, name, common, own.get(layer.name), memory) for name, layer in names.items())
    if common not in ("auto", "dense") and (common,) not in found and len(own) < len(names):
        name, layer = next((name, layer) for name, layer in names.items() if layer.name not in own)
        raise UserError(f"no layer can be on {common}: {name} ({layer.name}) {obstacle(graph, layer, common, memory)}",
                        where="--engine", remedy="say auto or dense")
    return found


def _allowed(graph: Graph, layer: Dense, name: str, common: str, own: str | None, memory: str) -> tuple[str, ...]:
    able = [engine for engine in ENGINES if obstacle(graph, layer, engine, memory) is None]
    match own or common:
        case "auto":
            return tuple(able) if density(layer) <= PRUNED or layer.index is not None else ("dense",)
        case engine if engine in able:
            return (engine,)
        case engine if own is not None:
            raise UserError(f"layer {name} ({layer.name}) {obstacle(graph, layer, engine, memory)}", where="--engine",
                            remedy=f"leave it on another engine than {engine}")
    return ("dense",)


def block_choices(layer: Dense, work: Work) -> tuple[list[Blocks], np.ndarray]:
    """Blocks of every PE and SIMD that divide rows and columns; and their cycles a frame."""
    choices: list[Blocks] = []
    cycles: list[int] = []
    present = layer.weights != 0
    for pe in divisors(work.rows):
        folds = present.reshape(-1, pe, work.columns).any(axis=1)
        for simd in divisors(work.columns):
            count = folds.reshape(len(folds), -1, simd).any(axis=2).sum(axis=1)
            choices.append(Blocks(pe, simd))
            cycles.append(int(np.maximum(count, 1).sum()) * work.positions)
    return choices, np.array(cycles, dtype=np.int64)


def element_choices(layer: Dense, work: Work, *, elements: Sequence[int] | None = None,
                    depth: int = 8) -> tuple[list[Elements], np.ndarray]:
    """Sparse engines of 1, 2, 3, 4, 6, 8, 12, … elements, and their cycles a frame where no activation is 0.

    A layer whose index is a shift register's has its elements, one of a hash at least as many as banks.
    Runs have the bits with which the entries take least memory. Words of activations are so wide that zeros among them
    save cycles, words of sums so wide that draining takes a quarter of the cycles at most.
    """
    present = layer.weights != 0
    if elements is None:
        most = min(_MOST, max(1, work.rows // _ROWS_EACH))
        elements = [count for power in range(8) for count in (1 << power, 3 << power) if count <= most]
    match layer.index:
        case Lfsr() as index:
            elements = [index.elements]
        case Hash() as index:
            elements = [count for count in elements if count % index.banks == 0] or [index.banks]
    values = len(np.unique(layer.weights[present])) + 1
    choices: list[Elements] = []
    cycles: list[int] = []
    for count in elements:
        most = {}
        for bits in _RUN_BITS if layer.index is None else (4,):
            most[bits] = busiest(layer, Elements(count, 1, 1, run_bits=bits))
            if 1 << bits >= words(work.rows, count):
                break
        bits = min(most, key=lambda bits: (most[bits] * (bits + (values - 1).bit_length()), bits))
        each = max(work.columns, most[bits])
        drained = next((lanes for lanes in divisors(count) if words(work.rows, lanes) <= max(1, each // 4)), count)
        choices.append(Elements(count, min(_LANES, work.columns), drained, depth, bits))
        cycles.append(each * work.positions)
    return choices, np.array(cycles, dtype=np.int64)
