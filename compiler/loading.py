"""New weights for a design that is built: a folder with the words for each of its ports ``load_UNIT``.

    DIR/
      loads.json         the model, the ports in order, and what the host does with the output from now on
      load_UNIT.hex      for each port its words, one a line, in the order in which it takes them
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from .build import as_json, chain_of, check_place, replacing
from .compiled import Compiled, Model
from .frontend.load import load_model

__all__ = ["MARK", "write_words"]

MARK = "loads.json"


def write_words(design: Compiled, model: Model, folder: Path) -> dict[str, tuple[int, ...]]:
    """Write what turns a design into another training of its network; returns the words by unit.

    An earlier folder of this kind in the same place is replaced at the end, or stays whole.

    Raises
    ------
    UserError
        If the weights cannot be loaded (:meth:`.Compiled.load_words`), or the place cannot be written.
    """
    check_place(folder, MARK)
    words = design.load_words(model)
    bits = {stage.name: stage.parameters.load_bits for stage in design.dataflow.loadable}
    source = model.imported.source
    if source is None:
        raise ValueError("words can be written only of a model that was read from a file")
    content = load_model(source).SerializeToString(deterministic=True)
    said = {
        "design": design.name, "model": {"name": model.name, "sha256": hashlib.sha256(content).hexdigest()},
        "ports": [{"port": f"load_{unit}", "bits": bits[unit], "words": len(each), "file": f"load_{unit}.hex"}
                  for unit, each in words.items()],
        "output": {"final": chain_of(design.graph_of(model).final), "host": list(model.graph.host)},
    }
    with replacing(folder) as new:
        (new / MARK).write_bytes(as_json(said))
        for unit, each in words.items():
            digits = -(-bits[unit] // 4)
            (new / f"load_{unit}.hex").write_text("".join(f"{word:0{digits}x}\n" for word in each))
    return words
