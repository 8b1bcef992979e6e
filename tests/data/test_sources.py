import urllib.request

import numpy as np
import pytest
from conftest import pictures
from own import kmnist_served
from PIL import Image

from encore.config.compose import config_from
from encore.data.sources import open_source
from encore.errors import ConfigError, InputError


def opened(data_dir, part="train", **overrides):
    words = {key.replace("__", "."): value for key, value in overrides.items()}
    data = config_from({"data_dir": str(data_dir), **words})["data"]
    return open_source(data[part], data, data_dir)


def test_digits_are_there_without_a_file(tmp_path):
    source = opened(tmp_path, data="digits")
    assert source.inputs.shape == (1797, 1, 8, 8)
    assert source.targets.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_mnist_is_read_as_bytes(mnist_files):
    source = opened(mnist_files("MNIST"), data="mnist", data__sha256=None)
    assert source.inputs.shape == (400, 1, 28, 28)
    assert str(source.inputs.dtype) == "torch.uint8"


def test_cifar_pictures_have_their_channels_first(cifar_files):
    source = opened(cifar_files("CIFAR10"), data="cifar10")
    assert source.inputs.shape == (1000, 3, 32, 32)
    assert source.inputs[0].equal(source.read([0])[0])


def test_cifar100_has_fine_and_coarse_labels(cifar_files):
    folder = cifar_files("CIFAR100")
    fine, coarse = opened(folder, data="cifar100"), opened(folder, data="cifar100_coarse", part="test")
    assert fine.targets.max() == 99
    assert coarse.targets.equal(opened(folder, data="cifar100", part="test").targets // 5)


def test_cifar_files_of_another_digest_are_not_used(cifar_files, monkeypatch):
    folder = cifar_files("CIFAR100")
    file = folder / "cifar-100-python" / "train"
    file.write_bytes(file.read_bytes()[:-1])
    offline(monkeypatch)
    with pytest.raises(InputError, match="could not be downloaded"):
        opened(folder, data="cifar100")


def offline(monkeypatch):
    """No network, in this test alone: urllib keeps what it once read of its proxies."""
    monkeypatch.setattr(urllib.request, "_opener", None)
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")


def test_a_folder_of_pictures(tmp_path):
    images, labels = pictures(12, 3, (10, 14, 3))
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = tmp_path / "photos" / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:02}.png")
    settings = {"data": "images", "data__root": str(tmp_path / "photos"), "data__num_classes": 3}
    colour = opened(tmp_path, **settings, data__shape=[3, 5, 7])
    grey = opened(tmp_path, **settings, data__shape=[1, 5, 7])
    assert colour.read([0, 5]).shape == (2, 3, 5, 7)
    assert grey.read([0]).shape == (1, 1, 5, 7)
    assert colour.targets.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    exact = opened(tmp_path, **settings, data__shape=[3, 10, 14]).read([0])[0].permute(1, 2, 0)
    assert exact.numpy().tolist() == images[0].tolist()


def test_a_picture_that_is_broken_is_named_by_its_path(tmp_path):
    for label in "ab":
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.png").write_bytes(b"no picture")
    for resident in (True, False):
        with pytest.raises(InputError, match=r"photos/a/1\.png cannot be read as a picture"):
            opened(
                tmp_path,
                data="images",
                data__root=str(tmp_path / "photos"),
                data__num_classes=2,
                data__shape=[1, 4, 4],
                data__resident=resident,
            )


def npz(tmp_path, **arrays):
    np.savez(tmp_path / "own.npz", **arrays)
    return {
        "data": "npz",
        "data__path": str(tmp_path / "own.npz"),
        "data__num_classes": 3,
        "data__shape": [4],
    }


def test_an_archive_of_arrays(tmp_path):
    settings = npz(tmp_path, x=np.arange(24.0).reshape(6, 4), y=np.array([0, 1, 2, 0, 1, 2]))
    source = opened(tmp_path, **settings)
    assert source.read([1]).tolist() == [[4, 5, 6, 7]]
    assert str(source.inputs.dtype) == "torch.float32"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((6, 4)), "y": np.arange(6)}, "classes 0 to 5; data.num_classes=3 allows 0 to 2"),
        ({"x": np.zeros((6, 5)), "y": np.zeros(6)}, r"shape \[5\], not data.shape=\[4\]"),
        ({"x": np.zeros((5, 4)), "y": np.zeros(6)}, "5 inputs but 6 targets"),
        ({"x": np.full((6, 4), np.nan), "y": np.zeros(6)}, "not finite"),
        ({"x": np.zeros((0, 4)), "y": np.zeros(0)}, "no examples"),
        ({"a": np.zeros((6, 4))}, "not a NumPy archive with x and y"),
        ({"x": np.zeros((6, 4)), "y": np.array(list("abcabc"))}, "whole numbers from 0"),
        ({"x": np.zeros((6, 4)), "y": np.full(6, 0.5)}, "whole numbers from 0"),
        ({"x": np.zeros((6, 4)) + 1j, "y": np.zeros(6)}, "its array of inputs has the type complex128"),
        ({"x": np.zeros((6, 4), "M8[D]"), "y": np.zeros(6)}, r"has the type datetime64\[D\]"),
        ({"x": np.zeros((6, 4), [("a", "f4")]), "y": np.zeros(6)}, "has the type .*convert it to numbers"),
        ({"x": np.full((6, 4), "a"), "y": np.zeros(6)}, "has the type <U1: convert it to numbers"),
        ({"x": np.full((6, 4), 2**63, np.uint64), "y": np.zeros(6)}, "numbers of 2⁶³ and more"),
        ({"x": np.float64(1), "y": np.zeros(6)}, r"inputs of one value \(float64\)"),
        ({"x": np.zeros((6, 4)), "y": np.float64(1)}, r"targets of one value \(float64\)"),
        ({"x": np.zeros((6, 4)), "y": np.zeros(6) + 1j}, "targets of type complex128"),
        ({"x": np.zeros((6, 4)), "y": np.full(6, np.nan)}, "whole numbers from 0"),
        ({"x": np.zeros((6, 4)), "y": np.zeros((6, 2, 0))}, "no class numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, message):
    settings = npz(tmp_path, **arrays)
    with pytest.raises(InputError, match=message):
        opened(tmp_path, **settings)


@pytest.mark.parametrize("kind", [">f8", "<f4", ">i4", ">u2", ">i8", "f2", "g", "?", ">f4", "u8"])
def test_numbers_of_any_kind_and_byte_order(tmp_path, kind):
    values = np.arange(24).reshape(6, 4) % 2 if kind == "?" else np.arange(24).reshape(6, 4)
    source = opened(tmp_path, **npz(tmp_path, x=values.astype(kind), y=np.array([0, 1, 2] * 2, ">i2")))
    assert source.inputs.tolist() == values.tolist()
    assert source.targets.tolist() == [0, 1, 2] * 2


def test_nobody_is_told_to_remove_data_that_cannot_be_had_again(tmp_path):
    settings = npz(tmp_path, x=np.zeros((6, 4)), y=np.zeros(6))
    for harm in (b"no archive", b"PK\x03\x04", b"", (tmp_path / "own.npz").read_bytes()[:-40]):
        (tmp_path / "own.npz").write_bytes(harm)
        with pytest.raises(InputError) as told:
            opened(tmp_path, **settings)
        assert "delete" not in str(told.value)
        assert "fetch" not in str(told.value)


def test_pictures_of_another_shape_are_not_scrambled_into_it(tmp_path):
    settings = npz(tmp_path, x=np.zeros((6, 3, 2)), y=np.zeros(6))
    with pytest.raises(InputError, match=r"shape \[3, 2\], not data.shape=\[1, 2, 3\]"):
        opened(tmp_path, **{**settings, "data__shape": [1, 2, 3]})


def test_a_truncated_archive(tmp_path):
    settings = npz(tmp_path, x=np.zeros((6, 4)), y=np.zeros(6))
    file = tmp_path / "own.npz"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(InputError, match="not a NumPy archive"):
        opened(tmp_path, **settings)


def test_an_archive_that_is_not_there(tmp_path):
    settings = npz(tmp_path, x=np.zeros(1))
    (tmp_path / "own.npz").unlink()
    with pytest.raises(InputError, match=r"there is no file .*own\.npz"):
        opened(tmp_path, **settings)


def test_pickled_objects_in_an_archive_are_never_loaded(tmp_path):
    settings = npz(tmp_path, x=np.array([{"a": 1}], dtype=object), y=np.zeros(1))
    with pytest.raises(InputError, match="allow_pickle"):
        opened(tmp_path, **settings)


def test_a_target_that_does_not_exist(tmp_path):
    data = config_from({})["data"]
    with pytest.raises(ConfigError, match=r"there is no torchvision\.datasets\.Nothing"):
        open_source({"_target_": "torchvision.datasets.Nothing"}, data, tmp_path)


def test_a_download_is_unpacked_and_checked(mnist_files, tmp_path, monkeypatch):
    """The files are served from this machine; torchvision's own code fetches, checks and unpacks them."""
    served = mnist_files("KMNIST", compress=True) / "KMNIST" / "raw"
    recipe = {"_target_": "torchvision.datasets.KMNIST", "train": True}
    data = {**config_from({"data": "mnist"})["data"], "name": "kmnist", "sha256": {}}
    with kmnist_served(served, monkeypatch):
        assert len(open_source(recipe, data, tmp_path / "empty").targets) == 400
        min(served.iterdir()).write_bytes(b"altered on its way")
        with pytest.raises(InputError, match="could not be downloaded"):
            open_source(recipe, data, tmp_path / "another")
