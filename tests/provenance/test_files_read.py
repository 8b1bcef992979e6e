"""A manifest says of each file that a run reads what it held; of a folder of many files once, whatever their number."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from encore.errors import InputError
from encore.files import LARGEST_JSON, read_json, write_json
from encore.provenance import contents, files_read
from encore.provenance.files_read import check_unchanged, recorded
from encore.record.reading import MANIFEST_RULES


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(files_read, "MANY", 3)
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/3.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_text(name)
    return tmp_path / "photos"


def config(folder):
    return {"data": {"name": "images", "root": str(folder), "train": {"root": str(folder)}}, "data_dir": "nowhere"}


def test_a_small_folder_has_an_entry_for_each_file(photos):
    (photos / "cat" / "2.png").unlink()
    held = recorded(config(photos))
    names = ("cat/1.png", "dog/1.png", "dog/3.png")
    assert list(held) == [f"{setting}/{name}" for setting in ("root", "train.root") for name in names]
    assert held["root/cat/1.png"] == {"bytes": 9, "sha256": contents.digest_of(photos / "cat" / "1.png")}
    check_unchanged(held, config(photos))


CHANGES = {
    "one more": (lambda photos: (photos / "cat" / "3.png").touch(), "more than 4 files"),
    "one less": (lambda photos: (photos / "cat" / "2.png").unlink(), "has 3 files with 27 bytes, recorded were 4 with"),
    "longer": (lambda photos: (photos / "cat" / "2.png").write_text("cat/20.png"), "has 4 files with 37 bytes"),
    "altered": (lambda photos: (photos / "cat" / "2.png").write_text("dog/2.png"), "has changed: the SHA-256 of its"),
    "renamed": (lambda photos: (photos / "cat" / "2.png").rename(photos / "dog" / "2.png"), "the SHA-256 of its files"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_large_folder_has_one_and_nothing_in_it_changes_unnoticed(photos, change):
    held = recorded(config(photos))
    once = {"files": 4, "bytes": 36, "sha256": contents.content(photos)}
    assert held == {"root": once, "train.root": once}
    assert MANIFEST_RULES["data"]({"files": held, "examples_sha256": None}) is None
    check_unchanged(held, config(photos))
    act, message = CHANGES[change]
    act(photos)
    with pytest.raises(InputError, match=message):
        check_unchanged(held, config(photos))


def test_a_record_cannot_name_other_folders_or_files(photos, tmp_path):
    held = recorded(config(photos))
    read = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(contents, "digest_of", read.append)
        with pytest.raises(InputError, match="did not read more than 4 files"):
            check_unchanged(held, config("/"))
        with pytest.raises(
            InputError, match="photos has changed: it has 4 files with 36 bytes, recorded were 9 with 0"
        ):
            check_unchanged({"root": {"files": 9, "sha256": "0"}, "train.root": held["train.root"]}, config(photos))
    assert not read
    (tmp_path / "secret").touch()
    with pytest.raises(InputError, match="secret has changed: its SHA-256"):
        check_unchanged(held, config(tmp_path / "secret"))
    with pytest.raises(InputError, match="root of data=images is missing"):
        check_unchanged(held, config(tmp_path / "nowhere"))


def test_a_manifest_of_300_000_pictures_is_small_enough_to_be_read(photos, tmp_path, monkeypatch):
    facts = (photos / "cat" / "1.png").stat()

    def walk(folder):
        return (
            (f"class{number % 1000}/n{number:08}.JPEG", SimpleNamespace(stat=lambda: facts))
            for number in range(300_000)
        )

    monkeypatch.setattr(files_read, "MANY", 10_000)
    monkeypatch.setattr(contents, "walk", walk)
    monkeypatch.setattr(contents, "tree_digest", lambda files, number: f"{number}")
    write_json(tmp_path / "manifest.json", recorded(config(photos)))
    assert (tmp_path / "manifest.json").stat().st_size < LARGEST_JSON / 10_000
    assert read_json(tmp_path / "manifest.json")["root"] == {"files": 300_000, "bytes": 2_700_000, "sha256": "300000"}


def test_the_order_is_that_of_paths(tmp_path):
    names = ("a/x/1", "a/x-y/1", "a-b/1", "a.b/1", "aa/1", "B/1", "é/1", "a/0", "z")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [tmp_path / name for name, _ in contents.walk(tmp_path)] == sorted(tmp_path / Path(name) for name in names)
