"""The data sets: a fixed split of real digits, MNIST out of a folder or fetched, and what is said otherwise."""

import gzip
import struct

import numpy as np
import pytest
import requests

from gatewright.errors import UserError
from gatewright.quant import data

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture(autouse=True)
def _no_folder(monkeypatch):
    monkeypatch.delenv("GATEWRIGHT_DATA", raising=False)


def encode(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write(folder, zipped=False, **replaced):
    """A small MNIST of random images: 30 to train on, 20 to test on."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    arrays = dict(zip(NAMES, (rng.integers(0, 256, (30, 28, 28)), np.arange(30) % 10,
                              rng.integers(0, 256, (20, 28, 28)), np.arange(20) % 10), strict=True))
    arrays.update({name.replace("_", "-"): array for name, array in replaced.items()})
    for name, array in arrays.items():
        content = encode(array)
        (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(content) if zipped else content)
    return arrays


def test_digits_are_split_once_and_for_all():
    one, two = data.load("digits"), data.load("digits")
    for name in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert one.x_train.shape == (1433, 8, 8)
    assert one.x_test.shape == (364, 8, 8)
    assert one.x_train.dtype == one.x_test.dtype == np.uint8
    assert max(one.x_train.max(), one.x_test.max()) == 16
    assert one.classes == 10
    # Every class is split four to one, and every image is on one side.
    share = np.bincount(one.y_test) / (np.bincount(one.y_test) + np.bincount(one.y_train))
    assert (np.abs(share - 0.2) < 0.005).all()
    everything = np.concatenate([one.x_train, one.x_test]).reshape(1797, 64)
    from sklearn.datasets import load_digits

    assert sorted(map(bytes, everything)) == sorted(map(bytes, load_digits().data.astype(np.uint8)))


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("inner", ["", "mnist"])
@pytest.mark.parametrize("by_environment", [False, True])
def test_mnist_from_a_folder(tmp_path, monkeypatch, zipped, inner, by_environment):
    arrays = write(tmp_path / inner, zipped)
    if by_environment:
        monkeypatch.setenv("GATEWRIGHT_DATA", str(tmp_path))
    split = data.load("mnist", None if by_environment else tmp_path)
    for array, name in zip((split.x_train, split.y_train, split.x_test, split.y_test), NAMES, strict=True):
        assert np.array_equal(array, arrays[name])
    assert split.x_train.dtype == np.uint8
    assert split.y_train.dtype == np.int64


def message(folder=None, name="mnist"):
    with pytest.raises(UserError) as error:
        data.load(name, folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_said_of_bad_folders(tmp_path):
    assert message(tmp_path) == (
        f"{tmp_path}: MNIST is not here: no train-images-idx3-ubyte(.gz), nor in the subfolder mnist; name the folder "
        "of the four IDX files with --data or GATEWRIGHT_DATA, or name none to download them")
    write(tmp_path)
    (tmp_path / NAMES[3]).unlink()
    assert message(tmp_path) == f"{tmp_path}: MNIST is incomplete: t10k-labels-idx1-ubyte (plain or .gz) missing"
    write(tmp_path, train_labels_idx1_ubyte=np.zeros(29))
    assert "images must be bytes N x 28 x 28 with N labels, not uint8 (30, 28, 28) with (29,)" in message(tmp_path)
    write(tmp_path, t10k_images_idx3_ubyte=np.zeros((20, 28, 27)))
    assert "not uint8 (20, 28, 27) with (20,)" in message(tmp_path)
    write(tmp_path, t10k_images_idx3_ubyte=np.zeros((0, 28, 28)), t10k_labels_idx1_ubyte=np.zeros(0))
    assert "not uint8 (0, 28, 28) with (0,)" in message(tmp_path)
    write(tmp_path, t10k_labels_idx1_ubyte=np.full(20, 10))
    assert "labels must be bytes 0 to 9" in message(tmp_path)
    write(tmp_path)
    (tmp_path / NAMES[0]).write_bytes(b"\0\0\x08\x03\0\0")
    assert "the file is cut short: 10 of 12 bytes of its dimensions are missing" in message(tmp_path)
    assert message(name="cifar") == ("there is no data set 'cifar'; choose one of "
                                      f"{', '.join(data.DATASETS)}")


def test_the_download_tries_each_mirror_and_then_says_what_to_do(tmp_path, monkeypatch):
    import pooch

    asked = []

    def retrieve(url, known_hash, fname, path):
        asked.append((url, known_hash))
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    said = message()
    assert said.startswith("MNIST could not be downloaded (https://ossci-datasets.s3.amazonaws.com/mnist/: Connection")
    assert said.endswith("; put the four IDX files (.gz or not) in a folder and name it with --data or GATEWRIGHT_DATA")
    assert [url for url, _ in asked] == [f"{mirror}{NAMES[0]}.gz" for mirror in data.MIRRORS]
    assert all(known.startswith("sha256:") and len(known) == 71 for _, known in asked)

    # The second mirror answers: its files are taken.
    arrays = write(tmp_path, zipped=True)

    def second(url, known_hash, fname, path):
        if url.startswith(data.MIRRORS[0]):
            raise ValueError("SHA256 hash of downloaded file does not match")
        return str(tmp_path / fname)

    monkeypatch.setattr(pooch, "retrieve", second)
    assert np.array_equal(data.load("mnist").x_test, arrays[NAMES[2]])


def test_mnist_in_other_networks_shapes(tmp_path):
    arrays = write(tmp_path)
    images, labels = arrays[NAMES[2]].astype(np.uint8), arrays[NAMES[3]]
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2)))

    def codes(name):
        split = data.load(name, tmp_path)
        assert split.name == name
        assert len(split.x_train) == len(split.y_train) == 30
        assert np.array_equal(split.y_test, labels % 2 if name.endswith("-odd") else labels)
        assert split.y_test.dtype == np.int64
        return split.x_test

    assert np.array_equal(codes("mnist-1x32x32"), framed[:, None])
    assert np.array_equal(codes("mnist-3x32x32"), np.stack([framed] * 3, axis=1))
    signals = codes("mnist-2x1024")
    assert np.array_equal(signals[:, 0].reshape(-1, 32, 32), framed)
    assert np.array_equal(signals[:, 1].reshape(-1, 32, 32).transpose(0, 2, 1), framed)
    assert np.array_equal(codes("mnist-490"), images.reshape(20, 784)[:, 147:637])
    assert np.array_equal(codes("mnist-640"), images.reshape(20, 784)[:, 72:712])
    odd = codes("mnist-593-odd")
    assert odd.dtype == np.int8
    assert np.array_equal(odd, np.where(images.reshape(20, 784)[:, 95:688] > 127, 1, -1))
