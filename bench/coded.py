"""Coded weights: bits of streams, gates of decoders, and what engines store that have runs, a shift register or a hash.

    python -m bench.coded [--families ice40,ecp5,xc7] [--json FILE]

Matrices are random: normally distributed weights of which the largest are kept, quantised to 16 evenly spaced values
(Deep Compression's linear initialisation), one of which is 0. Some minutes, most of them synthesis.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from amaranth.back import verilog
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gatewright.boards.family import FAMILIES
from gatewright.boards.synthesis import Resources, resources
from gatewright.coding.coded import Layout, Section
from gatewright.coding.csc import encode
from gatewright.coding.huffman import Huffman
from gatewright.coding.lfsr import Lfsr
from gatewright.coding.xxhash32 import Hash
from gatewright.hdl.checked_load import CheckedLoad, CheckedLoadParameters
from gatewright.hdl.huffman import HuffmanDecoder, HuffmanParameters
from gatewright.hdl.number import IntType
from gatewright.hdl.sparse import HashParameters, LfsrParameters, SparseMatrixVectorUnit, SparseParameters

MATRICES = {"LeNet-300-100 fc1": (300, 784, 0.08, 16), "LeNet-300-100 fc2": (100, 300, 0.09, 16),
            "Alex-7": (4096, 4096, 0.09, 64), "VGG-7": (4096, 4096, 0.04, 64), "NT-We": (600, 4096, 0.10, 64)}
"""Rows, columns, weights kept, elements."""
INPUT = IntType(8)


def quantised(values: np.ndarray) -> np.ndarray:
    """Integers of 8 bits, 16 of them at most."""
    return np.rint(np.rint(values / np.abs(values).max() * 7.5 - 0.5) * 16).astype(np.int64)


def pruned(rows: int, columns: int, kept: float) -> np.ndarray:
    """A random matrix of which the largest weights are left."""
    weights = np.random.default_rng(0).normal(size=(rows, columns))
    large = np.abs(weights) >= np.quantile(np.abs(weights), 1 - kept)
    return np.where(large, quantised(weights), 0)


def streams() -> list[dict]:
    """Codes and zero runs, plain and coded."""
    found = []
    for name, (rows, columns, kept, elements) in MATRICES.items():
        csc = encode(pruned(rows, columns, kept), elements)
        bits = bound = 0.0
        for symbols in (np.concatenate(csc.codes), np.concatenate(csc.runs)):
            counts = np.bincount(symbols, minlength=16)
            code = Huffman.of(symbols, len(counts), 12)
            bits, bound = bits + code.bits(counts), bound + Huffman.bound(counts)
        found.append({"matrix": name, "elements": elements, "entries": csc.entries,
                      "plain": csc.entries * (csc.code_bits + csc.run_bits), "coded": int(bits), "entropy": int(bound)})
    return found


def gates(families: list[str], progress: Progress) -> list[dict]:
    """Lookup tables and registers of decoders, and of small engines by how they find their weights."""
    rng = np.random.default_rng(0)
    layout = Layout((Section(1000, ((4, 0), (4, 1)), 8),))
    tables = tuple(Huffman.of(rng.geometric(0.3, 4000).clip(1, 16) - 1, 16, 12) for _ in range(2))
    index, shared = Lfsr(64, 64, 4, 2), Hash(256, 0, 4)
    weights = quantised(rng.normal(size=(64, 64))) * index.mask
    virtual = shared.matrix(quantised(rng.normal(size=256)), 64, 64)
    units = {
        "decoder, constant tables": HuffmanDecoder(HuffmanParameters(layout, tables)),
        "decoder, loaded tables": HuffmanDecoder(HuffmanParameters(layout)),
        "checked load": CheckedLoad(CheckedLoadParameters(layout, "fc")),
        "engine, runs": SparseMatrixVectorUnit(SparseParameters(weights, 4, input=INPUT)),
        "engine, shift register": SparseMatrixVectorUnit(LfsrParameters(weights, 4, index=index, input=INPUT)),
        "engine, hash": SparseMatrixVectorUnit(HashParameters(virtual, 4, index=shared, input=INPUT)),
    }
    found = []
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as folder:
        for name, unit in progress.track(units.items(), description="synthesis"):
            source = Path(folder) / "unit.v"
            source.write_text(verilog.convert(unit, name="unit", emit_src=False))
            counted: dict[str, Resources] = {
                family: resources([source], "unit", FAMILIES[family]) for family in families}
            found += [{"unit": name, "family": family, "LUTs": each.luts_total, "registers": each.registers,
                       "block RAMs": each.block_rams, "multipliers": each.dsps} for family, each in counted.items()]
    return found


def memories() -> list[dict]:
    """Matrix memory of LeNet-300-100's first layer, 16 elements: dense, runs, shift register, hash."""
    rows, columns, kept, elements = MATRICES["LeNet-300-100 fc1"]
    index = Lfsr(rows, columns, elements, max(1, round(kept * -(-rows // elements))))
    rng = np.random.default_rng(0)
    masked = quantised(rng.normal(size=(rows, columns))) * index.mask
    weights = int(np.count_nonzero(masked))
    size = 1 << weights.bit_length() - 1
    stored = {"runs": SparseParameters(masked, elements, input=INPUT),
              "shift register": LfsrParameters(masked, elements, index=index, input=INPUT)}
    for banks in (1, elements):
        spread = Hash(size, 0, banks)
        virtual = spread.matrix(quantised(rng.normal(size=size)), rows, columns)
        stored[f"hash, {banks} bank{'s' * (banks > 1)}"] = HashParameters(virtual, elements, index=spread, input=INPUT)
    found = [{"index": "dense, 8 bits a weight", "weights": masked.size, "bits": 8 * masked.size}]
    names = {"weights": "real weights"}
    for name, p in stored.items():
        bits = {what: own for what, own in p.memory_bits.items() if what not in ("accumulators", "queues")}
        found.append({"index": name, "weights": size if name.startswith("hash") else weights,
                      "bits": sum(bits.values())} | {names.get(what, what): own for what, own in bits.items()})
    return found


def show(console: Console, title: str, rows: list[dict]) -> None:
    table = Table(title=title, title_justify="left")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right" if isinstance(rows[-1].get(column, 0), int) else "left")
    for row in rows:
        table.add_row(*(f"{row[key]:,}" if isinstance(row.get(key), int) else row.get(key, "") for key in columns))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", default="ice40,ecp5,xc7")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console()
    with Progress(console=console, transient=True) as progress:
        found = {"streams": streams(), "memories": memories(), "gates": gates(options.families.split(","), progress)}
    show(console, "Bits of codes and zero runs, a Huffman code for each", found["streams"])
    show(console, "Bits of a matrix of 300 x 784 on 16 elements", found["memories"])
    show(console, "Gates: decoders of two tables of 16; engines of 4 elements, 64 x 64", found["gates"])
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
