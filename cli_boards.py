"""The command line's commands for what is behind the Verilog: boards, bitstreams, hosts."""

from __future__ import annotations

import typer

__all__ = ["app"]

app = typer.Typer()
