"""Folders of pictures: what they hold is learned from, and what cannot be read is named before the first step."""

import os
import socket
import struct
import zlib

import numpy as np
import pytest
import torch
from own import opened
from PIL import Image

from encore.data import normalize, notes
from encore.data.pixels import as_array
from encore.data.readers import folders
from encore.errors import ConfigError, InputError
from encore.provenance import contents, remembered
from encore.provenance.contents import content

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
SETTINGS = {
    "data": "images",
    "data.num_classes": 2,
    "data.shape": [1, 3, 4],
    "data.batch_size": 2,
    "data.val_fraction": 0.0,
    "data.test_fraction": 0.0,
    "data.normalize": "none",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))


def photos(root, classes=("a", "b"), each=2, first=0):
    """Small pictures, each of another brightness."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(each):
            value = first + 10 * label + number
            Image.fromarray(np.full((3, 4), value, np.uint8)).save(root / name / f"{number}.png")
    return root


def data_of(tmp_path, root, **settings):
    return opened(tmp_path, **{**SETTINGS, "data.root": str(root), **settings})


def test_all_sources_of_pictures_in_the_order_of_torchvision(tmp_path):
    from torchvision.datasets import ImageFolder

    root = photos(tmp_path / "photos")
    for inner in ("a/x", "a/x-y", "a/x/z"):
        (root / inner).mkdir()
        Image.fromarray(GREY).save(root / inner / "1.PNG")
    source = data_of(tmp_path, root, **{"data.resident": False}).source
    theirs = ImageFolder(str(root))
    assert [str(path) for path in source.dataset.paths] == [path for path, _ in theirs.samples]
    assert source.targets.tolist() == theirs.targets
    assert source.classes == theirs.classes


PIXELS = {
    "16 bits": (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
    "transparent": (Image.fromarray(np.dstack([GREY] * 3 + [np.zeros_like(GREY)])), np.full_like(GREY, 255)),
    "opaque": (Image.fromarray(np.dstack([GREY] * 3 + [np.full_like(GREY, 255)])), GREY),
    "grey and alpha": (Image.fromarray(np.dstack([GREY, np.zeros_like(GREY)])), np.full_like(GREY, 255)),
    "CMYK": (Image.fromarray(np.dstack([0 * GREY] * 3 + [255 - GREY]), mode="CMYK"), GREY),
    "bits": (Image.fromarray(GREY > 100), (GREY > 100) * 255),
    "palette": (Image.fromarray(GREY).convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE), GREY),
}


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize("kind", PIXELS)
def test_a_picture_s_bytes_are_what_is_seen(kind, tmp_path):
    picture, seen = PIXELS[kind]
    assert np.abs(as_array(picture, 1)[0].astype(int) - seen).max() <= 1
    assert np.abs(as_array(picture, 3).astype(int) - seen).max() <= 1


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_is_turned_as_its_camera_noted(turn, tmp_path):
    wide = Image.fromarray(np.kron(GREY, np.ones((8, 8), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = turn
    wide.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "turned.jpg") as picture:
        assert as_array(picture, 1).shape[1:] == ((24, 32) if turn < 5 else (32, 24))
        if turn == 3:
            assert np.abs(as_array(picture, 1)[0].astype(int) - np.array(wide)[::-1, ::-1]).mean() < 10


def test_floats_have_no_bytes(tmp_path):
    root = photos(tmp_path / "photos")
    Image.fromarray(np.zeros((3, 4), np.float32)).save(root / "a" / "deep.tif")
    with pytest.raises(InputError, match=r"a/deep\.tif cannot be read as a picture: it has the mode F.*8 or 16 bits"):
        data_of(tmp_path, root)


def bomb(file):
    """A PNG whose header says 400 million pixels."""
    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def truncated(file):
    big = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    big.save(file.with_suffix(".jpg"))
    file.with_suffix(".jpg").write_bytes(file.with_suffix(".jpg").read_bytes()[:-500])


def closed(file):
    with socket.socket(socket.AF_UNIX) as held:
        os.chdir(file.parent)
        held.bind(file.name)


HARM = {
    "truncated": (truncated, r"photos/b/9\.jpg cannot be read as a picture: .*truncated"),
    "bomb": (bomb, r"photos/b/9\.png cannot be read as a picture: .*pixels"),
    "text": (lambda file: file.write_text("no picture"), r"photos/b/9\.png cannot be read as a picture"),
    "empty": (lambda file: file.touch(), r"photos/b/9\.png cannot be read as a picture"),
    "pipe": (os.mkfifo, r"photos/b/9\.png is no regular file"),
    "socket": (closed, r"photos/b/9\.png is no regular file"),
    "link": (lambda file: file.symlink_to("nowhere"), r"photos/b/9\.png is a link that leads nowhere"),
}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_picture_that_cannot_be_read_is_named_before_the_first_step(harm, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good, bad = photos(tmp_path / "good"), photos(tmp_path / "photos")
    make, message = HARM[harm]
    make(bad / "b" / "9.png")
    train, test = (good, bad) if part == "test" else (bad, good)
    for resident in (True, False):
        with pytest.raises(InputError, match=message):
            data_of(
                tmp_path,
                train,
                **{"data.test": {"_target_": "torchvision.datasets.ImageFolder", "root": str(test)}},
                **{"data.resident": resident},
            )


@pytest.mark.parametrize("junk", [".DS_Store", "Thumbs.db", ".ipynb_checkpoints/1.png", "a/._0.png", "@eaDir/0.png"])
def test_what_file_managers_leave_is_neither_a_class_nor_another_run(junk, tmp_path):
    root = photos(tmp_path / "photos")
    before = content(root)
    (root / junk).parent.mkdir(exist_ok=True)
    (root / junk).write_bytes((root / "a" / "0.png").read_bytes())
    assert content(root) == before
    data = data_of(tmp_path, root)
    assert data.source.classes == ["a", "b"]
    assert len(data.source) == 4


def test_classes_that_are_links_count_by_content(tmp_path):
    every = photos(tmp_path / "every", ("a", "b", "c"))
    subset = tmp_path / "subset"
    for name, of in (("a", "a"), ("b", "b"), ("also", "a")):
        (subset / name).parent.mkdir(exist_ok=True)
        (subset / name).symlink_to(every / of)
    assert data_of(tmp_path, subset, **{"data.num_classes": 3}).source.targets.tolist() == [0, 0, 1, 1, 2, 2]
    digests = [content(subset)]
    Image.fromarray(GREY).save(every / "b" / "0.png")
    digests.append(content(subset))
    (subset / "also").unlink()
    digests.append(content(subset))
    (every / "a" / "round").symlink_to(every / "a")  # a loop is no reason to read on for ever
    assert content(subset) == digests[-1]
    assert len(set(digests)) == 3


NUMBERS = {
    "too many": (("a", "b", "c"), 2, r"3 classes \(a, b, c\), and data.num_classes=2"),
    "too few": (("a", "b"), 10, r"2 classes \(a, b\), and data.num_classes=10"),
    "splits": (("train", "val"), 2, r"splits and no classes.*data\.root=.*train"),
    "none": ((), 2, "holds no folders"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_the_number_of_classes_has_to_agree(case, tmp_path):
    classes, number, message = NUMBERS[case]
    (tmp_path / "photos").mkdir()
    root = photos(tmp_path / "photos", classes)
    with pytest.raises(InputError, match=f"(?s){message}"):
        data_of(tmp_path, root, **{"data.num_classes": number})


@pytest.mark.parametrize("resident", [True, False])
def test_classes_of_the_test_set_are_matched_by_name(resident, tmp_path):
    train, test = photos(tmp_path / "train", ("a", "b", "c")), photos(tmp_path / "test", ("b", "c"), first=100)
    settings = {
        "data.num_classes": 3,
        "data.resident": resident,
        "data.test": {"_target_": "torchvision.datasets.ImageFolder", "root": str(test)},
    }
    data = data_of(tmp_path, train, **settings)
    assert data.test_source.targets.tolist() == [1, 1, 2, 2]
    assert data.notes == ["3 classes: a, b, c"]
    photos(tmp_path / "test", ("unknown",))
    with pytest.raises(InputError, match="classes that the training set lacks: unknown"):
        data_of(tmp_path, train, **settings)


@pytest.mark.parametrize("resident", [True, False])
def test_examples_that_are_in_both_and_classes_without_any_are_told(resident, tmp_path):
    train, test = photos(tmp_path / "train"), photos(tmp_path / "test")
    Image.fromarray(GREY).save(test / "a" / "0.png")
    settings = {
        "data.resident": resident,
        "data.test": {"_target_": "torchvision.datasets.ImageFolder", "root": str(test)},
    }
    notes = data_of(tmp_path, train, **settings).notes
    assert notes[1:] == ["3 of the 4 test examples are training examples, too"]
    np.savez(tmp_path / "own.npz", x=np.eye(4), y=[0, 1, 1, 0])
    arrays = {"data": "npz", "data.path": str(tmp_path / "own.npz"), "data.shape": [4], "data.num_classes": 3}
    lonely = opened(tmp_path, **{**SETTINGS, "data.resident": resident, **arrays})
    assert lonely.notes == ["without a training example: class 2"]


def test_a_second_start_looks_up_no_picture_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "SETTLED", 0)
    train, test = photos(tmp_path / "train"), photos(tmp_path / "test", first=1)
    settings = {"data.resident": False, "data.normalize": "standardize"}
    settings |= {"data.test": {"_target_": "torchvision.datasets.ImageFolder", "root": str(test)}}
    first = data_of(tmp_path, train, **settings)
    assert first.notes[1:] == ["2 of the 4 test examples are training examples, too"]
    for module, name in ((contents, "digest_of"), (notes, "digest_of"), (folders, "check_all"), (normalize, "fit")):
        monkeypatch.setattr(module, name, None)
    again = data_of(tmp_path, train, **settings)
    assert again.notes == first.notes
    assert torch.equal(again.normalize.center, first.normalize.center)
    (test / "a" / "1.png").write_bytes((train / "a" / "0.png").read_bytes())
    monkeypatch.undo()
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))
    assert data_of(tmp_path, train, **settings).notes[1:] == ["3 of the 4 test examples are training examples, too"]


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_picture_that_changes_while_a_run_trains_is_noticed(how, tmp_path):
    train, test = photos(tmp_path / "train"), photos(tmp_path / "test")
    test_set = {"data.test": {"_target_": "torchvision.datasets.ImageFolder", "root": str(test)}}
    picture = test / "b" / "1.png"
    for resident in (True, False):
        data = data_of(tmp_path, train, **{"data.resident": resident, "data.num_workers": 0}, **test_set)
        data.close_test()
        if how == "gone":
            picture.rename(tmp_path / "away.png")
        else:
            Image.fromarray(GREY).save(picture)
        with pytest.raises(InputError, match=r"has changed since the run began|b/1\.png is gone"):
            list(data.test_dataloader())
        Image.fromarray(np.full((3, 4), 11, np.uint8)).save(picture)


def test_names_that_are_no_utf_8(tmp_path):
    root = tmp_path / "photos"
    try:
        photos(root, (os.fsdecode(b"caf\xe9"), "b"))
    except OSError:
        pytest.skip("a file system whose names are UTF-8")
    data = data_of(tmp_path, root)
    assert data.notes[0] == "2 classes: b, caf\\xe9"
    assert data_of(tmp_path, root, **{"data.resident": False}).notes == data.notes
    assert content(root) == content(root)
    (root / os.fsdecode(b"caf\xe9") / "0.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"caf\\xe9/0\.png cannot be read"):
        data_of(tmp_path, root)


@pytest.mark.parametrize("target", ["torchvision.datasets.ImageFolder", "torchvision.datasets.MNIST"])
def test_transforms_in_a_recipe_are_refused(target, tmp_path):
    from encore.config.compose import config_from

    words = ["data=images", f"data.root={tmp_path}", "data.shape=[1,2,2]", "data.num_classes=2"]
    recipe = [f"data.train._target_={target}", "+data.train.transform={_target_: torchvision.transforms.ToTensor}"]
    with pytest.raises(ConfigError, match=r"data\.train\.transform: Encore changes whole batches"):
        config_from([*words, *recipe])
