"""A core's Verilog for a chip: no memory file, no initial value, since silicon powers up with whatever it likes.

ROMs become case statements. What is written before it is read, or reset, needs no value at power-up, and loses the one
that the Verilog for FPGAs has; a memory that holds something from the start and is no ROM is refused.
"""

from __future__ import annotations

import re

from ..errors import UserError
from .dataflow import Dataflow
from .emit import Memories, emit

__all__ = ["CaseRoms", "chip_verilog", "without_power_up"]

_ROM = """\
// {what}: {depth} words of {width} bits, read in step with the clock.
module {name}(input clk, input en, input [{address}:0] addr, output reg [{msb}:0] data);
  always @(posedge clk)
    if (en)
      case (addr)
{cases}        default: data <= {width}'bx;
      endcase
endmodule
"""
_MEMORY = re.compile(r"^  initial begin\n((?:    .*;\n)*)  end\n", re.MULTILINE)
_REGISTER = re.compile(r"^(  (?:output )?reg (?:signed )?(?:\[\d+:\d+\] )?(?:\\\S+ |\w+)) = \d+'[bdh][\da-fx]+;$",
                       re.MULTILINE)
# What Yosys adds so that a simulator runs blocks without inputs once; it drives nothing.
_TRIGGER = re.compile(r"^ *(?:reg (\\\$auto\$verilog_backend\S+) +(?:= 0)?;|if \((\\\$auto\$verilog_backend\S+) *\) "
                      r"begin end)\n", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^ *\(\* (?:init = \d+'[bdh][\da-fx]+|ram_style = \".*\") \*\)\n", re.MULTILINE)


class CaseRoms(Memories):
    """The platform that makes case statements of ROMs."""

    every_rom = True

    def memory_file(self, name: str, words, width: int) -> str:
        module, bits = f"{self.unit}_{name}", max(1, (len(words) - 1).bit_length())
        digits = -(-width // 4)
        self.files[f"{module}.v"] = _ROM.format(
            what=f"{name} of {self.unit}", name=module, depth=len(words), width=width, msb=width - 1, address=bits - 1,
            cases="".join(f"        {bits}'d{place}: data <= {width}'h{word:0{digits}x};\n"
                          for place, word in enumerate(words)))
        return module


def without_power_up(text: str, module: str) -> str:
    """Verilog as ``emit`` gives it, without values at power-up.

    Raises
    ------
    UserError
        If a memory that is not read-only holds something from the start.
    """
    def empty(found: re.Match) -> str:
        if re.search(r"= \d+'[bdh]0*[1-9a-fx]", found[1]):
            raise UserError(f"{module} has a memory that holds something from the start, which a chip cannot",
                            where="the tile", remedy="build the network with --engine dense")
        return ""

    for pattern in (_TRIGGER, _ATTRIBUTE):
        text = pattern.sub("", text)
    text = _REGISTER.sub(r"\1;", _MEMORY.sub(empty, text))
    if "initial" in re.sub(r"//.*|/\*.*?\*/", "", text):
        raise ValueError(f"module {module} must have no initial block left")
    return text


def chip_verilog(dataflow: Dataflow, name: str) -> str:
    """The whole core ``NAME`` as one file.

    Raises
    ------
    UserError
        If a memory holds something from the start (:func:`without_power_up`).
    """
    files = emit(dataflow, name, memories=CaseRoms)
    return "\n".join(without_power_up(text, file.removesuffix(".v")) for file, text in files.items())
