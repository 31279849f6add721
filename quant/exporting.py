"""Write a trained module as a QONNX file: Brevitas' export, then everything taken out that is not the network.

Today's exporter leaves stack traces, class names and machine paths in the file; a model is what a team hands on, so
the file keeps the graph, names each node after the layer it came from, and is the same bytes wherever it is written.
"""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from ..errors import UserError
from .environment import quiet
from .recipe import Recipe

__all__ = ["export", "metadata"]

#: The metadata entry of a node that quantises weights, for what these alone cannot tell: JSON, its keys sorted, as
#: ``{"elements": 8, "kept": 5, "kind": "lfsr", "seed": 1}`` (``coding.lfsr.Lfsr``: where weights are) or
#: ``{"banks": 8, "kind": "hash", "seed": 3, "size": 1024}`` (``coding.xxhash32.Hash``: which are equal; without banks,
#: one), weights taken as a matrix of outputs by inputs. It is a hint: a compiler holds it against the weights.
INDEX = "gatewright.index"

_ROLES = {
    "BatchNormalization": ("x", "scale", "bias", "mean", "variance"),
    "BipolarQuant": ("latent", "scale"),
    "Quant": ("latent", "scale", "zero_point", "bits"),
}
_SCOPES = "pkg.torch.onnx.name_scopes"


def metadata(recipe: Recipe) -> dict[str, str]:
    """What a recipe's file says of itself, as documentation: a compiler reads the integers."""
    return {
        "gatewright.input": recipe.input_type,
        "gatewright.input_scale": str(recipe.input_scale),
        "gatewright.recipe": recipe.name,
    }


def export(
    module: nn.Module, path: str | Path, input_shape: Sequence[int], properties: Mapping[str, str] | None = None,
    *, notes: Mapping[str, str] | None = None,
) -> Path:
    """Export ``module`` in eval mode to ``path`` as QONNX with float32 input ``input`` of ``input_shape``.

    Quantisers are ``qonnx.custom_op.general`` BipolarQuant and Quant, weights stored latent. ``properties`` become the
    model's metadata. ``notes``, by the paths of layers, go to the nodes that quantise their weights, as the metadata
    entry ``gatewright.index``. The file appears by rename; an interrupted run leaves the previous one. The module
    itself and torch's random state are left as they were. Raises ``UserError`` when the file cannot be written and
    ``ValueError`` if a note is for no layer with quantised weights.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {str(path.parent)!r} to write to", where=str(path), remedy="make it first")
    with quiet(), torch.random.fork_rng(devices=[]):
        from brevitas.export import export_qonnx  # here: it is slow to import, and loud

        exported = export_qonnx(module, args=torch.zeros(*input_shape), dynamo=True, optimize=True)
    _clean(exported, properties or {})
    for name, text in sorted((notes or {}).items()):
        nodes = [node for node in exported.graph.node if node.name == f"{name}.weight" and "Quant" in node.op_type]
        if not nodes:
            raise ValueError(f"a note must be for a layer with quantised weights, not {name!r}")
        nodes[0].metadata_props.add(key=INDEX, value=text)
    _write(path, exported.SerializeToString(deterministic=True))
    return path


def _clean(model, properties: Mapping[str, str]) -> None:
    """Take out metadata and documentation, put readable names in; an ``onnx.ModelProto``, changed in place."""
    graph = model.graph
    _rename(graph)
    for holder in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
    for opset in [o for o in model.opset_import if o.domain not in {node.domain for node in graph.node}]:
        model.opset_import.remove(opset)
    opsets = sorted((o.domain, o.version) for o in model.opset_import)
    del model.opset_import[:]
    for domain, version in opsets:
        model.opset_import.add(domain=domain, version=version)
    initializers = sorted(graph.initializer, key=lambda tensor: tensor.name)
    kept = [tensor.SerializeToString() for tensor in initializers]
    del graph.initializer[:]
    for tensor in kept:
        graph.initializer.add().ParseFromString(tensor)
    del graph.value_info[:]  # shapes follow from the input's
    graph.name, model.producer_name, model.producer_version = "gatewright", "gatewright", ""
    for key in sorted(properties):
        model.metadata_props.add(key=key, value=properties[key])


def _rename(graph) -> None:
    """Name nodes ``layers.0.linear`` and values after their nodes; graph input and output become just that.

    A layer of several operators has their names behind its own, ``layers.2.norm.sub``; one that is called again is
    ``block.join_2`` then. Nodes stand in the order in which torch computes.
    """
    names = {value.name: "input" for value in graph.input} | {value.name: "output" for value in graph.output}
    taken: set[str] = {"input", "output"}

    def unique(wanted: str) -> str:
        name, count = wanted, 1
        while name in taken:
            count += 1
            name = f"{wanted}_{count}"
        taken.add(name)
        return name

    layers = [_layer(node) for node in graph.node]
    kinds = {layer: {n.op_type for n, of in zip(graph.node, layers, strict=True) if of == layer} for layer in layers}
    for node, layer in zip(graph.node, layers, strict=True):
        kind = node.op_type.lower()
        node.name = unique(kind if not layer else layer if len(kinds[layer]) == 1 else f"{layer}.{kind}")
        for output in node.output:
            if output and output not in names:
                names[output] = unique(f"{node.name}.out")
    for node in graph.node:
        for index, value in enumerate(node.input):
            if value and value not in names:
                roles = _ROLES.get(node.op_type, ())
                names[value] = unique(f"{node.name}.{roles[index] if index < len(roles) else 'constant'}")
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(value, value) for value in node.input]
        node.output[:] = [names.get(value, value) for value in node.output]


def _layer(node) -> str:
    """The path of the module that a node came from, by torch's list of scopes, innermost but one: ``layers.0.linear``.

    Brevitas' proxies end in ``.act_quant`` or ``.weight_quant`` with an ``.export_handler`` inside; a weight's
    quantiser becomes ``layers.0.linear.weight``, an activation's is the layer itself and its function
    ``layers.0.relu.function``.
    """
    scopes = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "[]")
    paths = [path for path in ast.literal_eval(scopes)[:-1] if path]
    if not paths:
        return ""
    path = paths[-1].replace(".act_quant.fused_activation_quant_proxy.activation_impl", ".function")
    return path.removesuffix(".export_handler").removesuffix(".act_quant").removesuffix("_quant")


def _write(path: Path, content: bytes) -> None:
    """By rename within the folder."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise UserError(f"it cannot be written ({problem.strerror or problem})", where=str(path)) from None
