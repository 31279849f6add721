"""How a report says a number, a shape or a state, on the page and in the terminal."""

from __future__ import annotations

__all__ = ["LANES", "STORAGE", "UNITS", "after", "count", "figure", "plural", "shape", "share", "state"]

UNITS = {"add": "add", "arg_max": "arg-max", "block_sparse": "block-sparse", "concat": "concatenate",
         "depthwise": "depthwise", "fifo": "FIFO", "fork": "fork", "matrix_vector": "matrix-vector", "pool": "pool",
         "reorder": "reorder", "requantise": "requantise", "shuffle": "shuffle", "sparse": "sparse engine",
         "split": "split", "table": "table", "threshold": "thresholds", "upsample": "upsample", "weights": "weights",
         "width": "regroup", "window": "window"}
"""What people call a kind of unit."""

STORAGE = {"registers": "registers", "lut_ram": "LUT RAM", "block_ram": "block RAM", "buffer": "buffer"}
"""What people call a kind of storage."""

LANES = {"xnor": "one XNOR and its share of the popcount",
         "gated xnor": "one XNOR with a gate for weights that are 0, and its share of the popcount",
         "planes": "popcounts of the pairs of bits of an input and a weight",
         "add": "an input added, subtracted or left out: weights are -1, 0 and 1",
         "shift": "an input shifted: weights are powers of two",
         "multiply": "one multiplier and its share of the sum",
         "levels": "a sum for each of few distinct weights, each multiplied once at the end",
         "serial": "one bit of an input a cycle, times a weight",
         "element": "an element of a sparse engine: one weight that is not 0, times an input that is not"}
"""What a lane of each kind does for its multiply-accumulate (MAC)."""


def state(verification: dict | None) -> str:
    """``unverified``, ``verified`` or ``failed``."""
    if verification is None:
        return "unverified"
    return "failed" if verification["mismatches"] or verification["failure"] else "verified"


def count(number: float) -> str:
    """A number in full, with thousands separated."""
    return f"{number:,}"


def figure(number: float, digits: int = 3) -> str:
    """A rate or a time at a few significant digits: 781,250; 4.78; 0.34."""
    return f"{number:,.0f}" if abs(number) >= 10 ** (digits - 1) else f"{number:.{digits}g}"


def share(number: float) -> str:
    """A fraction as a percentage to a tenth, without the tenth where it is nothing or everything."""
    return f"{number:.0%}" if number in (0, 1) else f"{number:.1%}"


def after(name: str) -> str:
    """What the host does last, as ``compiler.host`` names it: "softmax", "top:5"."""
    if name == "top_indices:1":
        return "the index of its largest"
    kind, _, number = name.partition(":")
    return {"softmax": "its soft-max", "log_softmax": "the logarithm of its soft-max", "top": f"the {number} largest",
            "top_indices": f"the indices of the {number} largest"}.get(kind, name)


def plural(number: float, noun: str) -> str:
    """``1 cycle``, ``64 cycles``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shape(layer: dict) -> str:
    """What a layer computes: ``784 → 64``; ``3×3 /2, 64 → 128, 14×14``; ``3×3 depthwise, 64, 7×7``."""
    inputs, outputs, window = layer["channels"], layer["outputs"], layer["window"]
    if window is None:
        return f"{inputs:,} → {outputs:,}"
    kernel = _by(window["kernel"])
    if max(window["insert"]) > 1:
        kernel += " transposed"
    for step, say in (("stride", "/"), ("dilation", "dilated ")):
        if max(window[step]) > 1:
            kernel += f" {say}{window[step][0] if len(set(window[step])) == 1 else _by(window[step])}"
    image = _by(layer["image"])
    if layer["kind"] == "depthwise":
        return f"{kernel} depthwise, {outputs:,}, {image}"
    groups = f" in {layer['groups']} groups" if layer["groups"] > 1 else ""
    return f"{kernel}, {inputs:,} → {outputs:,}{groups}, {image}"


def _by(two: list[int]) -> str:
    return f"{two[0]:,}×{two[1]:,}"
