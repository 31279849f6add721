"""The register map of ``NAME_axi`` for those who use it: a C header, JSON for scripts, a table for the docs."""

from __future__ import annotations

import json

from ..hdl.axi_map import MAGIC, REGISTERS, VERSION, Layout
from .dataflow import Dataflow
from .units import KINDS

__all__ = ["as_header", "as_json", "as_markdown", "layout_of"]


def layout_of(dataflow: Dataflow) -> Layout:
    """Where a design's registers lie."""
    return Layout(len(dataflow.stages), len(dataflow.edges), bool(dataflow.loadable))


def as_markdown() -> str:
    """The table, as the documentation has it."""
    lines = ["| offset | register | access | what |", "| --- | --- | --- | --- |"]
    for register in REGISTERS:
        where = "; loadable builds" if register.loads else ""
        lines.append(f"| {register.offset:#04x} | `{register.name}` | {register.access} | {register.text}{where} |")
        for field in register.fields:
            bits = str(field.low) if field.bits == 1 else f"{field.low + field.bits - 1}:{field.low}"
            lines.append(f"| | `{field.name}`, {'bit' if field.bits == 1 else 'bits'} {bits} | | {field.text} |")
    return "\n".join(lines) + "\n"


def as_header(dataflow: Dataflow, name: str, identity: bytes) -> str:
    """``NAME_axi.h``: offsets and masks for C, the design's numbers, and what each counter is of."""
    layout, prefix = layout_of(dataflow), name.upper()
    low, high = (int.from_bytes(identity[at : at + 4], "little") for at in (0, 4))
    lines = [f"/* Registers of {name}_axi, 32 bits each, at byte offsets. Written by Gatewright. */",
             f"#ifndef {prefix}_AXI_H", f"#define {prefix}_AXI_H", "",
             *(f"#define {prefix}_{what} {value}" for what, value in (
                 ("MAGIC_VALUE", f"{MAGIC:#010x}u"), ("VERSION_VALUE", f"{VERSION}u"),
                 ("IDENTITY_0_VALUE", f"{low:#010x}u"), ("IDENTITY_1_VALUE", f"{high:#010x}u"))), ""]
    for register in layout.registers:
        name = f"{prefix}_{register.name}"
        lines.append(f"#define {name} {register.offset:#06x}u /* {register.access}: {register.text} */")
        lines += [f"#define {name}_{field.name} {field.mask:#010x}u /* {field.text} */" for field in register.fields]
    lines += ["", f"#define {prefix}_BUSY(unit) ({layout.busy:#06x}u + 4u * (unit))",
              f"#define {prefix}_STALL(stream) ({layout.stall:#06x}u + 4u * (stream))", ""]
    streams = {edge.name: number for number, edge in enumerate(dataflow.edges)}
    for number, stage in enumerate(dataflow.stages):
        taken, given = (", ".join(str(streams[edge.name]) for edge in edges) or "none"
                        for edges in (stage.inputs, stage.outputs))
        lines.append(f"#define {prefix}_UNIT_{stage.name.upper()} {number}u /* {KINDS[type(stage.parameters)]}, takes "
                     f"stream {taken}, gives {given} */")
    lines += [f"#define {prefix}_STREAM_{edge.upper()} {number}u" for edge, number in streams.items()]
    lines += [f"#define {prefix}_LOAD_{stage.name.upper()} {number}u"
              for number, stage in enumerate(dataflow.loadable)]
    return "\n".join([*lines, "", "#endif", ""])


def as_json(dataflow: Dataflow, name: str, identity: bytes) -> str:
    """``NAME_axi.json``: the same for scripts (PYNQ, say)."""
    layout = layout_of(dataflow)
    content = {
        "name": name, "magic": MAGIC, "version": VERSION, "identity": identity.hex(),
        "registers": {register.name: register.offset for register in layout.registers},
        "fields": {register.name: {field.name: {"low": field.low, "bits": field.bits} for field in register.fields}
                   for register in layout.registers if register.fields},
        "busy": layout.busy, "stall": layout.stall,
        "units": [{"name": stage.name, "kind": KINDS[type(stage.parameters)],
                   "takes": [edge.name for edge in stage.inputs], "gives": [edge.name for edge in stage.outputs]}
                  for stage in dataflow.stages],
        "streams": [edge.name for edge in dataflow.edges],
        "loads": [stage.name for stage in dataflow.loadable],
    }
    return json.dumps(content, indent=1) + "\n"
