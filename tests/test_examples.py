"""The examples and the Python of docs/ run, each as a person starts it, and say what they are to say."""

import doctest
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import gatewright

ROOT = Path(gatewright.__file__).resolve().parent
EXAMPLES = ROOT / "examples"


def run(name, *arguments, folder, status=0):
    done = subprocess.run([sys.executable, EXAMPLES / name, *map(str, arguments)], cwd=folder, capture_output=True,
                          text=True, check=False, env={**os.environ, "COLUMNS": "160"})
    assert done.returncode == status, f"{name}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def own_build(tmp_path_factory):
    """A build of the example's own network after two epochs, and what the example printed."""
    pytest.importorskip("brevitas", reason="pip install 'gatewright[train]' to run this")
    folder = tmp_path_factory.mktemp("own")
    said = run("train_your_own.py", "--epochs", 2, "--frames", 20, "-o", "build", folder=folder)
    return folder / "build", said


def test_an_own_network_is_trained_and_verified(own_build):
    folder, said = own_build
    assert "20 frames verified, 0 integers differ" in said
    assert (folder / "design.json").is_file()
    assert (folder / "rtl" / "own_axis.v").is_file()


def test_foldings_are_explored(own_build, tmp_path):
    said = run("explore_folding.py", own_build[0] / "model.onnx", "--input", "int5", "--input-scale", "1/8",
               "--cycles", 512, 64, 63, folder=tmp_path)
    assert "128 x 64, 128 x 128, 10 x 128" in said
    rows = [line for line in said.splitlines() if "x" in line and "," in line and "│" in line]
    intervals = [int(row.split("│")[3]) for row in rows]
    assert len(intervals) in (2, 3)  # 63 cycles may ask for the folding that 64 did
    assert intervals == sorted(intervals, reverse=True)
    assert all(interval <= 512 for interval in intervals)


def test_a_missing_model_is_one_line(tmp_path):
    said = run("explore_folding.py", "nowhere.onnx", folder=tmp_path, status=1)
    assert said == "explore_folding: nowhere.onnx: there is no such file; give the path of a QONNX model\n"


def test_a_unit_runs_in_a_design_of_ones_own(tmp_path):
    said = run("unit_in_amaranth.py", folder=tmp_path)
    assert "72 dot products equal, 18 words each in the cycle predicted" in said
    assert "15 cycles a frame: ceil(12/5) x ceil(40/8)" in said


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "train_your_own.py", "unit_in_amaranth.py", "explore_folding.py", "core_in_amaranth.py", "core_in_litex.py",
        "pynq_axi.py"}


@pytest.fixture(scope="module")
def small_build(tmp_path_factory):
    """A build of a network made by hand: two layers of two bits, answers of several words."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder, rng = tmp_path_factory.mktemp("small"), np.random.default_rng(0)
    nodes, constants, last = [], [], "x"

    def node(op, *inputs, **attributes):
        nonlocal last
        names = []
        for value in inputs:
            names.append(value if isinstance(value, str) else f"c{len(constants)}")
            if not isinstance(value, str):
                constants.append(numpy_helper.from_array(np.asarray(value, np.float32), names[-1]))
        last = f"t{len(nodes)}"
        domain = "qonnx.custom_op.general" if op == "BipolarQuant" else ""
        nodes.append(helper.make_node(op, names, [last], domain=domain, **attributes))
        return last

    node("BipolarQuant", "x", 1.0)
    for rows, columns in ((8, 12), (6, 8)):
        before = last
        weights = node("BipolarQuant", rng.normal(size=(rows, columns)), 0.5)
        node("Gemm", before, weights, transB=1)
        if rows == 8:
            node("BipolarQuant", last, 1.0)
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 12])],
                              [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13),
                                                    helper.make_opsetid("qonnx.custom_op.general", 1)], ir_version=10)
    onnx.save(model, folder / "net.onnx")
    return gatewright.compile(gatewright.load(folder / "net.onnx"), folding="2x3,2x2").write(folder / "build")


def test_a_core_runs_in_an_amaranth_design_of_ones_own(small_build, tmp_path):
    said = run("core_in_amaranth.py", small_build, folder=tmp_path)
    assert "50 frames through net in a design of my own: 300 integers equal" in said
    said = run("core_in_amaranth.py", "nowhere", folder=tmp_path, status=1)
    assert said.startswith("core_in_amaranth: nowhere: no such folder")


def test_a_core_runs_in_litex(small_build, tmp_path):
    pytest.importorskip("litex", reason="pip install litex==2024.12 to run this")
    assert "50 frames through net in LiteX: 300 integers equal" in run("core_in_litex.py", small_build, folder=tmp_path)


def test_registers_are_reached_by_name_from_pynq(small_build):
    said = json.loads((small_build / "soc" / "net_axi.json").read_text())
    identity = bytes.fromhex(said["identity"])
    bus = {said["registers"]["MAGIC"]: said["magic"], said["registers"]["VERSION"]: said["version"],
           **{said["registers"][f"IDENTITY_{k}"]: int.from_bytes(identity[4 * k : 4 * k + 4], "little")
              for k in range(2)}, said["registers"]["STATUS"]: 0b1_0000_0010, said["busy"] + 4: 7,
           said["registers"]["CYCLES_1"]: 1}
    space = runpy.run_path(str(EXAMPLES / "pynq_axi.py"))
    path, written = small_build / "soc" / "net_axi.json", []
    registers = space["Registers"](path, lambda at: bus.get(at, 0), lambda at, value: written.append((at, value)))
    assert registers.status() == ["LATE", "BUSY"]
    assert written == [(said["registers"]["STATUS"], 0b1_0000_0010)]
    found = registers.counters()
    assert found["CYCLES"] == 1 << 32
    assert list(found["busy"].values())[1] == 7
    bus[said["registers"]["IDENTITY_0"]] ^= 1
    with pytest.raises(ValueError, match="the overlay holds another design"):
        space["Registers"](path, lambda at: bus.get(at, 0), lambda at, value: None)


def test_the_script_for_vivado_names_files_that_are_there(small_build):
    text = (small_build / "soc" / "net_axi_ip.tcl").read_text()
    named = set(re.findall(r"\$here/(\S+?)[\s\]]", text)) - {"ip"}
    assert {"../rtl/net_axi.v", "../rtl/net_tapped.v", "../rtl/net_axis_slave.v"} <= named
    assert "../rtl/net.v" not in named
    assert all((small_build / "soc" / name).is_file() for name in named)
    assert text.count("{") == text.count("}")


def test_the_pages_python_runs(tmp_path):
    """The guide's networks, its Python road, and the architecture page's look inside, one after the other."""
    pytest.importorskip("brevitas", reason="pip install 'gatewright[train]' to run this")
    said = []
    for page, count in (("guide.md", 3), ("architecture.md", 1)):
        blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
        assert len(blocks) == count
        for block in blocks:
            done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True,
                                  check=False)
            assert done.returncode == 0, f"{page}: {done.stderr}"
            said.append(done.stdout)
    # 96 rows in 8 folds by 64 columns in 5; labels are the network's own answers.
    assert "Huffman codes take" in said[1]
    assert said[2].splitlines()[0].startswith("40 ")
    assert said[2].splitlines()[1] == "1.0 {'predicted': 40, 'measured': 40}"
    assert said[3].count("graph own\n") == 2
    assert (tmp_path / "own-build" / "design.json").is_file()


def test_the_schedule_of_the_hardware_page(capsys):
    lines = (ROOT / "docs" / "hardware.md").read_text().splitlines()
    session = "\n".join(line for line in lines if line.startswith((">>> ", "([1, 1, 1")))
    test = doctest.DocTestParser().get_doctest(session, {}, "hardware.md", None, None)
    assert len(test.examples) == 4
    assert doctest.DocTestRunner().run(test).failed == 0, capsys.readouterr().out
