"""What cannot be built is refused at import, in one line that a person can act on. Whole messages are pinned."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from gatewright.compiler.frontend import import_model
from gatewright.errors import UserError

SUPPORTED = ("Add, BatchNormalization, BipolarQuant, Clip, Div, Dropout, Flatten, Gemm, Identity, MatMul, Mul, Neg, "
             "Relu, Reshape, Squeeze, Sub, Transpose, Unsqueeze")
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


@case("node 'Erf_3' (Erf): is an operator that is not supported; supported are " + SUPPORTED +
      "; build the network from these, or move the operator to the host")
def unknown_operator(new):
    return layers(new()).node("Erf").sign().model()


@case("node 'Abs_3' (Abs): is not monotone (or not known to be), so no integer threshold can replace it; use Relu, "
      "Clip or no activation before the quantiser")
def activation_that_is_not_monotone(new):
    return layers(new()).node("Abs").sign().gemm(np.ones((2, 4))).model()


@case("node 'Pow_3' (Pow): is not monotone (or not known to be), so no integer threshold can replace it; use Relu, "
      "Clip or no activation before the quantiser")
def power_of_the_data(new):
    return layers(new()).node("Pow", ..., np.float32(2)).sign().model()


@case("node 'Div_3' (Div): divides a constant by the data, which is not monotone; divide by constants only")
def constant_divided_by_data(new):
    return layers(new()).node("Div", np.float32(1), ...).sign().model()


@case("node 'Div_3' (Div): divides by zero; repair the constant")
def division_by_zero(new):
    return layers(new()).node("Div", ..., np.float32(0)).model()


@case("node 'BipolarQuant_0' (BipolarQuant): is of the domain 'my.quantisers'; quantisers are known in onnx.brevitas, "
      "finn.custom_op.general, qonnx.custom_op.general; export the model with Brevitas")
def wrong_domain(new):
    return layers(new(quant="my.quantisers")).model()


@case("node 'FusedGemm_0' (FusedGemm): is of the domain 'com.microsoft'; supported are ONNX's own operators and the "
      "quantisers of qonnx.custom_op.general; export plain ONNX, without fused operators")
def foreign_operator(new):
    return new().node("FusedGemm", domain="com.microsoft").model()


@case("node 'Quant_1' (Quant): quantises to 33 bits; an integer may have at most 32; use fewer bits")
def weights_of_33_bits(new):
    return quant(new, bits=33)


@case("node 'Quant_1' (Quant): quantises to 2 bits; supported is BipolarQuant, 1 bit, so far; use Brevitas' "
      "SignedBinaryWeightPerTensorConst and SignedBinaryActPerTensorConst")
def weights_of_2_bits(new):
    return quant(new, bits=2)


@case("node 'Quant_1' (Quant): has a zero point of 3; supported is 0; use symmetric quantisers")
def zero_point(new):
    return quant(new, bits=4, zero=3)


def quant(new, bits, zero=0):
    net = new().sign()
    data = net.last
    net.node("Quant", ONES, np.float32(1), np.float32(zero), np.float32(bits), signed=1, narrow=1)
    weights, net.last = net.last, data
    return net.node("Gemm", ..., weights, transB=1).model()


@case("node 'Trunc_1' (Trunc): is a quantiser that is not supported; supported is BipolarQuant; use Brevitas' "
      "SignedBinaryWeightPerTensorConst and SignedBinaryActPerTensorConst")
def truncation(new):
    c = np.float32(1)
    return new().sign().node("Trunc", ..., c, c, c, c).model()


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


@case("node 'Gemm_1' (Gemm): multiplies the data by weights that are no constants; supported are layers with constant "
      "weights")
def weights_from_the_data(new):
    net = new(shape=(1, 8)).node("Identity")
    return net.node("Gemm", ONES, ...).model()


@case("node 'Add_3' (Add): reads the tensor 't0', which has another reader; supported are chains of layers, without "
      "branches; remove the residual connection")
def residual(new):
    return new().sign().gemm(np.ones((8, 8))).node("Add", ..., "t0").model()


@case("node 'Gemm_2' (Gemm): transposes its data (transA=1); supported is transA=0; export torch.nn.Linear layers")
def transposed_data(new):
    return layers(new(), transA=1).model()


@case("node 'Gemm_2' (Gemm): multiplies 8 features by weights for 9; repair the layer's size; the file is inconsistent")
def mismatched_shapes(new):
    return new().sign().gemm(np.ones((4, 9))).model()


@case("node 'Gemm_1' (Gemm): has weights that are zero or not quantised; supported are binary ones; quantise the "
      "weights with BipolarQuant")
def float_weights(new):
    return new().sign().node("Gemm", ..., np.float32([[0.5, 0, 1]] * 8)).model()


@case("node 'Gemm_1' (Gemm): has weights that are not binary: their magnitudes differ within an output channel; "
      "quantise the weights with BipolarQuant, one scale for all or one for each output channel")
def weights_of_many_magnitudes(new):
    return new().sign().node("Gemm", ..., np.float32([[0.5], [0.25]] * 4)).model()


@case("node 'Gemm_1' (Gemm): multiplies data that is not quantised; put a BipolarQuant before the layer, or declare "
      "the input with --input bipolar")
def data_that_is_not_quantised(new):
    return new().gemm(ONES).model()


@case("node 'Gemm_1' (Gemm): multiplies uint8 data; supported are bipolar activations so far; put a BipolarQuant "
      "before the layer", input_type="uint8")
def integers_into_a_layer(new):
    return new().gemm(ONES).model()


@case("node 'BipolarQuant_0' (BipolarQuant): has a scale of 0.0; a scale must be positive; train again, or repair the "
      "scale")
def zero_activation_scale(new):
    return new().sign(0.0).gemm(ONES).model()


@case("node 'BipolarQuant_0' (BipolarQuant): has a scale of -1.0; a scale must be positive; train again, or repair the "
      "scale")
def negative_activation_scale(new):
    return new().sign(-1.0).gemm(ONES).model()


@case("node 'BipolarQuant_0' (BipolarQuant): has 8 scales for its activations; supported is one; use a per-tensor "
      "activation quantiser")
def activation_scale_per_channel(new):
    return new().sign(np.ones(8)).gemm(ONES).model()


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


@case("node 'Softmax_3' (Softmax): is not supported in the accelerator; export the network without it: the class with "
      "the largest logit is the same")
def softmax(new):
    return layers(new()).node("Softmax").model()


@case("node 'ArgMax_3' (ArgMax): is not read from the model; export the logits, and ask for the class with --top1")
def arg_max(new):
    return layers(new()).node("ArgMax").model()


@case("node 'Concat_3' (Concat): is supported among constants only; on data supported are " + SUPPORTED +
      "; build the network from these")
def concatenation(new):
    return layers(new()).node("Concat", axis=1).model()


@case("node 'Reshape_0' (Reshape): makes [3, 3] of a tensor of shape [1, 8]; repair the shape")
def impossible_reshape(new):
    return new().node("Reshape", ..., np.array([3, 3])).sign().model()


@case("node 'Reshape_0' (Reshape): makes [4, 2] of a tensor of shape [1, 8]; the batch axis must stay; reshape with "
      "the batch axis first")
def reshape_of_the_batch(new):
    return new().node("Reshape", ..., np.array([4, 2])).sign().model()


@case("node 'Transpose_0' (Transpose): transposes the data; supported is a transpose of constants; reorder the data "
      "before the network")
def transposed_image(new):
    return new(shape=(1, 2, 4)).node("Transpose", perm=[0, 2, 1]).sign().model()


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


@case("node 'BipolarQuant_0' (BipolarQuant): has a scale of shape [1, 1, 1] for a tensor of shape [1, 8]; export the "
      "scale as a scalar")
def scale_of_three_axes(new):
    return layers(new().sign(np.ones((1, 1, 1), np.float32))).model()


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
