"""What is simulated: a design's files, and the streams inside it that are watched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Sources", "Tap"]

_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")


@dataclass(frozen=True)
class Tap:
    """A stream between two units: the signals ``NAME_payload``, ``NAME_valid``, ``NAME_ready`` of the top module.

    Where the design has no such signal, ``ready`` is False: then every cycle in which the stream is valid counts as a
    transfer.
    """

    name: str
    bits: int
    ready: bool = True

    def __post_init__(self):
        if not _NAME.fullmatch(self.name) or self.name in ("i", "o"):
            raise ValueError(f"tap name must be letters, digits and single underscores, and not that of a port, "
                             f"not {self.name!r}")
        if self.bits < 1:
            raise ValueError(f"bits of tap {self.name!r} must be a positive integer, not {self.bits!r}")


@dataclass(frozen=True)
class Sources:
    """A design's files by plain name: Verilog (``.v``, ``.sv``) and the memory files that ``$readmemh`` names.

    ``libraries`` are more of them, of somebody else's (the cells of a netlist): only the modules that are used count,
    those of ``files`` come first, and Verilator's lint looks away. Verilog may include a ``.vh`` of them.
    """

    files: Mapping[str, bytes]
    libraries: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self):
        for name in (*self.files, *self.libraries):
            if Path(name).name != name or name in ("", ".", ".."):
                raise ValueError(f"source file must have a plain name, not {name!r}")

    @property
    def verilog(self) -> list[str]:
        """The names of the Verilog files, in the order given."""
        return [name for name in self.files if name.endswith((".v", ".sv"))]
