"""What a unit with weights costs, as numbers for a model to weigh, for many foldings at once.

The numbers follow the gates of ``hdl.dot_gates``: bits that popcounts count, bits that adders of a tree add, bits
accumulated and compared; and the memories for weights, thresholds and the vector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..hdl.depthwise import DepthwiseParameters
from ..hdl.dot import Lane
from ..hdl.dot_gates import packed_bits, packs
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.rows import Rows
from .memory import Memory
from .numbers import Descriptions, Number, Product, Unit, address_bits

__all__ = ["ROWS", "Layer", "matrix_vector"]


@dataclass(frozen=True)
class Layer:
    """A matrix-vector or depthwise unit but for its PE and SIMD.

    Parameters
    ----------
    rows, columns, groups
        Of each group: rows, and columns that each of them sees.
    lane
        What the weights are multiplied by.
    sum_bits
        Bits of each sum that is accumulated, together.
    result_bits
        Bits of a dot product.
    levels, threshold_bits
        Thresholds of a row (0 without) and bits of one.
    output_bits
        Bits of what leaves.
    offsets
        Whether dot products have offsets.
    memory
        "rom", "streamed" or "loadable".
    depthwise
        Rows are channels, columns taps; no vector is kept.
    multiplier
        Of the unit: where it is wide enough, two rows share a multiplier.
    """

    rows: int
    columns: int
    groups: int
    lane: Lane
    sum_bits: int
    result_bits: int
    levels: int
    threshold_bits: int
    output_bits: int
    offsets: bool
    memory: str = "rom"
    depthwise: bool = False
    multiplier: tuple[int, int] | None = None

    @classmethod
    def of(cls, rows: Rows, groups: int, output_bits: int, memory: str = "rom", *, depthwise: bool = False,
           multiplier: tuple[int, int] | None = None) -> Layer:
        """What the rows of a unit say."""
        thresholds = rows.thresholds
        levels = 0 if thresholds is None else thresholds.shape[1]
        return cls(len(rows.weights) // groups, rows.weights.shape[1], groups, rows.lane,
                   sum(kind.bits for kind in rows.sum_types), rows.accumulator.bits, levels,
                   rows.threshold_type.bits if levels else 0, output_bits, not levels and bool(rows.offsets.any()),
                   memory, depthwise, multiplier)


_COUNTED = ("agreeing", "masked", "counted")
# Signs of four columns, the inputs of a lookup table, differ in at most so many rows: in others, constant weights share
# the first gates.
_SHARED = 16


def _ceil(a: Number, b: Number) -> Number:
    return -(-a // b)


def _tree(terms: Number, bits: int) -> Number:
    """Bits added by a tree of so many terms of so many bits: each level adds half as many, one bit wider."""
    levels = np.arange(1, 33)
    count = np.floor(np.asarray(terms)[..., None] / 2.0 ** levels)
    return (count * (bits + levels)).sum(axis=-1)


def _lanes(layer: Layer, pe: Number, simd: Number) -> tuple[dict[str, Number], list[Product]]:
    """What multiplies and adds up in a cycle."""
    lane, all_lanes = layer.lane, pe * simd
    x, w = lane.input.bits, lane.bits
    match lane.kind:
        case "xnor" | "gated xnor" | "planes" | "serial" | "levels":
            planes = 1 if lane.kind == "serial" else x
            powers, decoded = planes, 0
            if lane.kind == "levels":
                counted, powers = planes * len(lane.values), planes * len(lane.values)
                decoded = all_lanes * len(lane.values) * w
            elif lane.coding == "binary":
                counted, powers = planes * w, planes + w - 1
            else:
                counted = planes
            # Weights that may change are counted where they are 1 and where they are 0, unless the sign does it.
            bipolar = lane.input.bipolar
            if lane.loadable and (bipolar if lane.coding == "binary" else not bipolar or lane.coding == "ternary"):
                counted *= 2
            name = {"sign": "agreeing", "ternary": "masked"}.get(lane.coding, "counted")
            width = address_bits(simd * counted / powers + 1)
            products = []
            if lane.kind == "levels":
                gains = [abs(gain) for gain in lane.gains if abs(gain) & abs(gain) - 1]
                products = [Product(pe, layer.sum_bits // len(lane.values), gain.bit_length() + 1) for gain in gains]
            return {name: all_lanes * counted - pe * powers, "popcounts": pe * powers, "decoded": decoded,
                    "joined": pe * (powers - 1) * (width + 1)}, products
        case "add":
            # Products of signs, added.
            bits = (lane.weight.bits if lane.input.bipolar else x) + 1
            return {"negated": all_lanes * bits, "summed": pe * _tree(simd, bits)}, []
        case "shift":
            bits = x + (lane.values[-1] // lane.values[0]).bit_length()
            return {"negated": all_lanes * bits, "shifted": all_lanes * bits * (len(lane.values) - 1),
                    "summed": pe * _tree(simd, bits)}, []
        case _:
            summed = {"summed": pe * _tree(simd, x + w)}
            if not packs(lane, layer.multiplier):
                return summed, [Product(all_lanes, x, w)]
            pairs = pe // 2 * simd
            return summed | {"paired": pairs * w, "borrowed": pairs * lane.weight.signed}, [
                Product(pairs, packed_bits(lane), x), Product(pe % 2 * simd, x, w)]


def matrix_vector(layer: Layer, pe: Number, simd: Number, blocks: Number | None = None) -> Unit:
    """A matrix-vector unit with PE x SIMD lanes, each a number or an array; or a depthwise one with PE lanes.

    If there are ``blocks``, it is a block-sparse one, which works on so many of PE x SIMD weights.
    """
    pe, simd = np.asarray(pe), np.asarray(simd)
    lane, x = layer.lane, layer.lane.input.bits
    row_folds, column_folds = _ceil(layer.rows, pe), _ceil(layer.columns, simd)
    folds, words = row_folds * layer.groups, row_folds * layer.groups * column_folds
    if blocks is not None:
        words = np.asarray(blocks)
    lanes, products = _lanes(layer, pe, simd)
    # Weights that never change are no operand: gates fold into their neighbours.
    fixed = (words == 1) & (layer.memory == "rom")
    numbers: dict[str, Number] = {"matrix_vector": 1.0}
    for name, value in lanes.items():
        numbers[name] = np.where(fixed, 0, value)
        numbers[f"fixed {name}"] = np.where(fixed, value, 0)
        if name in _COUNTED:
            numbers[f"first {name}"] = np.where(fixed, value / pe * np.minimum(pe, _SHARED), 0)
    accumulates = column_folds * lane.bit_phases > 1
    kept = (row_folds * lane.bit_phases > 1) & (column_folds > 1) & (not layer.depthwise) & (blocks is None)
    compared = pe * layer.levels * layer.threshold_bits
    one = (folds == 1) & (layer.memory != "loadable")
    numbers |= {
        "accumulated": np.where(accumulates, pe * layer.sum_bits, 0),
        "doubled": pe * layer.sum_bits * (lane.bit_phases > 1),
        "compared": np.where(one, 0, compared),
        "fixed compared": np.where(one, compared, 0),
        "code": pe * layer.levels * (layer.levels > 1),
        "offset": np.where(folds == 1, 0, pe * layer.result_bits * layer.offsets),
        "fixed offset": np.where(folds == 1, pe * layer.result_bits * layer.offsets, 0),
        "padded": np.where(layer.columns % simd != 0, simd * x, 0),
        "kept": np.where(kept, simd * x, 0),
        "weighted": pe * layer.result_bits * len(lane.values) * (lane.kind == "levels"),
        "bit of serial": simd * x * (lane.kind == "serial"),
        "count": address_bits(column_folds) + address_bits(row_folds) + address_bits(words),
        "loaded": pe * simd * lane.bits * (layer.memory == "loadable"),
    }
    memories = [Memory(np.where(kept, column_folds, 0), simd * x, written=True)]
    written = layer.memory == "loadable"
    if layer.memory != "streamed":
        memories.append(Memory(words, pe * simd * lane.bits + (blocks is not None), written=written))
    if layer.levels:
        memories.append(Memory(folds, compared, written=written))
    elif layer.offsets:
        memories.append(Memory(folds, pe * layer.result_bits))
    return Unit("matrix_vector", numbers, tuple(memories),
                tuple(replace(product, fixed=fixed) for product in products))


def _of_matrix(p: MatrixVectorParameters, bits: int) -> Unit:
    assert p.output is not None
    layer = Layer.of(p.rows_of, p.groups, p.output.bits, p.memory, multiplier=p.multiplier)
    return matrix_vector(layer, p.pe, p.simd)


def _of_depthwise(p: DepthwiseParameters, bits: int) -> Unit:
    assert p.output is not None
    memory = "loadable" if p.loadable else "rom"
    return matrix_vector(Layer.of(p.rows_of, 1, p.output.bits, memory, depthwise=True), p.lanes, p.simd)


ROWS: Descriptions = {DepthwiseParameters: _of_depthwise, MatrixVectorParameters: _of_matrix}
