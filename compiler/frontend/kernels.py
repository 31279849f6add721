"""What onnx's shape inference, which is C++, takes on trust: it ends the process where windows are malformed.

A stride of 0 is divided by, and a kernel is read off weights of any number of axes. Both are settled here first.
"""

from __future__ import annotations

import onnx

from .structure import QUANT_OPERATORS, refuse

__all__ = ["guard_kernels"]

_POSITIVE = ("kernel_shape", "strides", "dilations", "blocksize", "group", "num_outputs")
_SAME_RANK = ("Transpose", "Identity", "Cast", *QUANT_OPERATORS)


def guard_kernels(graph: onnx.GraphProto) -> None:
    """Refuse windows that are none, and give every convolution the ``kernel_shape`` that its weights have.

    Raises
    ------
    UserError
        If an attribute that counts something is not positive.
    """
    dims = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            numbers = [attribute.i] if attribute.type == attribute.INT else list(attribute.ints)
            if node.op_type == "Constant" and attribute.name == "value":
                dims[node.output[0]] = list(attribute.t.dims)
            if attribute.name in _POSITIVE and any(not 0 < number < 1 << 31 for number in numbers):
                found = numbers if attribute.ints else numbers[0]
                raise refuse(node, f"has the {attribute.name} {found}; supported are positive integers",
                             "repair the attribute")
        if node.op_type in _SAME_RANK and node.input and node.input[0] in dims:
            perm = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
            shape = dims[node.input[0]]
            if node.op_type != "Transpose":
                dims[node.output[0]] = shape
            elif perm is None or sorted(perm) == list(range(len(shape))):
                dims[node.output[0]] = [shape[axis] for axis in perm or range(len(shape))[::-1]]
        if node.op_type in ("Conv", "ConvTranspose") and len(node.input) > 1 and node.input[1] in dims and not any(
                attribute.name == "kernel_shape" for attribute in node.attribute):
            kernel = onnx.AttributeProto(name="kernel_shape", type=onnx.AttributeProto.INTS)
            kernel.ints.extend(dims[node.input[1]][2:])
            node.attribute.append(kernel)
