"""What cannot be built is refused at import, in one line that a person can act on. Whole messages are pinned."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from gatewright.compiler.frontend import import_model
from gatewright.errors import UserError

ONES = np.ones((4, 8), dtype=np.float32)
CASES = {}


def case(message: str, **options):
    """Register a function of the Builder class that makes a bad model, and the message that it must give."""

    def register(make):
        CASES[make.__name__] = (make, message, options)
        return make

    return register


def layers(net, **attributes):
    return net.sign().gemm(ONES, **attributes)


@case("node 'HardSwitch_3' (HardSwitch): is an operator that is not supported (there is HardSwish); build the network "
      "from the operators in docs/guide.md, or move it to the host")
def misspelt_operator(new):
    return layers(new()).node("HardSwitch").sign().model()


@case("node 'Bernoulli_3' (Bernoulli): is an operator that is not supported; build the network from the operators in "
      "docs/guide.md, or move it to the host")
def unknown_operator(new):
    return layers(new()).node("Bernoulli").sign().model()


@case("node 'BipolarQuant_0' (BipolarQuant): is of the domain 'my.quantisers'; quantisers are known in onnx.brevitas, "
      "finn.custom_op.general, qonnx.custom_op.general; export the model with Brevitas")
def wrong_domain(new):
    return layers(new(quant="my.quantisers")).model()


@case("node 'FusedGemm_0' (FusedGemm): is of the domain 'com.microsoft'; supported are ONNX's own operators and the "
      "quantisers of qonnx.custom_op.general; export plain ONNX, without fused operators")
def foreign_operator(new):
    return new().node("FusedGemm", domain="com.microsoft").model()


@case("the graph has no nodes; export the whole network, not only its wrapper")
def empty_graph(new):
    return new().model(outputs=["x"])


@case("the model must have one input, not 2 ('x', 'y'); export a network that takes a single tensor")
def two_inputs(new):
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in "xy"]
    return new().node("Add", ..., "y").sign().model(inputs=infos)


@case("the model must have one output, not 2 ('t1', 't2'); export a network that returns a single tensor")
def two_outputs(new):
    return layers(new()).model(outputs=["t1", "t2"])


@case("tensor 'elsewhere': no node writes the model's output; export the model again; a part of it is missing")
def output_that_nothing_writes(new):
    return layers(new()).model(outputs=["elsewhere"])


@case("input 'x': has the shape ['N', 'features']: axis 1 is dynamic; only the batch axis may be; export with fixed "
      "sizes")
def dynamic_shape(new):
    return layers(new(shape=("N", "features"))).model()


@case("input 'x': has the shape [32, 8]: a batch of 32; supported are 1 and a dynamic one; export with an example "
      "input of batch 1")
def fixed_batch(new):
    return layers(new(shape=(32, 8))).model()


@case("input 'x': has the shape [8]; a batch axis and at least one more are needed; export with an example input of "
      "shape [1, features]")
def no_batch_axis(new):
    return new(shape=(8,)).sign().model()


@case("input 'x': has the shape [1, 4294967296]; a frame may have 16777216 elements; check that the file is what it "
      "should be")
def huge_input(new):
    return new(shape=(1, 1 << 32)).sign().model()


@case("input 'x': must be a float32 tensor; export the model with float32 inputs")
def integer_input(new):
    return layers(new()).model(inputs=[helper.make_tensor_value_info("x", TensorProto.INT8, [1, 8])])


@case("node 'b' (Relu): is part of a cycle, or follows one; a network must be acyclic; unroll recurrent layers before "
      "the export")
def cycle(new):
    net = new()
    net.nodes += [helper.make_node("Relu", ["t"], ["u"], name="b"),
                  helper.make_node("Add", ["x", "u"], ["t"], name="a")]
    net.last = "u"
    return net.model()


@case("node 'Add_1' (Add): reads the tensor 'nowhere', which nothing writes; export the model again; a part of it is "
      "missing")
def dangling_input(new):
    return new().sign().node("Add", ..., "nowhere").model()


@case("node 'Relu_1' (Relu): writes the tensor 't0', which has another source already; give every tensor its own name")
def two_sources(new):
    net = new().sign().node("Relu")
    net.nodes[1].output[0] = "t0"
    return net.model(outputs=["t0"])


@case("tensor 'c0': there are two constants of this name; give every tensor its own name")
def two_constants(new):
    net = layers(new())
    net.constant(np.float32(1), "c0")
    return net.model()


@case("node 'If_1' (If): holds a subgraph; control flow is not supported; export the model without if, for and while "
      "on tensors")
def subgraph(new):
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["b"])], "branch", [],
                               [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)])
    return new().sign().node("If", ..., then_branch=branch, else_branch=branch).model()


@case("node 'BatchNormalization_3' (BatchNormalization): is in training mode; call model.eval() before the export")
def batch_normalisation_in_training(new):
    return layers(new(opset=15)).norm([1] * 4, [0] * 4, [0] * 4, [1] * 4, training_mode=1).model()


@case("node 'BatchNormalization_3' (BatchNormalization): has a variance of -1.0; variance plus epsilon must be "
      "positive; repair the running variance, or set a larger eps")
def negative_variance(new):
    return layers(new()).norm([1] * 4, [0] * 4, [0] * 4, [1, 1, -1, 1]).model()


@case("node 'BatchNormalization_3' (BatchNormalization): has parameters of shape [3] for a tensor of shape [1, 4]; "
      "give one of each for each channel, the second axis")
def batch_normalisation_of_another_size(new):
    return layers(new()).norm([1] * 3, [0] * 3, [0] * 3, [1] * 3).model()


@case("the model is written in ONNX opset 99; supported are 7 to 24; export it with opset_version=20")
def opset_too_new(new):
    return layers(new(opset=99)).model()


@case("the model does not say which ONNX opset it is written in; export it with an opset from 7 to 24")
def no_opset(new):
    model = layers(new()).model()
    del model.opset_import[0]
    return model


@case("node 'Reshape_0' (Reshape): makes [3, 3] of a tensor of shape [1, 8]; repair the shape")
def impossible_reshape(new):
    return new().node("Reshape", ..., np.array([3, 3])).sign().model()


@case("node 'Reshape_0' (Reshape): makes [4, 2] of a tensor of shape [1, 8]; the batch axis must stay; keep the "
      "batch axis first")
def reshape_of_the_batch(new):
    return new().node("Reshape", ..., np.array([4, 2])).sign().model()


@case("tensor 't0': the network has no layer; export the whole network")
def quantiser_alone(new):
    return new().sign().model()


@case("tensor 't0': the network quantises nothing; train it with Brevitas' quantised layers")
def nothing_quantised(new):
    return new().node("Relu").model()


@case("tensor 't1': the output does not depend on the input; export the whole network")
def constant_output(new):
    net = new().sign()
    net.node("BipolarQuant", ONES, np.float32(1))
    return net.model()


@case("node 'Flatten_0' (Flatten): moves the batch axis; reshape with the batch axis first")
def flattened_batch(new):
    return layers(new().node("Flatten", axis=0)).model()


@case("node 'Squeeze_0' (Squeeze): cannot have the axes [1] for a tensor of shape [1, 8]; repair the axes")
def squeeze_of_features(new):
    return layers(new().node("Squeeze", ..., np.array([1]))).model()


@case("node 'Neg_1' (Neg): is not as ONNX defines it (Node(Neg_1) with schema(::Neg:13) has input size 2 not in range "
      "[min=1, max=1]); export the model again, in this opset")
def too_many_inputs(new):
    return new().sign().node("Neg", ..., np.float32(1)).model()


@case("node 'Gemm_2' (Gemm): is not as ONNX defines it (Mismatched attribute type in 'Gemm_2 : transB'. Expected: "
      "'INT', actual: 'FLOAT'); export the model again, in this opset")
def attribute_of_another_type(new):
    return layers(new(), transB=1.0).model()


@case("node 'BipolarQuant_0' (BipolarQuant): must have 2 inputs, not 1; export the model again")
def quantiser_without_scale(new):
    return layers(new().node("BipolarQuant")).model()


@case("tensor 'c3': is float64; supported is float32; export the model in float32")
def double_precision(new):
    return layers(new()).node("Add", ..., np.ones(4)).model()


@case("node 'Gemm_2' (Gemm): has a constant of type int32; supported is float32; export it as float32")
def integer_bias(new):
    net = new().sign()
    return net.node("Gemm", ..., net.weights(ONES), np.zeros(4, np.int32), transB=1).model()


@case("node 'Clip_3' (Clip): has a bound of shape [1]; export bounds as scalars")
def bound_of_one_axis(new):
    return layers(new()).node("Clip", ..., np.zeros(1, np.float32)).model()


@case("tensor 't3': the output is a node's second output; export the logits")
def mask_as_output(new):
    net = layers(new()).node("Dropout")
    net.nodes[-1].output[:] = ["d", "t3"]
    return net.model()


@pytest.mark.parametrize("name", list(CASES))
def test_refused(name, builder, tmp_path):
    make, message, options = CASES[name]
    path = tmp_path / "bad.onnx"
    path.write_bytes(make(builder).SerializeToString())
    with pytest.raises(UserError) as refusal:
        import_model(path, **options)
    assert str(refusal.value) == message


def test_enough_models_are_refused():
    assert len(CASES) >= 25
