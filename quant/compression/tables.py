"""The tables that compression prints: a line for each step, and Deep Compression's tables of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table

from .account import FLOAT_BITS, Account, sharing_ratio
from .compress import Compressed

__all__ = ["entries_table", "layers_table", "remarks", "steps_table"]


def steps_table(compressed: Compressed) -> Table:
    """What each step did. r is that of the paper, for the sharing alone; the ratio is of all bits but pointers."""
    table = Table(title="Compression, step by step", title_justify="left")
    table.add_column("step")
    for what in ("validation", "non-zeros", "kept", "bits", "ratio", "r"):
        table.add_column(what, justify="right")
    for state in compressed.states:
        shared = [layer for layer in state.layers if layer.shared]
        table.add_row(state.title, f"{state.validation:.2f} %", f"{state.nonzeros:,}",
                      f"{state.nonzeros / state.weights:.1%}", f"{state.bits:,}", f"{state.ratio:.1f}x",
                      f"{sharing_ratio(shared):.2f}" if shared else "")
    return table


def layers_table(compressed: Compressed) -> Table:
    """Table 2 of Deep Compression (Han et al., ICLR 2016): what is left of each layer, against weights of 32 bits."""
    return _by_layer(compressed, "Layers, and ratio against 32-bit weights",
                     ("weights", "kept", "padding", "ratio", "with Huffman"), _kept)


def entries_table(compressed: Compressed) -> Table:
    """Bits of an entry (weight or padding), its code and its index: as they are, Huffman coded, and their entropy."""
    return _by_layer(compressed, "Bits of an entry", ("code", "Huffman", "entropy", "index", "Huffman", "entropy"),
                     _bits)


def remarks(compressed: Compressed) -> list[str]:
    """What belongs to the tables in words: accuracies, pointers, the bound of all codes."""
    last = compressed.states[-1]
    full = FLOAT_BITS * last.weights
    lines = [f"test accuracy {compressed.test_accuracy:.2f} %, dense {compressed.dense_test_accuracy:.2f} %",
             f"{full:,} bits as {FLOAT_BITS}-bit weights, {last.bits:,} compressed: {last.ratio:.1f}x"]
    if last.pointers:
        lines.append(f"pointers to the columns take {last.pointers:,} bits more: "
                     f"{full / (last.bits + last.pointers):.1f}x")
    if last.huffman:
        shared = [layer for layer in last.layers if layer.shared]
        coded = sum(layer.codes.huffman + layer.runs.huffman for layer in shared)
        bound = sum(layer.codes.bound + layer.runs.bound for layer in shared)
        tables = sum(layer.codes.table + layer.runs.table + layer.codebook for layer in shared)
        lines.append(f"Huffman codes take {coded:,} bits, entropy bound {bound:,.0f}; codebooks and code tables "
                     f"{tables:,}")
    return lines


def _by_layer(compressed: Compressed, title: str, columns: Sequence[str],
              row: Callable[[Sequence[Account]], list[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("layer")
    for column in columns:
        table.add_column(column, justify="right")
    for layer in compressed.layers:
        table.add_row(layer.name, *row([layer]))
    table.add_section()
    table.add_row("total", *row(compressed.layers))
    return table


def _kept(layers: Sequence[Account]) -> list[str]:
    weights = sum(layer.weights for layer in layers)
    entries = sum(layer.entries for layer in layers)
    padding = entries - sum(layer.nonzeros for layer in layers) if any(layer.kind == "runs" for layer in layers) else 0
    return [f"{weights:,}", f"{sum(layer.nonzeros for layer in layers) / weights:.1%}", f"{padding:,}",
            *(f"{FLOAT_BITS * weights / sum(layer.bits(flag) for layer in layers):.1f}x"
              if flag is False or any(layer.shared for layer in layers) else "" for flag in (False, True))]


def _bits(layers: Sequence[Account]) -> list[str]:
    entries = sum(layer.entries for layer in layers)
    indexed = sum(layer.runs.symbols for layer in layers)
    huffman = any(layer.shared for layer in layers)

    def each(total: float, count: int, shown: bool = True) -> str:
        return f"{total / count:.2f}" if count and shown else ""

    return [
        each(sum(layer.codes.plain for layer in layers), entries),
        each(sum(layer.codes.huffman for layer in layers), entries, huffman),
        each(sum(layer.codes.bound for layer in layers), entries, huffman),
        each(sum(layer.runs.plain for layer in layers), indexed),
        each(sum(layer.runs.huffman for layer in layers), indexed, huffman),
        each(sum(layer.runs.bound for layer in layers), indexed, huffman),
    ]
