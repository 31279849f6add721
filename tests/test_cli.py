"""The command line as a person meets it: help that teaches, one line for what is wrong, and the exit codes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

import gatewright

QUANT = "qonnx.custom_op.general"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """x -> sign -> 6x10 binary layer -> batch norm -> sign -> 3x6 binary layer."""
    rng = np.random.default_rng(3)
    constants, nodes, last = [], [], "x"

    def constant(array):
        constants.append(numpy_helper.from_array(np.asarray(array, dtype=np.float32), f"c{len(constants)}"))
        return constants[-1].name

    def node(kind, *inputs, domain="", **attributes):
        name = f"t{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], name=f"{kind}_{len(nodes)}", domain=domain, **attributes))
        return name

    one = constant(1.0)
    for inputs, outputs in ((10, 6), (6, 3)):
        weights = node("BipolarQuant", constant(rng.normal(size=(outputs, inputs))), one, domain=QUANT)
        last = node("Gemm", node("BipolarQuant", last, one, domain=QUANT), weights, transB=1)
        if outputs == 6:
            last = node("BatchNormalization", last, *(constant(a) for a in (
                rng.normal(size=6), rng.normal(size=6), rng.normal(size=6), rng.uniform(0.5, 2, size=6))))
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 10])],
                              [helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, 3])], constants)
    path = tmp_path_factory.mktemp("cli") / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(QUANT, 1)],
                                ir_version=10), path)
    np.savez(path.with_name("data.npz"), x=rng.integers(-128, 128, size=(40, 10)).astype(np.int8),
             y=rng.integers(0, 3, size=40))
    return path


def run(*words, cwd=None):
    return subprocess.run([sys.executable, "-m", "gatewright.cli", *map(str, words)], capture_output=True, text=True,
                          cwd=cwd, check=False)


@pytest.fixture(scope="module")
def built(model):
    folder = model.with_name("build")
    done = run("build", model, "-o", folder, "--input", "int8", "--input-scale", "1/128", "--folding", "4x3,2x4")
    assert done.returncode == 0, done.stderr
    return folder


def test_verify_simulate_and_report(built):
    data = built.with_name("data.npz")
    done = run("verify", built, "--data", data, "--seed", "4")
    assert done.returncode == 0, done.stderr
    record = json.loads((built / "report.json").read_text())["verification"]
    assert (record["frames"], record["mismatches"], record["seed"]) == (40, 0, 4)
    assert "40 frames" in (built / "report.html").read_text()
    done = run("simulate", built, "--data", data, "--frames", "12", "-o", built.with_name("answers.npz"), "--seed", "1")
    assert done.returncode == 0, done.stderr
    with np.load(built.with_name("answers.npz")) as answers:
        assert answers["integers"].shape == answers["logits"].shape == (12, 3)
    done = run("report", built)
    assert done.returncode == 0, done.stderr
    assert "0 integers differ" in done.stdout


def test_a_flipped_bit_ends_with_1_and_is_recorded(model, built, tmp_path):
    folder = tmp_path / "broken"
    assert run("build", model, "-o", folder, "--input", "int8", "--input-scale", "1/128").returncode == 0
    path = next(folder.glob("rtl/*_fc1_weights.hex"))
    first, *rest = path.read_text().split()
    path.write_text("\n".join([f"{int(first, 16) ^ 1:0{len(first)}x}", *rest]) + "\n")
    waves = tmp_path / "waves.fst"
    done = run("verify", folder, "--data", built.with_name("data.npz"), "--waves", waves)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "layer Gemm_" in done.stderr
    assert "output of fc1, frame 0" in done.stderr
    record = json.loads((folder / "report.json").read_text())["verification"]
    assert record["mismatches"] > 0
    assert record["failure"] in done.stderr
    assert [path for path in tmp_path.glob("waves.*") if path.stat().st_size > 0]


BAD = [
    (["build", "absent.onnx", "-o", "b"], "absent.onnx"),
    (["build", "MODEL", "-o", "b", "--input", "float8"], "--input"),
    (["build", "MODEL", "-o", "b", "--input", "uint8", "--input-scale", "x"], "--input-scale"),
    (["build", "MODEL", "-o", "b", "--folding", "4x3"], "--folding"),
    (["build", "MODEL", "-o", "b", "--folding", "absent.json"], "--folding"),
    (["build", "MODEL", "-o", "b", "--fps", "1e12"], "--fps"),
    (["build", "MODEL", "-o", "b", "--clock", "-5"], "--clock"),
    (["build", "MODEL", "-o", "b", "--lut", "7"], "--lut"),
    (["build", "MODEL", "-o", "MODEL"], "is there already and is no folder"),
    (["build", "MODEL", "-o", "MODEL/inside"], "small.onnx"),
    (["verify", "absent", "--data", "DATA"], "absent: no such folder"),
    (["verify", ".", "--data", "DATA"], "no build here"),
    (["verify", "BUILD", "--data", "absent.npy"], "absent.npy: no such file"),
    (["verify", "BUILD", "--data", "MODEL"], "small.onnx"),
    (["verify", "BUILD", "--data", "DATA", "--labels", "absent.npy"], "absent.npy"),
    (["verify", "BUILD", "--data", "DATA", "--x-initial", "zero"], "--x-initial"),
    (["simulate", "BUILD", "--data", "DATA", "-o", "absent/answers.npz"], "absent"),
    (["report", "absent"], "absent: no such folder"),
    (["build", "MODEL", "-o", "b", "--fps", "inf"], "--fps"),
    (["build", "MODEL", "-o", "b", "--fps", "fast"], "see 'gatewright build --help'"),
    (["build", "MODEL"], "Missing option '-o'"),
    (["verify", "BUILD", "--data", "DATA", "--frames", "0"], "see 'gatewright verify --help'"),
    (["prove"], "No such command 'prove'"),
    (["build", "MODEL", "-o", "b", "--name", "a;$finish"], "--name"),
    (["verify", "BUILD", "--data", "DATA", "--waves", "absent/w.fst"], "absent/w.fst: is in a folder that does not"),
    (["simulate", "BUILD", "--data", "DATA", "-o", "."], "is a folder; name a file"),
    (["train", "no-such-recipe", "-o", "m.onnx"], "no-such-recipe"),
    (["train", "digits-w1a1", "-o", "absent/m.onnx"], "absent"),
    (["train", "digits-w1a1", "-o", "m.onnx", "--data", "absent"], "absent"),
]


@pytest.mark.parametrize(("words", "names"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_is_one_line_and_exit_code_2(model, built, tmp_path, words, names):
    if words[0] == "train":
        pytest.importorskip("brevitas", reason="pip install 'gatewright[train]' to run this")
    if "--data" in words and words[0] == "train":
        words = ["train", "tfc-w1a1", *words[2:]]
    places = {"MODEL": str(model), "DATA": str(built.with_name("data.npz")), "BUILD": str(built)}
    words = [places.get(word, word.replace("MODEL/", f"{model}/")) for word in words]
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("gatewright: ")
    assert done.stderr.count("\n") == 1
    assert names in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("damage", "message"), [
    (lambda folder: (folder / "report.json").write_text("[]"), "report.json holds no JSON object"),
    (lambda folder: next(folder.glob("rtl/*_fc0_weights.hex")).unlink(), "fc0_weights.hex is missing; build it again"),
])
def test_damaged_builds_are_one_line(built, tmp_path, damage, message):
    folder = tmp_path / "build"
    shutil.copytree(built, folder)
    damage(folder)
    done = run("verify", folder, "--data", built.with_name("data.npz"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_labels_that_the_network_cannot_answer_are_refused(built, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 10), dtype=np.uint8), y=np.array([0, 3]))
    done = run("verify", built, "--data", tmp_path / "data.npz")
    assert done.returncode == 2
    assert "labels range from 0 to 3; the network answers 0 to 2" in done.stderr


def test_help_teaches():
    from gatewright.cli import app

    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("train", "build", "weights", "verify", "simulate", "report", "demo"):
        assert command in result.stdout
        said = CliRunner().invoke(app, [command, "--help"])
        assert said.exit_code == 0
        assert len(said.stdout.splitlines()) > 5


def test_help_names_every_recipe():
    from gatewright.cli import app

    said = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200"}).stdout
    recipes = (Path(__file__).parents[1] / "quant" / "recipes").glob("[!_]*.py")
    assert [name for path in recipes if (name := path.stem.replace("_", "-")) not in said] == []


def test_the_words_of_another_training_are_written(model, tmp_path):
    trained = onnx.load(model)
    for tensor in trained.graph.initializer:
        if len(tensor.dims) == 2:
            tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    onnx.save(trained, tmp_path / "other.onnx")
    done = run("build", model, "-o", tmp_path / "build", "--folding", "4x3,2x4", "--weights", "loadable")
    assert "loadable: fc0, fc1, each by its port load_UNIT (gatewright weights makes the words)" in done.stdout
    done = run("weights", tmp_path / "build", tmp_path / "other.onnx", "-o", tmp_path / "words")
    assert (done.returncode, done.stderr) == (0, "")
    ports = json.loads((tmp_path / "words" / "loads.json").read_text())["ports"]
    assert ports == [{"port": "load_fc0", "bits": 16, "words": 10, "file": "load_fc0.hex"},
                     {"port": "load_fc1", "bits": 8, "words": 4, "file": "load_fc1.hex"}]
    assert json.loads((tmp_path / "build" / "design.json").read_text())["loads"] == [
        {key: port[key] for key in ("port", "bits", "words")} for port in ports]
    design, other = gatewright.Design.open(tmp_path / "build"), gatewright.load(tmp_path / "other.onnx")
    for unit, words in design.load_words(other).items():
        lines = (tmp_path / "words" / f"load_{unit}.hex").read_text().split()
        assert [int(line, 16) for line in lines] == list(words)


def test_words_travel_as_one_coded_file_and_a_flipped_bit_is_refused(model, tmp_path):
    run("build", model, "-o", tmp_path / "build", "--folding", "4x3,2x4", "--weights", "loadable")
    done = run("weights", tmp_path / "build", model, "-o", tmp_path / "net.gwc", "--coded")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"14 words for 2 ports written to \S+: [\d,]+ bytes instead of 24\n", done.stdout)
    done = run("weights", tmp_path / "build", tmp_path / "net.gwc", "-o", tmp_path / "words")
    assert (done.returncode, done.stderr) == (0, "")
    run("weights", tmp_path / "build", model, "-o", tmp_path / "plain")
    assert [(path.name, path.read_bytes()) for path in sorted((tmp_path / "words").iterdir())] == [
        (path.name, path.read_bytes()) for path in sorted((tmp_path / "plain").iterdir())]

    done = run("weights", tmp_path / "build", tmp_path / "net.gwc", "-o", tmp_path / "again.gwc", "--coded")
    assert done.returncode == 2
    assert "is coded already; leave out --coded to unpack it" in done.stderr
    content = bytearray((tmp_path / "net.gwc").read_bytes())
    content[-30] ^= 4
    (tmp_path / "net.gwc").write_bytes(content)
    done = run("weights", tmp_path / "build", tmp_path / "net.gwc", "-o", tmp_path / "bad")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "net.gwc: is damaged: its CRC-32 should be " in done.stderr
    assert not (tmp_path / "bad").exists()


def test_words_need_a_build_that_takes_them(model, built, tmp_path):
    done = run("weights", built, model, "-o", tmp_path / "words")
    assert done.returncode == 2
    assert done.stderr == ("gatewright: small: the weights of this design cannot be loaded; build it with --weights "
                           "loadable\n")
    assert not (tmp_path / "words").exists()


def test_interrupted_work_leaves_no_folder_behind(model, tmp_path):
    """A build killed on its way leaves nothing that looks like a build."""
    child = subprocess.Popen([sys.executable, "-m", "gatewright.cli", "build", str(model), "-o", str(tmp_path / "out")],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    child.kill()
    child.wait()
    assert not (tmp_path / "out").exists()
    assert Path(model).is_file()
