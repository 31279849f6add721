"""Goals on the command line: what `--fps`, budgets and boards build, and one line for each mistake."""

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gatewright import cli
from gatewright.boards.family import FAMILIES
from gatewright.boards.synthesis import resources

QUANT = "qonnx.custom_op.general"


def _saved(path, nodes, constants, inputs):
    """A network of three outputs, in a file."""
    take, give = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
                  for name, size in (("x", inputs), (nodes[-1].output[0], 3)))
    graph = helper.make_graph(nodes, "g", [take], [give], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(QUANT, 1)],
                                ir_version=10), path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """x -> sign -> 6x10 binary layer -> sign -> 3x6 binary layer."""
    rng = np.random.default_rng(3)
    constants = [numpy_helper.from_array(np.float32(1.0), "one")]
    nodes, last = [], "x"
    for k, shape in enumerate(((6, 10), (3, 6))):
        constants.append(numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), f"w{k}"))
        nodes += [helper.make_node("BipolarQuant", [last, "one"], [f"s{k}"], domain=QUANT),
                  helper.make_node("BipolarQuant", [f"w{k}", "one"], [f"b{k}"], domain=QUANT),
                  helper.make_node("Gemm", [f"s{k}", f"b{k}"], [f"y{k}"], name=f"layer{k}", transB=1)]
        last = f"y{k}"
    return _saved(tmp_path_factory.mktemp("goal") / "small.onnx", nodes, constants, inputs=10)


@pytest.fixture(scope="module")
def built(model):
    """A build that mistakes must leave as it is."""
    folder = model.with_name("build")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["gatewright", "build", str(model), "-o", str(folder), "--folding", "2x5,3x2"])
        with pytest.raises(SystemExit):
            cli.main()
    return folder


@pytest.fixture
def gatewright(monkeypatch, capsys):
    """Runs a command line in this process: its exit code, what it printed, and what it complained of."""
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["gatewright", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


@pytest.mark.parametrize(("words", "family", "device"), [
    (["--fps", "5e6"], "ecp5", None),
    (["--board", "ulx3s-25f"], "ecp5", "ecp5-25f"),
    (["--luts", "2000", "--bram", "0", "--dsp", "0", "--family", "xc7"], "xc7", None),
    (["--fps", "1e6", "--board", "up5k"], "ice40", "up5k"),
])
def test_a_goal_is_reached_and_recorded(gatewright, model, tmp_path, words, family, device):
    code, out, err = gatewright("build", model, "-o", tmp_path / "build", *words)
    assert (code, err) == (0, "")
    said = json.loads((tmp_path / "build" / "report.json").read_text())
    estimate = said["estimate"]
    assert (estimate["family"], estimate["device"], estimate["status"]) == (family, device, "optimal")
    for limit, count in zip(estimate["budget"].values(), ("luts", "block_rams", "dsps"), strict=True):
        assert limit is None or estimate[count] <= limit
    assert estimate["cycles"] is None or said["totals"]["interval"] <= estimate["cycles"]
    assert sum(unit["luts"] for unit in estimate["units"].values()) == estimate["luts"] > 0
    # On the terminal and on the page: the estimate with its error, and the step that would be faster.
    flat = " ".join(out.split())
    assert f"on {device or family} (model, held-out error" in flat
    assert "optimal, by the cost model" in flat
    page = (tmp_path / "build" / "report.html").read_text()
    assert "Estimated LUTs" in page
    assert f"on {device or family} (model, held-out error" in page
    goal = json.loads((tmp_path / "build" / "design.json").read_text())["goal"]
    assert (goal["family"], goal["status"]) == (family, "optimal")


@pytest.fixture(scope="module")
def bytes_(tmp_path_factory):
    """x -> int8 -> 5x8 layer of int8 -> int8 -> 3x5 layer of int8."""
    rng = np.random.default_rng(4)
    constants = [numpy_helper.from_array(np.float32(value), name) for name, value in (
        ("one", 1), ("eight", 8), ("zero", 0), ("wide", 256))]

    def quantised(tensor, scale, result):
        return helper.make_node("Quant", [tensor, scale, "zero", "eight"], [result], domain=QUANT, signed=1, narrow=0,
                                rounding_mode="ROUND")

    nodes, last = [], "x"
    for k, shape in enumerate(((5, 8), (3, 5))):
        constants.append(numpy_helper.from_array(rng.integers(-128, 128, shape).astype(np.float32), f"w{k}"))
        nodes += [quantised(last, "wide" if k else "one", f"s{k}"), quantised(f"w{k}", "one", f"b{k}"),
                  helper.make_node("Gemm", [f"s{k}", f"b{k}"], [f"y{k}"], name=f"layer{k}", transB=1)]
        last = f"y{k}"
    return _saved(tmp_path_factory.mktemp("bytes") / "bytes.onnx", nodes, constants, inputs=8)


@pytest.mark.parametrize(("words", "dsps", "family"), [
    (["--fps", "2e6"], 0, "ecp5"), (["--luts", "1300"], 3, "ecp5"), (["--luts", "600"], 2, "xc7"),
])
def test_a_budget_of_multipliers_holds_in_the_netlist(gatewright, bytes_, tmp_path, words, dsps, family):
    """Lanes that do not get one are bit planes in lookup tables, and the layer says so."""
    folder = tmp_path / "build"
    code, out, err = gatewright("build", bytes_, "-o", folder, *words, "--dsp", dsps, "--family", family)
    assert (code, err) == (0, "")
    assert "planes" in out
    said = json.loads((folder / "report.json").read_text())
    recorded = [layer["lane"] for layer in json.loads((folder / "design.json").read_text())["layers"]]
    assert [layer["lane"] for layer in said["layers"]] == [lane or "multiply" for lane in recorded]
    assert "planes" in recorded
    sources = sorted(path for path in (folder / "rtl").glob("*.v") if "_axis" not in path.stem)
    counted = resources(sources, said["name"], FAMILIES[family])
    assert counted.dsps == said["estimate"]["dsps"] <= dsps
    assert bool(counted.dsps) == ("multiply" in out) == bool(dsps)


def test_a_family_alone_prices_the_folding_given(gatewright, model, tmp_path):
    code, out, _ = gatewright("build", model, "-o", tmp_path / "build", "--folding", "2x5,3x2", "--family", "ice40")
    assert code == 0
    assert "on ice40 (model, held-out error" in " ".join(out.split())
    said = json.loads((tmp_path / "build" / "report.json").read_text())
    assert (said["folding"], said["estimate"]["status"]) == ("2x5,3x2", None)


def test_without_a_wish_there_is_no_estimate(gatewright, model, tmp_path):
    code, out, _ = gatewright("build", model, "-o", tmp_path / "build")
    assert code == 0
    assert "estimated" not in out
    assert json.loads((tmp_path / "build" / "report.json").read_text())["estimate"] is None


BAD = {
    "--fps 0": "--fps: a frame rate must be positive, not 0 frames/s",
    "--fps 1e9": "--fps: 1e+09 frames/s are more than one a cycle at 50 MHz; ask for fewer frames/s or a "
                 "faster --clock",
    "--fps 100 --clock nan": "--clock: a clock of nan MHz is out of range; say MHz, as in --clock 50",
    "--luts 900 --clock -5": "--clock: a clock of -5 MHz is out of range; say MHz, as in --clock 50",
    "--fps nan": "--fps: a frame rate must be positive, not nan frames/s",
    "--fps 1e7 --luts 60": "folding: no folding with at most 5 cycles a frame fits: at least ",
    "--luts 20": "folding: no folding fits: at least ",
    "--luts -1": "--luts: a budget must be at least 0, not -1",
    "--bram -1": "--bram: a budget must be at least 0, not -1",
    "--dsp -1": "--dsp: a budget must be at least 0, not -1",
    "--board abacus": "--board: no device or board is called 'abacus'; say one of hx1k, up5k, ",
    "--family virtex": "--family: no device family is called 'virtex'; say one of ice40, ecp5, gowin, "
                       "gatemate, nexus, machxo2, xc7, asic",
    "--board up5k --family xc7": "--family: up5k is an ice40; leave --family out",
    "--folding 2x5,3x2 --fps 9": "--folding and --fps: both a folding and a frame rate are given; give one of them",
    "--folding 2x5,3x2 --dsp 9": "--folding and --dsp: both a folding and a budget are given; give one of them",
}


@pytest.mark.parametrize("words", BAD)
def test_a_mistake_is_one_line_and_leaves_the_last_build_whole(gatewright, model, built, words):
    before = {path: path.read_bytes() for path in built.parent.rglob("*") if path.is_file()}
    assert built / "design.json" in before
    code, out, err = gatewright("build", model, "-o", built, *words.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"gatewright: {BAD[words]}")
    assert err.count("\n") == 1
    assert {path: path.read_bytes() for path in built.parent.rglob("*") if path.is_file()} == before
