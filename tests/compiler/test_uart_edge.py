"""The design on a serial line: module ``NAME_uart``, which a board's top instantiates by name."""

import re

import numpy as np
import pytest

import gatewright
from gatewright.compiler.uart_edge import emit_uart, link_of
from gatewright.errors import UserError


@pytest.fixture(scope="module")
def design(builder, tmp_path_factory):
    net = builder((1, 9)).gemm(np.random.default_rng(1).choice([-1, 0, 1], (4, 9)), 0.5, bits=3)
    path = net.save(tmp_path_factory.mktemp("uart") / "net.onnx")
    return lambda **options: gatewright.compile(gatewright.load(path, input="uint3", name="net"), **options)


def test_the_top_has_four_ports_and_joins_link_and_core(design):
    dataflow = design(folding="2x3").dataflow
    files = emit_uart(dataflow, "net", b"identity", 25e6, 1e6)
    assert list(files) == ["net_uart.v"]
    text = files["net_uart.v"]
    sizes = [-(-edge.bits // 8) * edge.words for edge in (dataflow.edges[0], dataflow.edges[-1])]
    assert text.startswith(f"// net on a serial line: {sizes[0]} bytes a frame in, {sizes[1]} out, 1000000 baud at 25 "
                           "MHz.\n")
    (top,) = re.findall(r"module net_uart\((.*?)\);", text)
    assert set(top.split(", ")) == {"clk", "rst", "rx", "tx"}
    assert "\n  net core (" in text
    assert emit_uart(dataflow, "net", b"identity", 25e6, 1e6) == files
    assert emit_uart(dataflow, "net", b"identitY", 25e6, 1e6) != files


def test_load_ports_are_idle(design):
    text = emit_uart(design(folding="2x3", memory="loadable").dataflow, "net", bytes(8), 12e6, 1e6)["net_uart.v"]
    assert re.search(r"\.load_fc0__valid\(1'h0\)", text)


def test_what_a_line_cannot_do_is_refused(design):
    dataflow = design(folding="2x3").dataflow
    with pytest.raises(UserError, match=r"^--baud: baud must be within 2 % of the clock of 25 MHz divided by an "
                                        r"integer, such as 3125000, not 3e\+06; say another --baud or clock$"):
        link_of(dataflow, bytes(8), 25e6, 3e6)


def test_frames_that_are_too_large_are_sent_to_axi(builder, tmp_path):
    net = builder((1, 3, 80, 80)).conv(np.random.default_rng(1).choice([-1, 1], (2, 3, 3, 3)), 0.5, bits=2)
    model = gatewright.load(net.save(tmp_path / "large.onnx"), input="uint8")
    with pytest.raises(UserError, match=r"too large for a serial line: a frame must have at most 16384 bytes, not "
                                        r"19200; join the design by its AXI4-Stream edge, module NAME_axis$"):
        link_of(gatewright.compile(model).dataflow, bytes(8), 25e6, 1e6)
