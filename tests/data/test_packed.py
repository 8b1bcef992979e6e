"""Packed datasets: the batches of the folder that was packed, wherever the shards lie; damaged ones are refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from endings import asked_to_stop, assert_same
from own import batches, flat, opened
from PIL import Image
from served import served_from

import encore
from encore.commands import pack as command
from encore.data import normalize
from encore.data.packed import reader
from encore.data.packed.order import by_shard
from encore.data.packed.writer import pack
from encore.errors import Busy, ConfigError, InputError, Preempted
from encore.files import NotWritten
from encore.locks import locked
from encore.provenance.contents import by_content
from encore.provenance.packs import INDEX

SHAPE = [3, 8, 6]
SETTINGS = {
    "data.num_classes": 2,
    "data.shape": SHAPE,
    "data.batch_size": 4,
    "data.num_workers": 0,
    "data.resident": False,
}
SHARD = 4000  # bytes: a few pictures


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(30):
        file = tmp_path / "photos" / "ab"[number % 2] / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (12, 9, 3), np.uint8)).save(file)
    return tmp_path / "photos"


@pytest.fixture
def packed(photos, tmp_path):
    """The folder of shards, and its digest."""
    out = tmp_path / "packed"
    return out, pack(command.of_folder(str(photos), None), out, as_files=True, shard_bytes=SHARD, workers=0)


def data_of(tmp_path, path, digest=None, **settings):
    own = {"data": "packed", "data.path": str(path), "data.digest": digest}
    return opened(tmp_path, **(SETTINGS | own | settings))


def assert_equal(found, wanted):
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(flat(ours), flat(theirs), strict=True))


def test_batches_are_those_of_the_folder(packed, photos, tmp_path):
    as_arrays = tmp_path / "arrays"
    pack(command.of_folder(str(photos), SHAPE), as_arrays, as_files=False, shard_bytes=SHARD, workers=1)
    wanted = batches(opened(tmp_path, **SETTINGS, **{"data": "images", "data.root": str(photos)}))
    assert len(json.loads((packed[0] / INDEX).read_text())["shards"]) > 2
    assert_equal(batches(data_of(tmp_path, packed[0])), wanted)
    assert_equal(batches(data_of(tmp_path, as_arrays)), wanted)
    assert_equal(batches(data_of(tmp_path, as_arrays, **{"data.resident": True})), wanted)


def test_other_datasets_are_packed_as_arrays(tmp_path):
    out = tmp_path / "digits"
    pack(command.of_config(["data=digits"], None, "train"), out, as_files=False)
    digits = {"data.num_classes": 10, "data.shape": [1, 8, 8], "data.num_workers": 0}
    found = opened(tmp_path, **digits, **{"data": "packed", "data.path": str(out)})
    assert_equal(batches(found), batches(opened(tmp_path, data="digits")))


def test_one_array_of_several_can_be_packed(tmp_path):
    file = tmp_path / "data.npz"
    np.savez(file, x=np.arange(12, dtype=np.uint8).reshape(4, 3), z=np.ones((4, 2), np.float32), y=[0, 1, 0, 1])
    words = ["data=arrays", f"data.path={file}", "data.targets=y", "data.num_classes=2"]
    pack(command.of_config([*words, "data.inputs=x"], None, "train"), tmp_path / "one", as_files=False, workers=0)
    with pytest.raises(ConfigError, match=r"cannot be packed: name one of each, or train without packing"):
        pack(command.of_config([*words, "data.inputs=[x,z]"], None, "train"), tmp_path / "two", as_files=False)
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"data.npz", "one"}


def test_an_epoch_is_entered_anywhere_and_only_what_remains_is_read(packed, tmp_path, monkeypatch):
    ordered = {"data.order": {"_target_": "encore.data.packed.order.by_shard", "window": 2}}
    constants = {"data.normalize": {"mean": [0.5], "std": [0.5]}}
    read = []
    plain = reader.Shard.read
    monkeypatch.setattr(
        reader.Shard, "read", lambda self, numbers: plain(self, [read.append(number) or number for number in numbers])
    )
    for order in ({}, ordered):
        whole = batches(data_of(tmp_path, packed[0], epoch=1, **constants, **order))
        rest = data_of(tmp_path, packed[0], epoch=1, first=3, **constants, **order)
        read.clear()
        assert_equal(batches(rest), whole[3:])
        assert len(read) == sum(len(targets) for _, targets in whole[3:])


def test_shards_are_shuffled_a_window_at_a_time(packed, tmp_path):
    data = data_of(tmp_path, packed[0], **{"data.test_fraction": 0.0, "data.val_fraction": 0.0})
    usual, starts = data.train_order(), torch.from_numpy(data.source.dataset.starts)
    order = by_shard(usual, data.source, window=2)
    epochs = [order.of_epoch(epoch) for epoch in (0, 1, 0)]
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])
    assert epochs[0].sort().values.tolist() == list(range(30))
    shards = torch.searchsorted(starts, epochs[0], right=True) - 1
    length = int((shards == shards[0]).sum() + (shards == next(one for one in shards if one != shards[0])).sum())
    assert len(shards[:length].unique()) == 2
    assert len(shards.unique()) > 2
    with pytest.raises(ConfigError, match="only a packed dataset"):
        by_shard(usual, object())


@pytest.mark.parametrize("order", [{}, {"_target_": "encore.data.packed.order.by_shard", "window": 1}])
def test_ranks_share_each_batch(packed, tmp_path, order):
    settings = {"data.normalize": "none", "data.order": order or None}
    whole = batches(data_of(tmp_path, packed[0], **settings))
    parts = []
    for rank in range(2):
        data = data_of(tmp_path, packed[0], **settings)
        data.trainer.global_rank, data.trainer.world_size = rank, 2
        parts.append(batches(data))
    for batch, *shared in zip(whole, *parts, strict=True):
        assert sorted(map(tuple, batch[0].flatten(1).tolist())) == sorted(
            tuple(row) for inputs, _ in shared for row in inputs.flatten(1).tolist()
        )


def damaged(kind, file):
    content = file.read_bytes()
    if kind == "missing":
        file.unlink()
    elif kind == "truncated":
        file.write_bytes(content[:-10])
    else:
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


@pytest.mark.parametrize("name", ["shard-000001.arrow", "targets.arrow"])
@pytest.mark.parametrize("kind", ["missing", "truncated", "altered"])
def test_a_damaged_shard_is_named_before_the_first_step(packed, tmp_path, kind, name):
    folder, _ = packed
    damaged(kind, folder / name)
    with pytest.raises(InputError, match=rf"{name} .*{kind}"):
        data_of(tmp_path, folder)
    with pytest.raises(InputError, match=rf"{name} .*{kind}"):
        by_content({"path": str(folder), "digest": None})


def test_a_shard_that_changes_during_a_run_ends_it(packed, tmp_path):
    data = data_of(tmp_path, packed[0])
    data.source.read(range(30))
    damaged("altered", packed[0] / "shard-000001.arrow")
    with pytest.raises(InputError, match=r"shard-000001.arrow has changed since the run began"):
        data.source.read(range(30))


def test_an_index_that_is_none_is_refused(packed, tmp_path):
    folder, _ = packed
    index = json.loads((folder / INDEX).read_text())
    leads_out = {**index, "targets": {**index["targets"], "name": "../targets.arrow"}}
    for content, message in {
        b"{": "no index of a packed dataset",
        b"[]": "no index of a packed dataset",
        json.dumps({**index, "version": 2}).encode(): "version 2",
        json.dumps({**index, "stored": "pickle"}).encode(): "pickle",
        json.dumps(leads_out).encode(): "is no name of a shard",
    }.items():
        (folder / INDEX).write_bytes(content)
        with pytest.raises(InputError, match=message):
            data_of(tmp_path, folder)
    with pytest.raises(InputError, match="holds no packed dataset"):
        data_of(tmp_path, tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        data_of(tmp_path, tmp_path / "nowhere")


def test_what_the_config_says_must_fit(packed, photos, tmp_path):
    with pytest.raises(InputError, match=r"has 2 classes \(a, b\)"):
        data_of(tmp_path, packed[0], **{"data.num_classes": 3})
    with pytest.raises(InputError, match="holds another dataset"):
        data_of(tmp_path, packed[0], digest="0" * 64)
    pack(command.of_folder(str(photos), SHAPE), tmp_path / "arrays", as_files=False)
    with pytest.raises(InputError, match=r"holds arrays of shape \[3, 8, 6\]"):
        data_of(tmp_path, tmp_path / "arrays", **{"data.shape": [3, 8, 8]})


def test_the_same_run_wherever_the_shards_lie(packed, tmp_path):
    folder, digest = packed
    wanted = batches(data_of(tmp_path, folder))
    with served_from(tmp_path) as (address, asked):
        url = f"{address}packed"
        assert by_content({"path": url, "digest": digest}) == by_content({"path": str(folder), "digest": None})
        assert_equal(batches(data_of(tmp_path, url, digest)), wanted)
        asked.clear()
        assert_equal(batches(data_of(tmp_path, url, digest)), wanted)
        assert asked == []


def test_only_the_shards_that_are_needed_are_fetched(packed, tmp_path):
    folder, digest = packed
    with served_from(tmp_path) as (address, asked):
        settings = {"data.normalize": "none"}
        data = data_of(tmp_path, f"{address}packed", digest, **settings)
        assert {path.rpartition("/")[2] for path in asked} == {INDEX, "targets.arrow", "shard-000000.arrow"}
        data.source.read([29])
        last = json.loads((folder / INDEX).read_text())["shards"][-1]["name"]
        assert asked[-1].endswith(last)


def test_any_storage_that_fsspec_reads(packed, tmp_path):
    import fsspec

    folder, digest = packed
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/bucket/packed", recursive=True)
    try:
        found = batches(data_of(tmp_path, "memory://bucket/packed", digest))
    finally:
        memory.rm("/bucket", recursive=True)
    assert_equal(found, batches(data_of(tmp_path, folder)))


def test_what_storage_does_not_hold_is_refused(packed, tmp_path, monkeypatch):
    folder, digest = packed
    with served_from(tmp_path) as (address, _):
        url = f"{address}packed"
        with pytest.raises(ConfigError, match=r"data.digest=… says which dataset"):
            data_of(tmp_path, url)
        with pytest.raises(ConfigError, match="no SHA-256"):
            data_of(tmp_path, url, "abc")
        with pytest.raises(InputError, match="another digest"):
            data_of(tmp_path, url, "0" * 64)
        with pytest.raises(InputError, match="cannot be fetched"):
            data_of(tmp_path, f"{address}nowhere", digest)
        with pytest.raises(ConfigError, match="cannot be read"):
            data_of(tmp_path, "nothing://bucket/packed", digest)
        damaged("altered", folder / "shard-000001.arrow")
        with pytest.raises(InputError, match=r"shard-000001.arrow is truncated or altered"):
            batches(data_of(tmp_path, url, digest))
        assert not list((tmp_path / "cache").rglob("*shard-000001*"))


def test_packing_twice_gives_the_same_digest_and_replaces_nothing(packed, photos, tmp_path):
    out, digest = packed
    source = command.of_folder(str(photos), None)
    assert pack(source, tmp_path / "again", as_files=True, shard_bytes=SHARD, workers=1) == digest
    with pytest.raises(InputError, match="exists already"):
        pack(source, out, as_files=True)
    with locked(tmp_path / ".third.lock", None), pytest.raises(Busy, match="another process is packing"):
        pack(source, tmp_path / "third", as_files=True)
    Image.new("RGB", (5, 5)).save(photos / "a" / "zz.png")
    more = pack(command.of_folder(str(photos), None), tmp_path / "more", as_files=True)
    assert more != digest
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"photos", "packed", "again", "more"}


def test_nothing_is_left_of_packing_that_failed(photos, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    source = command.of_folder(str(photos), None)
    with monkeypatch.context() as patched:
        patched.setattr("encore.data.packed.writer.os.fsync", full)
        with pytest.raises(NotWritten, match="No space left"):
            pack(source, tmp_path / "out", as_files=True, workers=0)
    with pytest.raises(NotWritten, match="nowhere"):
        pack(source, Path("/proc/nowhere"), as_files=True, workers=0)
    (photos / "a" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken.png cannot be read as a picture"):
        pack(command.of_folder(str(photos), None), tmp_path / "out", as_files=True, workers=0)
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"photos"}


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_packing_that_was_killed_leaves_no_dataset_and_the_next_one_is_whole(photos, tmp_path, sign):
    for number in range(3000):
        os.link(photos / "a" / "00.png", photos / "a" / f"more{number}.png")
    out = tmp_path / "out"
    words = [sys.executable, "-m", "encore", "pack", str(photos), "--out", str(out)]
    begun = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / ".out.packing").exists():
        assert begun.poll() is None
        time.sleep(0.005)
    begun.send_signal(sign)
    assert begun.wait() != 0
    assert not out.exists()
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"photos", "out"}


@pytest.mark.slow
def test_a_disk_that_is_full_ends_with_74_and_leaves_nothing(photos, tmp_path):
    import resource

    def little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    words = [sys.executable, "-m", "encore", "pack", str(photos), "--out", str(tmp_path / "out")]
    answer = subprocess.run(words, check=False, capture_output=True, text=True, preexec_fn=little)
    assert answer.returncode == 74, answer.stderr
    assert "File too large" in answer.stderr
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"photos"}


def test_a_run_that_is_stopped_ends_in_the_same_bits(packed, tmp_path, monkeypatch):
    settings = {
        **SETTINGS,
        "data": "packed",
        "data.path": str(packed[0]),
        "data.num_workers": 1,
        "+data.order": {"_target_": "encore.data.packed.order.by_shard", "window": 2},
        "model": "softmax",
        "trainer.accelerator": "cpu",
        "trainer.max_epochs": 2,
        "callbacks.progress": None,
    }
    whole = encore.run(settings | {"runs_dir": str(tmp_path / "whole")})
    parted = settings | {"runs_dir": str(tmp_path / "parted")}
    with asked_to_stop(monkeypatch, 3), pytest.raises(Preempted):
        encore.run(parted)
    assert_same(encore.run(parted).folder, whole.folder)


@pytest.mark.parametrize("kind", ["packed", "images"])
def test_the_normalisation_is_fitted_once(packed, photos, tmp_path, monkeypatch, kind):
    where = (
        {"data": "packed", "data.path": str(packed[0])}
        if kind == "packed"
        else {"data": kind, "data.root": str(photos)}
    )
    fits = []
    plain = normalize.fit
    monkeypatch.setattr(normalize, "fit", lambda *given: fits.append(given[0]) or plain(*given))
    first, again = (opened(tmp_path, **(SETTINGS | where)).normalize for _ in range(2))
    assert torch.equal(first.center, again.center)
    assert torch.equal(first.scale, again.scale)
    assert fits == ["standardize"]
    opened(tmp_path, **(SETTINGS | where | {"data.split_seed": 1}))
    opened(tmp_path, **(SETTINGS | where | {"data.normalize": "minmax"}))
    assert fits == ["standardize", "standardize", "minmax"]
