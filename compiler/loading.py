"""New weights for a design that is built: a folder with the words for each of its ports ``load_UNIT``, or one file.

    DIR/
      loads.json         the model, the ports in order, and what the host does with the output from now on
      load_UNIT.hex      for each port its words, one a line, in the order in which it takes them

The file has the same in fewer bits, and shows when it is damaged (``coded``).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..atomic import replacing, write_by_rename
from .build import as_json, chain_of, check_place
from .coded import packed, unpacked
from .compiled import Compiled, Model
from .frontend.load import load_model

__all__ = ["MARK", "unpack", "write_coded", "write_words"]

MARK = "loads.json"


def _said(design: Compiled, model: Model) -> dict:
    """What the host must know of the other training."""
    source = model.imported.source
    if source is None:
        raise ValueError("words can be written only of a model that was read from a file")
    content = load_model(source).SerializeToString(deterministic=True)
    return {
        "design": design.name, "model": {"name": model.name, "sha256": hashlib.sha256(content).hexdigest()},
        "output": {"final": chain_of(design.graph_of(model).final), "host": list(model.graph.host)},
    }


def _write(design: Compiled, words: dict[str, tuple[int, ...]], said: dict, folder: Path) -> None:
    bits = {stage.name: stage.parameters.load_bits for stage in design.dataflow.loadable}
    ports = [{"port": f"load_{unit}", "bits": bits[unit], "words": len(each), "file": f"load_{unit}.hex"}
             for unit, each in words.items()]
    with replacing(folder) as new:
        (new / MARK).write_bytes(as_json({key: said[key] for key in ("design", "model")} | {"ports": ports}
                                         | {"output": said["output"]}))
        for unit, each in words.items():
            digits = -(-bits[unit] // 4)
            (new / f"load_{unit}.hex").write_text("".join(f"{word:0{digits}x}\n" for word in each))


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
    _write(design, words, _said(design, model), folder)
    return words


def write_coded(design: Compiled, model: Model, path: Path) -> tuple[dict[str, tuple[int, ...]], int]:
    """The same as one coded file; returns the words by unit, and the file's bytes.

    Raises
    ------
    UserError
        As :func:`write_words`.
    """
    words = design.load_words(model)
    content = packed(design, words, _said(design, model))
    write_by_rename(path, content)
    return words, len(content)


def unpack(design: Compiled, path: Path, folder: Path) -> dict[str, tuple[int, ...]]:
    """Check a coded file, and write its words as :func:`write_words` does; returns the words by unit.

    Raises
    ------
    UserError
        If one bit of the file is wrong, it is for another design, or the place cannot be written.
    """
    check_place(folder, MARK)
    words, said = unpacked(design, path)
    _write(design, words, said, folder)
    return words
