"""The README's commands and Python run as they stand there, in a fresh folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import gatewright
from gatewright.compiler.frontend.ops import OPERATORS

ROOT = Path(gatewright.__file__).resolve().parent


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_the_readmes_road_can_be_walked(tmp_path):
    pytest.importorskip("brevitas", reason="pip install 'gatewright[train]' to run this")
    lines = [line for block in blocks("console") for line in block.splitlines()]
    # What needs a board's tools, or a board, comes last and has tests of its own.
    commands = [line[2:] for line in lines if line.startswith("$ gatewright")][:5]
    assert [shlex.split(command)[1] for command in commands] == ["train", "build", "verify", "simulate", "report"]
    for command in commands:
        # Two epochs are enough to walk on: what is trained how well is tested elsewhere.
        words = shlex.split(command)[1:] + (["--epochs", "2"] if " train " in command else [])
        done = subprocess.run([sys.executable, "-m", "gatewright.cli", *words], cwd=tmp_path, capture_output=True,
                              text=True, check=False, env={**os.environ, "COLUMNS": "100"})
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "0 integers differ" in done.stdout
    (python,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", python], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split()[1] == "0"
    assert (tmp_path / "build-from-python" / "design.json").is_file()


def test_the_guide_lists_every_operator():
    """Messages that refuse an operator send people there."""
    listed = re.search(r"^## Operators\n(.*?)^## ", (ROOT / "docs" / "guide.md").read_text(), re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`(\w+)`", listed[1])) >= set(OPERATORS)


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name} links to {target}"
