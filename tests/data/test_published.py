"""Files of published datasets: what is good is never replaced by what is not, and only what was checked is read."""

import hashlib
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import pictures, write_idx
from own import kmnist_served, recipe
from served import served_from

from encore.data.fetching import verify
from encore.data.offline import downloads_refused
from encore.data.published import Published, take
from encore.data.sources import fetch_again, open_source
from encore.errors import InputError, NotHere
from encore.fast.idx import read_idx

NAMES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def small(folder, seed):
    """A small dataset of MNIST's format; returns its files' digests."""
    for part, number in (("train", 40), ("t10k", 10)):
        images, labels = pictures(number, 10, (28, 28), seed)
        write_idx(folder, part, images, (labels + seed) % 10)
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES}


class Mine:
    """A dataset of one's own that says where its file is; the addresses are a test's."""

    classes = ("a", "b")
    published = ()

    def __init__(self, root):
        (self.data,) = (file.read_bytes() for file in [Path(root) / "mine" / "all.bin"])
        self.data = np.frombuffer(self.data, np.uint8).reshape(-1, 1)
        self.targets = np.arange(len(self.data)) % 2

    @classmethod
    def pack(cls, source, data_dir):
        parts = sorted(source.glob("part*.bin"))
        if not parts:
            return None
        place = data_dir / "mine" / "all.bin"
        place.parent.mkdir(parents=True)
        place.write_bytes(b"".join(part.read_bytes() for part in parts))
        return place


CONTENT = bytes(range(40))


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A recipe of `Mine`, and what was asked: the first address has no file, the second another, the third it."""
    (tmp_path / "served" / "other").mkdir(parents=True)
    (tmp_path / "served" / "other" / "all.bin").write_bytes(b"altered")
    (tmp_path / "served" / "all.bin").write_bytes(CONTENT)
    target = {"_target_": f"{__name__}.Mine"}
    with served_from(tmp_path / "served") as (address, asked):
        urls = tuple(f"{address}{name}" for name in ("nowhere/all.bin", "other/all.bin", "all.bin"))
        file = Published(Path("mine", "all.bin"), sha256=hashlib.sha256(CONTENT).hexdigest(), urls=urls)
        monkeypatch.setattr(Mine, "published", (file,))
        yield (
            {
                **recipe(data="mnist"),
                "name": "mine",
                "shape": [1],
                "num_classes": 2,
                "train": target,
                "test": None,
                "sha256": {},
            },
            asked,
        )


def test_a_class_that_says_where_its_files_are_is_fetched_from_the_first_address_that_has_them(mine, tmp_path):
    data, asked = mine
    source = open_source(data["train"], data, tmp_path / "data")
    assert source.inputs.flatten().tolist() == list(CONTENT)
    assert contents(tmp_path / "data") == {"mine/all.bin": CONTENT}
    paths = list(dict.fromkeys(asked))
    assert paths == ["/nowhere/all.bin", "/other/all.bin", "/all.bin"]
    open_source(data["train"], data, tmp_path / "data")
    assert list(dict.fromkeys(asked)) == paths


def test_where_no_address_has_it_each_one_s_answer_is_told_and_nothing_is_left(mine, tmp_path):
    data, _ = mine
    (tmp_path / "served" / "all.bin").unlink()
    with pytest.raises(NotHere, match=r"(?s)nowhere/all\.bin: .*404.*other/all\.bin: truncated, or another.*404"):
        open_source(data["train"], data, tmp_path / "data")
    assert contents(tmp_path / "data") == {}


def test_its_file_is_found_by_its_digest_or_made_of_what_is_there(mine, tmp_path):
    data, _ = mine
    (tmp_path / "parts").mkdir()
    with pytest.raises(InputError, match=r"holds no file of data=mine: mine/all\.bin"):
        list(take(tmp_path / "parts", tmp_path / "data", data))
    for number in range(2):
        (tmp_path / "parts" / f"part{number}.bin").write_bytes(CONTENT[20 * number : 20 * number + 20])
    place = tmp_path / "data" / "mine" / "all.bin"
    assert list(take(tmp_path / "parts", tmp_path / "data", data)) == [(tmp_path / "parts", place)]
    assert place.read_bytes() == CONTENT
    assert list(take(tmp_path / "data", tmp_path / "again", data)) == [(place, tmp_path / "again" / "mine" / "all.bin")]


def test_integers_of_mnist_s_format_are_read_as_torchvision_reads_them(tmp_path):
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    labels = (np.arange(24).reshape(3, 8) * 70_000).astype(">i4")
    file = tmp_path / "labels-idx2-int"
    file.write_bytes(struct.pack(">BBBB2I", 0, 0, 12, 2, 3, 8) + labels.tobytes())
    assert read_idx(str(file)).equal(read_sn3_pascalvincent_tensor(str(file)))
    assert read_idx(str(file)).tolist() == labels.tolist()


@pytest.fixture
def fashion(tmp_path):
    """Fashion-MNIST in its place, MNIST with files of the same names elsewhere, and a recipe that tells them apart."""
    small(tmp_path / "other" / "MNIST" / "raw", seed=5)
    digests = small(tmp_path / "data" / "FashionMNIST" / "raw", seed=0)
    sha256 = {f"FashionMNIST/raw/{name}": digest for name, digest in digests.items()}
    return {**recipe(data="fashion_mnist"), "sha256": sha256}


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_another_dataset_s_files_of_the_same_names_replace_nothing(fashion, tmp_path):
    before = contents(tmp_path / "data")
    with pytest.raises(InputError, match=r"(?s)holds no file of data=fashion_mnist.*of another dataset"):
        list(take(tmp_path / "other", tmp_path / "data", fashion))
    assert contents(tmp_path / "data") == before


def test_files_are_found_by_their_digests_among_others(fashion, tmp_path):
    (tmp_path / "other" / "Fashion").mkdir()
    for name in NAMES:
        shutil.copy(tmp_path / "data" / "FashionMNIST" / "raw" / name, tmp_path / "other" / "Fashion" / name)
    taken = list(take(tmp_path / "other", tmp_path / "new", fashion))
    assert {file.parent.name for file, _ in taken} == {"Fashion"}
    assert contents(tmp_path / "new") == contents(tmp_path / "data")
    altered = tmp_path / "data" / "FashionMNIST" / "raw" / NAMES[0]
    altered.write_bytes(b"altered")
    list(take(tmp_path / "other", tmp_path / "data", fashion))  # what is known to be wrong is replaced
    assert contents(tmp_path / "new") == contents(tmp_path / "data")


def test_a_file_that_changes_while_it_is_copied_replaces_nothing(fashion, tmp_path, monkeypatch):
    shutil.copytree(tmp_path / "data", tmp_path / "source")
    target = tmp_path / "data" / "FashionMNIST" / "raw" / NAMES[0]
    target.write_bytes(b"altered, and not for that to be replaced by something else")
    before = contents(tmp_path / "data")
    monkeypatch.setattr(shutil, "copyfile", lambda source, beside: beside.write_bytes(b"half"))
    with pytest.raises(InputError, match="was changed while it was copied"):
        list(take(tmp_path / "source", tmp_path / "data", fashion))
    assert contents(tmp_path / "data") == before


def test_what_an_old_torchvision_left_does_not_hide_the_checked_files(fashion, tmp_path):
    old = tmp_path / "data" / "FashionMNIST" / "processed"
    old.mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(40, 28, 28, dtype=torch.uint8), torch.zeros(40, dtype=torch.long)), old / name)
    verify(fashion, tmp_path / "data")
    source = open_source(fashion["train"], fashion, tmp_path / "data")
    assert source.targets.tolist() == [number % 10 for number in range(40)]
    assert source.inputs.any()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """KMNIST, small, on a server of this machine that counts what is asked of it; its recipe."""
    raw = tmp_path / "served"
    small(raw, seed=0)
    write_idx(raw, "train", *pictures(40, 10, (28, 28)), compress=True)
    write_idx(raw, "t10k", *pictures(10, 10, (28, 28)), compress=True)
    target = {"_target_": "torchvision.datasets.KMNIST", "train": True}
    with kmnist_served(raw, monkeypatch) as asked:
        yield {**recipe(data="mnist"), "name": "kmnist", "sha256": {}, "train": target, "test": None}, asked


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
def test_of_ten_processes_one_fetches_and_nine_wait(served, tmp_path):
    data, asked = served
    open_source(data["train"], data, tmp_path / "alone")
    by_one = len(asked)
    processes = []
    for _ in range(10):
        if not (process := os.fork()):
            code = 1
            try:
                code = 0 if len(open_source(data["train"], data, tmp_path / "data")) == 40 else 2
            finally:
                os._exit(code)
        processes.append(process)
    assert [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes] == [0] * 10
    assert len(asked) == 2 * by_one
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert left == {"KMNIST"}


def test_a_file_that_was_altered_is_fetched_again_whole(served, tmp_path):
    data, asked = served
    fetch_again(data, tmp_path / "data")
    before, requests = contents(tmp_path / "data"), len(asked)
    labels = tmp_path / "data" / "KMNIST" / "raw" / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-3])
    with pytest.raises(
        InputError, match=r"truncated or altered: .*\n.*encore fetch_data kmnist fetches it again"
    ) as told:
        open_source(data["train"], data, tmp_path / "data")
    assert "delete" not in str(told.value)
    fetch_again(data, tmp_path / "data")
    assert contents(tmp_path / "data") == before
    assert len(asked) == requests  # from the archives, which were good


def test_where_nothing_may_be_fetched_the_remedy_is_told(tmp_path):
    data = recipe(data="mnist")
    with downloads_refused("--data-dir says where it is"), pytest.raises(NotHere, match="--data-dir says where it is"):
        open_source(data["train"], data, tmp_path)
