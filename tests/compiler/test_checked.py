"""The wrapper with checked loads, in Verilator: another training's integers from coded streams, none from bad ones."""

import numpy as np

import gatewright
from gatewright.coding import coded
from gatewright.compiler.checked import emit_checked, layouts_of
from gatewright.compiler.execute import run_golden
from gatewright.compiler.words import pack, unpack
from gatewright.sim import patterns, verilated

BOOT = """\
module boot(input clk, input rst, input [{i}:0] i__payload, input i__valid, output i__ready,
            output [{o}:0] o__payload, output o__valid, input o__ready);
{registers}
  // The streams are on their way before the first frame is offered; whether it is taken is the wrapper's to say.
  wire sent = {sent};
  wire ready;
  assign i__ready = ready & sent;
  {top}_checked checked(.clk(clk), .rst(rst), .i__payload(i__payload), .i__valid(i__valid & sent), .i__ready(ready),
    .o__payload(o__payload), .o__valid(o__valid), .o__ready(o__ready), .loaded(), .error(){ports});
endmodule
"""
REGISTERS = """\
  reg [32:0] words_{unit} [0:{last}];
  reg [31:0] at_{unit} = 0;
  wire ready_{unit};
  initial $readmemh("words_{unit}.hex", words_{unit});
  always @(posedge clk) if (!rst && at_{unit} != {count} && ready_{unit}) at_{unit} <= at_{unit} + 1;
"""
PORT = (",\n    .load_{unit}__payload(words_{unit}[at_{unit}]), .load_{unit}__valid(at_{unit} != {count}), "
        ".load_{unit}__ready(ready_{unit})")


def run(design, loads, codes):
    """Send each unit its streams, one after the other, then offer frames: the output words."""
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    files = design.rtl_bytes() | {
        name: text.encode() for name, text in emit_checked(design.dataflow, design.name).items()}
    given = []
    for unit, streams in loads.items():
        words = [int(word) | (place == len(stream) - 1) << 32
                 for stream in streams for place, word in enumerate(stream)]
        files[f"words_{unit}.hex"] = "".join(f"{word:x}\n" for word in words).encode()
        given.append({"unit": unit, "last": len(words) - 1, "count": len(words)})
    files["boot.v"] = BOOT.format(
        i=first.bits - 1, o=last.bits - 1, top=design.name, registers="".join(REGISTERS.format(**g) for g in given),
        sent=" & ".join("(at_{unit} == {count})".format(**g) for g in given),
        ports="".join(PORT.format(**g) for g in given)).encode()
    with verilated.build(verilated.Sources(files), "boot").open() as simulation:
        found = simulation.run(pack(codes, first), len(codes) * last.words, offers=patterns.offers(1),
                               accepts=patterns.accepts(1), max_cycles=20_000)
        return unpack(found.outputs, last) if found.finished else found.outputs


def test_a_good_load_computes_after_a_bad_one_and_a_bad_one_never(trained):
    """The last unit's stream has one bit flipped: it is enough for the whole core to stand still."""
    one, other = trained
    design = gatewright.compile(one, folding="2x2,2x1", memory="loadable")
    codes = design.codes(np.random.default_rng(0).integers(0, 8, size=(20, 6)))
    words, layouts = design.load_words(other), layouts_of(design.dataflow)
    good = {unit: coded.encode(layout, words[unit], f"load_{unit}") for unit, layout in layouts.items()}
    bad = good | {"fc1": good["fc1"] ^ np.array([0, 16, *[0] * (len(good["fc1"]) - 2)], np.uint32)}
    assert list(good) == ["fc0", "threshold0", "fc1"]
    expected = run_golden(other.graph, codes)[other.graph.output]
    assert not np.array_equal(expected, run_golden(one.graph, codes)[one.graph.output])
    assert np.array_equal(run(design, {unit: [bad[unit], good[unit]] for unit in good}, codes), expected)
    assert len(run(design, {unit: [good[unit], bad[unit]] for unit in good}, codes)) == 0


def test_only_what_can_be_loaded_is_wrapped(trained):
    assert emit_checked(gatewright.compile(trained[0], folding="2x2,2x1").dataflow, "net") == {}
    files = emit_checked(gatewright.compile(trained[0], folding="2x2,2x1", memory="loadable").dataflow, "net")
    assert sorted(files) == ["net_checked.v", "net_load_fc0.v", "net_load_fc1.v", "net_load_threshold0.v"]
