"""The data sets of the recipes, as raw integer codes: the trainer sees what the accelerator takes, times a scale.

``digits`` is scikit-learn's embedded copy of the UCI optical digits (1,797 images of 8 x 8, 0..16), split once and for
all; ``mnist`` is the four IDX files, from a folder or fetched with checksums; ``mnist-SHAPE`` is the same images in
another network's shape (:mod:`.derived`). Nothing is ever unpickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..idx import read_idx
from .derived import DERIVED, View

__all__ = ["DATASETS", "MIRRORS", "Split", "load"]

#: Where MNIST is fetched from, in this order, when no folder holds it.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

_MNIST = {
    "train-images-idx3-ubyte": "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64",
    "train-labels-idx1-ubyte": "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e",
    "t10k-images-idx3-ubyte": "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341",
    "t10k-labels-idx1-ubyte": "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6",
}


@dataclass(frozen=True, eq=False)
class Split:
    """A data set as integers: raw codes ``x`` ``[frames, ...]`` and labels ``y`` int64 ``[frames]``.

    Codes are uint8, or int8 of -1 and +1; images are ``[frames, rows, columns]`` or with channels before the rows.
    What a code is worth in a model's own units is the recipe's to say.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def classes(self) -> int:
        """The number of classes; labels are 0 to ``classes - 1``."""
        return int(self.y_train.max()) + 1


def load(name: str, folder: str | Path | None = None) -> Split:
    """Load a data set: ``digits`` (embedded) or ``mnist`` (from ``folder``, else ``GATEWRIGHT_DATA``, else fetched).

    Raises ``UserError`` when the name is unknown, a file is bad, or MNIST is neither in the folder nor to be fetched.
    """
    if name not in DATASETS:
        raise UserError(f"there is no data set {name!r}", remedy=f"choose one of {', '.join(DATASETS)}")
    return DATASETS[name](Path(folder) if folder is not None else None)


def _digits(folder: Path | None) -> Split:
    """Every fifth image of each class is a test image: a stratified 80/20 split that no seed or library moves."""
    del folder  # embedded in scikit-learn
    from sklearn.datasets import load_digits  # half a second, for this data set alone

    images, labels = load_digits(return_X_y=True)
    x, y = np.asarray(images, np.uint8).reshape(-1, 8, 8), np.asarray(labels, np.int64)
    test = np.zeros(len(y), dtype=bool)
    for label in range(10):
        test[np.flatnonzero(y == label)[::5]] = True
    return Split("digits", x[~test], y[~test], x[test], y[test])


def _mnist(folder: Path | None) -> Split:
    """The official split; images and labels must belong together."""
    if folder is None and os.environ.get("GATEWRIGHT_DATA"):
        folder = Path(os.environ["GATEWRIGHT_DATA"])
    paths = _find(folder) if folder is not None else _fetch()
    x_train, y_train, x_test, y_test = (read_idx(paths[name]) for name in _MNIST)
    for x, y, path in (
        (x_train, y_train, paths["train-images-idx3-ubyte"]),
        (x_test, y_test, paths["t10k-images-idx3-ubyte"]),
    ):
        if x.dtype != np.uint8 or x.ndim != 3 or x.shape[1:] != (28, 28) or y.shape != x.shape[:1] or not len(x):
            raise UserError(
                f"images must be bytes N x 28 x 28 with N labels, not {x.dtype} {x.shape} with {y.shape}",
                where=str(path),
            )
        if y.dtype != np.uint8 or y.max() > 9:
            raise UserError("labels must be bytes 0 to 9", where=str(path))
    return Split("mnist", x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64))


def _find(folder: Path) -> dict[str, Path]:
    """The four files in ``folder`` or its ``mnist`` subfolder, gzipped or not."""
    for home in (folder, folder / "mnist"):
        found = {name: path for name in _MNIST for path in (home / name, home / f"{name}.gz") if path.is_file()}
        if len(found) == len(_MNIST):
            return found
        if found:
            missing = ", ".join(sorted(_MNIST.keys() - found.keys()))
            raise UserError(f"MNIST is incomplete: {missing} (plain or .gz) missing", where=str(home))
    raise UserError(
        "MNIST is not here: no train-images-idx3-ubyte(.gz), nor in the subfolder mnist",
        where=str(folder),
        remedy="name the folder of the four IDX files with --data or GATEWRIGHT_DATA, or name none to download them",
    )


def _fetch() -> dict[str, Path]:
    """Download into pooch's cache (once), each file held to its SHA-256."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    cache, found = pooch.os_cache("gatewright") / "mnist", {}
    for name, sha256 in _MNIST.items():
        reasons = []
        for mirror in MIRRORS:
            try:
                found[name] = Path(pooch.retrieve(f"{mirror}{name}.gz", f"sha256:{sha256}", f"{name}.gz", cache))
                break
            except (requests.RequestException, OSError, ValueError) as problem:  # ValueError: pooch's wrong checksum
                reasons.append(f"{mirror}: {type(problem).__name__}")
        else:
            raise UserError(
                f"MNIST could not be downloaded ({', '.join(reasons)})",
                remedy="put the four IDX files (.gz or not) in a folder and name it with --data or GATEWRIGHT_DATA",
            )
    return found


def _derived(view: View, name: str) -> Callable[[Path | None], Split]:
    def build(folder: Path | None) -> Split:
        split = _mnist(folder)
        return Split(name, *view(split.x_train, split.y_train), *view(split.x_test, split.y_test))

    return build


DATASETS: dict[str, Callable[[Path | None], Split]] = {
    "digits": _digits,
    "mnist": _mnist,
    **{f"mnist-{name}": _derived(view, f"mnist-{name}") for name, view in DERIVED.items()},
}
