"""Verilog: every distinct unit a file, memories as ``$readmemh`` files, one structural top.

Each unit is converted alone, and the top joins instances of them by name. Streams between units are the top's wires
``EDGE_payload``, ``EDGE_valid`` and ``EDGE_ready``, which is where simulators tap them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from amaranth.back import rtlil
from amaranth.back.verilog import _convert_rtlil_text  # private: `verilog.convert` starts Yosys once a unit
from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..hdl.fifo import FifoParameters
from ..hdl.lanes import connect, word_stream
from ..hdl.width import WidthParameters
from .dataflow import Dataflow, Stage
from .stream import Edge

__all__ = ["Accelerator", "Memories", "convert", "convert_all", "emit", "emit_unit", "module_name",
           "tapped_top"]

# Words a Verilog identifier must not be; the names that we make are checked against them.
_RESERVED = frozenset(("module endmodule input output wire reg assign always initial begin end if else case for while "
                       "function task parameter signed integer real time and or not xor buf top").split())

_ROM = """\
// {what}: {depth} words of {width} bits, read in step with the clock.
module {name}(input clk, input en, input [{address}:0] addr, output reg [{msb}:0] data);
  reg [{msb}:0] memory [0:{last}];
  initial $readmemh("{file}", memory);
  always @(posedge clk)
    if (en) data <= memory[addr];
endmodule
"""

_RAM = """\
// {what}: {depth} words of {width} bits, read in step with the clock, and written through the unit's port load.
module {name}(
  input clk, input en, input [{address}:0] addr, output reg [{msb}:0] data,
  input w_en, input [{address}:0] w_addr, input [{msb}:0] w_data
);
  reg [{msb}:0] memory [0:{last}];
  initial $readmemh("{file}", memory);
  always @(posedge clk) begin
    if (w_en) memory[w_addr] <= w_data;
    if (en) data <= memory[addr];
  end
endmodule
"""


def module_name(text: str) -> str:
    """``text`` as a Verilog identifier: letters, digits and single underscores, not beginning with a digit."""
    name = re.sub(r"_+", "_", re.sub(r"\W", "_", text, flags=re.ASCII)).strip("_").lower() or "design"
    return f"net_{name}" if name[0].isdigit() or name in _RESERVED else name


@dataclass
class Memories:
    """The platform that units are elaborated with: turns their memories into modules that read memory files."""

    unit: str
    files: dict[str, str]
    shared: list[tuple[str, Any]] = field(default_factory=list)

    def memory_file(self, name: str, words, width: int) -> str:
        """A ROM's module (``hdl.rom``)."""
        return self._file(_ROM, name, words, width)

    def loadable_file(self, name: str, words, width: int) -> str:
        """The module of a memory that can be loaded (``hdl.weights``)."""
        return self._file(_RAM, name, words, width)

    def shared_module(self, name: str, component) -> str:
        """The module of components that are equal (``hdl.shared``); it comes in the unit's own file."""
        module = f"{self.unit}_{name}"
        self.shared.append((module, component))
        return module

    def _file(self, text: str, name: str, words, width: int) -> str:
        module = f"{self.unit}_{name}"
        digits = -(-width // 4)
        self.files[f"{module}.hex"] = "".join(f"{word:0{digits}x}\n" for word in words)
        self.files[f"{module}.v"] = text.format(
            what=f"{name} of {self.unit}", name=module, depth=len(words), width=width, msb=width - 1,
            last=len(words) - 1, address=max(1, (len(words) - 1).bit_length()) - 1, file=f"{module}.hex")
        return module


class Accelerator(wiring.Component):
    """All stages joined, as one Amaranth component: streams ``i`` and ``o`` of plain words.

    Each unit whose weights, thresholds or tables can be loaded has a further input, ``load_STAGE``, of its parameters'
    ``load_words``.

    Parameters
    ----------
    dataflow : Dataflow
    modules : dict of stage name to Verilog module name, or None
        If given, stages are instances of these modules; else they are components, which Amaranth's simulator runs.
    tapped : bool
        Give out also ``stream_valid`` and ``stream_ready``, a bit for each stream, the first in the lowest bit.
    """

    def __init__(self, dataflow: Dataflow, modules: dict[str, str] | None = None, *, tapped: bool = False):
        self._dataflow, self._modules, self._tapped = dataflow, modules, tapped
        super().__init__({
            "i": In(word_stream(dataflow.edges[0].bits)),
            "o": Out(word_stream(dataflow.edges[-1].bits)),
            **{f"load_{stage.name}": In(word_stream(stage.parameters.load_bits)) for stage in dataflow.loadable},
            **({"stream_valid": Out(len(dataflow.edges)), "stream_ready": Out(len(dataflow.edges))} if tapped else {}),
        })

    @property
    def dataflow(self) -> Dataflow:
        return self._dataflow

    def elaborate(self, platform):
        m = Module()
        wires = {edge.name: self._wires(edge) for edge in self._dataflow.edges}
        first, last = wires["i"], wires["o"]
        m.d.comb += [
            first.payload.eq(self.i.payload), first.valid.eq(self.i.valid), self.i.ready.eq(first.ready),
            self.o.payload.eq(last.payload), self.o.valid.eq(last.valid), last.ready.eq(self.o.ready),
        ]
        if self._tapped:
            m.d.comb += [self.stream_valid.eq(Cat(wire.valid for wire in wires.values())),
                         self.stream_ready.eq(Cat(wire.ready for wire in wires.values()))]
        loadable = self._dataflow.loadable
        for stage in self._dataflow.stages:
            names_in, names_out = stage.ports
            sources = [(port, edge, wires[edge.name]) for port, edge in zip(names_in, stage.inputs, strict=True)]
            sinks = [(port, edge, wires[edge.name]) for port, edge in zip(names_out, stage.outputs, strict=True)]
            if self._modules is None:
                m.submodules[stage.name] = unit = stage.unit()
                for port, edge, wire in sources:
                    connect(m, wire.of(edge.shape), getattr(unit, port))
                for port, edge, wire in sinks:
                    connect(m, getattr(unit, port), wire.of(edge.shape))
                if stage in loadable:
                    connect(m, wiring.flipped(getattr(self, f"load_{stage.name}")), unit.load)
            else:
                joined = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
                for port, _, wire in sources:
                    joined |= {f"i_{port}__payload": wire.payload, f"i_{port}__valid": wire.valid,
                               f"o_{port}__ready": wire.ready}
                for port, _, wire in sinks:
                    joined |= {f"o_{port}__payload": wire.payload, f"o_{port}__valid": wire.valid,
                               f"i_{port}__ready": wire.ready}
                if stage in loadable:
                    load = getattr(self, f"load_{stage.name}")
                    joined |= {"i_load__payload": load.payload, "i_load__valid": load.valid,
                               "o_load__ready": load.ready}
                m.submodules[stage.name] = Instance(self._modules[stage.name], **joined)
        return m

    def _wires(self, edge: Edge) -> _Wires:
        # The ports at the ends have the stream's own names.
        name = {"i": "in", "o": "out"}.get(edge.name, edge.name)
        return _Wires(Signal(edge.bits, name=f"{name}_payload"), Signal(name=f"{name}_valid"),
                      Signal(name=f"{name}_ready"))


@dataclass
class _Wires:
    """A stream as three named signals."""

    payload: Signal
    valid: Signal
    ready: Signal

    def of(self, shape) -> _Typed:
        """The stream with its payload seen as ``shape``."""
        return _Typed(shape(self.payload), self.valid, self.ready)


@dataclass
class _Typed:
    payload: object
    valid: Signal
    ready: Signal


def emit(dataflow: Dataflow, name: str, *, progress: Callable[[str], None] = lambda stage: None,
         memories: type[Memories] = Memories) -> dict[str, str]:
    """The design's Verilog and memory files by name; ``NAME.v`` holds the top module ``NAME``.

    ``memories`` says what becomes of ROMs. ``progress`` is called with each stage's name before it is elaborated. The
    text depends on the dataflow graph and the name alone: not on paths, the machine or the time.
    """
    files: dict[str, str] = {}
    modules: dict[str, str] = {}
    heads: dict[str, str] = {}

    def units() -> Iterator[tuple[str, Any, Any]]:
        for stage, module, fresh in _modules(dataflow, name):
            modules[stage.name] = module
            if fresh:
                progress(stage.name)
                heads[module] = _header(stage)
                yield module, stage.unit(), memories(module, files)
        progress(name)
        heads[name] = f"// {name}: the accelerator, unit by unit.\n"
        yield name, Accelerator(dataflow, modules), None

    for module, text in convert_all(units()).items():
        files[f"{module}.v"] = heads[module] + text
    return dict(sorted(files.items()))


def tapped_top(dataflow: Dataflow, name: str) -> Accelerator:
    """The top of :func:`emit`'s units whose streams can be watched (``Accelerator``, ``tapped``)."""
    modules = {stage.name: module for stage, module, _ in _modules(dataflow, name)}
    return Accelerator(dataflow, modules, tapped=True)


def emit_unit(component, name: str) -> dict[str, str]:
    """The Verilog and memory files of one unit alone, by name; ``NAME.v`` holds the module ``NAME``."""
    files: dict[str, str] = {}
    files[f"{name}.v"] = convert(component, name, Memories(name, files))
    return dict(sorted(files.items()))


def _modules(dataflow: Dataflow, name: str) -> Iterator[tuple[Stage, str, bool]]:
    """Each stage, its module's name, and whether the module is new: equal FIFOs and converters share one."""
    seen: set[str] = set()
    for stage in dataflow.stages:
        match stage.parameters:
            case FifoParameters(depth, bits, kind):
                module = f"{name}_fifo_{depth}x{bits}_{kind}"
            case WidthParameters(channels, lanes_in, lanes_out):
                kind = f"{'s' * stage.input.type.signed}{stage.input.type.bits}"
                module = f"{name}_width_{lanes_in}_to_{lanes_out}_of_{channels}x{kind}"
            case _:
                module = f"{name}_{stage.name}"
        yield stage, module, module not in seen
        seen.add(module)


def _header(stage: Stage) -> str:
    taken, given = (" and ".join(f"{edge.lanes} x {edge.type}" for edge in edges)
                    for edges in (stage.inputs, stage.outputs))
    return f"// {type(stage.parameters).__name__.removesuffix('Parameters')}: takes {taken}, gives {given} a word.\n"


def convert(component, name: str, platform=None) -> str:
    """A component's Verilog, as module ``name``: the same text on any machine."""
    return convert_all([(name, component, platform)])[name]


def convert_all(components: Iterable[tuple[str, Any, Any]]) -> dict[str, str]:
    """The Verilog of components, each ``(module name, component, platform)``: the same texts on any machine.

    Yosys writes all of them in one run, since starting it takes longer than most units do.
    """
    # Amaranth's own Yosys, of a pinned version, whatever the system has.
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    texts: list[str] = []
    file_of: dict[str, str] = {}

    def add(file: str, name: str, component, platform) -> None:
        texts.append(rtlil.convert(component, name=name, platform=platform, emit_src=False))
        file_of[name] = file
        if isinstance(platform, Memories):
            while platform.shared:
                module, first = platform.shared.pop(0)
                add(file, module, first, platform)

    for name, component, platform in components:
        add(name, name, component, platform)
    whole = _convert_rtlil_text("\n".join(texts), strip_internal_attrs=True)
    generator, _, modules = whole.partition("\n\n")
    parts: dict[str, list[str]] = {file: [generator] for file in file_of.values()}
    for module in re.split(r"(?m)^(?=(?:\(\*.*\*\)\n)*module )", modules):
        found = re.search(r"(?m)^module \\?([^\s.(]+)", module)
        if found:
            # A submodule of unit X is called X.NAME.
            parts[file_of[found[1]]].append(module.strip("\n"))
    return {name: "\n\n".join(part) + "\n" for name, part in parts.items()}
