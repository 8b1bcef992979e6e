"""`fetch_data imdb` and `fetch_data qmnist`: from mirrors, from archives and from unpacked ones; all of it checked."""

import gzip
import hashlib
import struct
import sys
from dataclasses import replace

import numpy as np
import pytest
from made_reviews import archived, reviews, unpacked
from served import served_from
from test_archive import digests

from course.qmnist import QMNIST
from course.reviews import dataset
from course.reviews.dataset import Reviews
from encore.command import end
from encore.commands import fetch_data

ORIGINAL = str(dataset.ORIGINAL)


@pytest.fixture
def go(tmp_path, monkeypatch, capfd):
    """The command as a user types it, in this process: its exit code and all that it said."""
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(dataset, "SHA256", digests(reviews()))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["fetch_data.py", *map(str, words), "--data-dir", str(tmp_path / "data")])
        with pytest.raises(SystemExit) as stop:
            end(fetch_data.main)
        return stop.value.code, "".join(capfd.readouterr())

    return run


def left(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def published(monkeypatch, digest, urls=()):
    """Say that a made archive is the original one."""
    one = replace(Reviews.published[0], md5=digest, urls=urls)
    monkeypatch.setattr(Reviews, "published", (one, *Reviews.published[1:]))


def md5(file):
    return hashlib.md5(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("here", ["nothing", "truncated"])
def test_reviews_are_fetched_from_a_mirror(go, tmp_path, monkeypatch, here):
    more = {"aclImdb/README": b"a", "aclImdb/train/unsup/0_0.txt": b"b", "aclImdb/train/labeledBow.feat": b"c"}
    file = archived(tmp_path / "served", more | reviews(), ORIGINAL) / ORIGINAL
    with served_from(file.parent) as (address, _):
        published(monkeypatch, md5(file), (f"{address}nowhere", f"{address}{file.name}"))
        if here == "truncated":
            (tmp_path / "data" / "IMDB").mkdir(parents=True)
            (tmp_path / "data" / ORIGINAL).write_bytes(file.read_bytes()[:-100])
        code, said = go("imdb")
    assert code == 0, said
    assert "imdb train: 32 examples" in said
    assert "imdb test: 16 examples" in said
    assert left(tmp_path / "data") == [ORIGINAL]


def test_they_are_taken_from_a_folder_that_has_the_archive(go, tmp_path, monkeypatch):
    file = archived(tmp_path / "mine", name=ORIGINAL) / ORIGINAL
    published(monkeypatch, md5(file))
    file.rename(tmp_path / "mine" / file.name)
    code, said = go("imdb", "--from", tmp_path / "mine")
    assert code == 0, said
    assert left(tmp_path / "data") == [ORIGINAL]


def test_they_are_taken_from_a_folder_that_has_it_unpacked(go, tmp_path):
    code, said = go("imdb", "--from", unpacked(tmp_path / "mine"))
    assert code == 0, said
    assert "imdb train: 32 examples" in said
    assert left(tmp_path / "data") == [str(dataset.PACKED)]


@pytest.mark.parametrize("what", ["altered archive", "altered folder", "nothing"])
def test_what_is_not_the_published_archive_is_not_taken(go, tmp_path, what):
    place = tmp_path / "mine"
    place.mkdir()
    if what == "altered archive":
        archived(place, name=ORIGINAL)
    if what == "altered folder":
        unpacked(place, reviews() | {"aclImdb/train/neg/0_2.txt": b"altered"})
    code, said = go("imdb", "--from", place)
    assert code == 3
    assert {"nothing": "holds no file of", "altered archive": "truncated or altered", "altered folder": "not the"}[
        what
    ] in said
    assert left(tmp_path / "data") == []


def qmnist(folder, monkeypatch):
    """Small archives of QMNIST's format in a folder, and torchvision told of their digests."""
    folder.mkdir()
    resources = {}
    for part, number in (("train", 40), ("test", 10)):
        pictures = struct.pack(">BBBB3I", 0, 0, 8, 3, number, 28, 28) + bytes(number * 784)
        labels = np.zeros((number, 8), ">i4")
        labels[:, 0], labels[:, 2] = np.arange(number) % 10, np.arange(number) + 600_000
        files = {
            f"qmnist-{part}-images-idx3-ubyte.gz": pictures,
            f"qmnist-{part}-labels-idx2-int.gz": struct.pack(">BBBB2I", 0, 0, 12, 2, number, 8) + labels.tobytes(),
        }
        for name, content in files.items():
            (folder / name).write_bytes(gzip.compress(content, mtime=0))
        resources[part] = [(f"http://127.0.0.1:9/{name}", md5(folder / name)) for name in files]
    monkeypatch.setattr(QMNIST, "resources", resources)
    return folder


def test_qmnist_is_taken_by_torchvision_s_digests_and_knows_its_writers(go, tmp_path, monkeypatch):
    code, said = go("qmnist", "--from", qmnist(tmp_path / "mine", monkeypatch))
    assert code == 0, said
    assert "qmnist train: 40 examples" in said
    assert "qmnist test: 10 examples" in said
    found = QMNIST(str(tmp_path / "data"), train=True)
    assert found.targets.tolist() == [number % 10 for number in range(40)]
    assert found.writers.tolist() == [number + 600_000 for number in range(40)]
    assert found.data.shape == (40, 28, 28)


def test_an_altered_file_of_qmnist_is_not_taken(go, tmp_path, monkeypatch):
    folder = qmnist(tmp_path / "mine", monkeypatch)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes() + b"\0")
    code, said = go("qmnist", "--from", folder)
    assert code == 3
    assert "truncated or altered, or of another dataset" in said
    assert left(tmp_path / "data") == []
