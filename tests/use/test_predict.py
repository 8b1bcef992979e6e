"""`encore predict`: what a user names, of whatever kind, is read as in training, and what cannot be read is named."""

import csv
import io
import json
import sys

import numpy as np
import pytest
from conftest import ROOT, without_importing
from PIL import Image

import encore
from encore.commands import predict
from encore.errors import InputError
from encore.use.paths import find


@pytest.fixture
def folder(run, tmp_path):
    """A run on pictures of two classes: dark ones and bright ones."""
    for number in range(20):
        place = tmp_path / "photos" / ("bright" if number % 2 else "dark")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (200 * (number % 2) + number,) * 3).save(place / f"{number}.png")
    return run(
        {
            "data": "images", "data.root": str(tmp_path / "photos"), "data.shape": [3, 4, 4], "data.num_classes": 2,
            "model": "softmax", "logger": "none", "trainer.max_epochs": 5, "data.batch_size": 8, "optim.lr": 0.05,
        }
    ).folder  # fmt: skip


def test_pictures_of_every_mode_and_those_that_are_none(typed, folder, tmp_path, monkeypatch):
    mixed = tmp_path / "mixed"
    (mixed / "below").mkdir(parents=True)
    white = Image.new("L", (30, 20), 250)
    for mode, name in (("L", "a.png"), ("RGBA", "b.png"), ("P", "c.gif"), ("CMYK", "d.tif"), ("1", "below/e.png")):
        white.convert(mode).save(mixed / name)
    Image.fromarray(np.full((9, 9), 64000, np.uint16)).save(mixed / "f.png")
    turned = Image.new("RGB", (40, 8), (250, 250, 250))
    turned.getexif()[0x0112] = 6
    turned.save(mixed / "g.jpg", exif=turned.getexif())
    Image.effect_noise((60, 60), 50).save(mixed / "truncated.png")
    (mixed / "truncated.png").write_bytes((mixed / "truncated.png").read_bytes()[:500])
    (mixed / "evil\x1b[2J.jpg").write_text("no picture")
    (mixed / "gone.png").symlink_to("gone.png")
    (mixed / "below" / "again").symlink_to(mixed)
    (mixed / "notes.md").write_text("left out")
    code, said, complained = typed(predict.main, folder, mixed, "--json")
    assert code == 3
    found = json.loads(said)
    names = ["a.png", "b.png", "c.gif", "d.tif", "e.png", "f.png", "g.jpg"]
    assert sorted(row["input"].rpartition("/")[2] for row in found) == names
    assert {row["label"] for row in found} == {"bright"}
    assert all(row["top"][0]["probability"] > 0.5 for row in found)
    for name in ("truncated.png", r"evil\x1b[2J.jpg", "gone.png", "3 of 10 could not be read", "left out: 1 "):
        assert name in complained
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{mixed / 'a.png'}\n".encode())))
    assert typed(predict.main, folder, "-")[1].startswith(f"{mixed / 'a.png'}  bright ")
    assert "\x1b" not in complained
    assert "Traceback" not in complained


def test_a_picture_too_large_to_be_one(typed, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    Image.new("L", (20, 20)).save(tmp_path / "huge.png")
    code, _, complained = typed(predict.main, folder, tmp_path / "huge.png")
    assert code == 3
    assert "huge.png cannot be read as a picture" in complained
    assert "decompression bomb" in complained


@pytest.mark.slow
def test_arrays_csv_and_the_next_best(typed, folder, tmp_path):
    np.save(tmp_path / "two.npy", np.stack([np.full((3, 4, 4), value, np.uint8) for value in (5, 250)]))
    code, said, _ = typed(predict.main, folder, tmp_path / "two.npy", "--csv", "--top", "2")
    rows = list(csv.DictReader(io.StringIO(said)))
    assert code == 0
    assert [row["label"] for row in rows] == ["dark", "bright"]
    assert [float(row["probability"]) + float(row["probability_2"]) for row in rows] == pytest.approx([1, 1])
    np.save(tmp_path / "wrong.npy", np.zeros((2, 3)))
    assert "reads arrays [n, 3, 4, 4], not [2, 3]" in typed(predict.main, folder, tmp_path / "wrong.npy")[2]
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "cannot be read as a NumPy array" in typed(predict.main, folder, tmp_path / "objects.npy")[2]
    np.save(tmp_path / "none.npy", np.zeros((0, 3, 4, 4), np.uint8))
    code, said, complained = typed(predict.main, folder, tmp_path / "none.npy", tmp_path / "two.npy")
    assert code == 3
    assert len(said.splitlines()) == 2  # the others are predicted
    assert "none.npy holds no examples" in complained


@pytest.mark.slow
def test_a_table_gives_numbers(typed, run, tmp_path):
    x = np.linspace(0, 1, 40)
    (tmp_path / "some.csv").write_text("a,b,y\n" + "".join(f"{one},{1 - one},{3 * one}\n" for one in x))
    found = run(
        {
            "data": "table", "data.path": str(tmp_path / "some.csv"), "data.inputs": {"x": ["a", "b"]},
            "data.shape": [2], "data.targets": {"y": {"dtype": "float32"}}, "task": "regression", "model": "linear",
            "logger": "none", "trainer.max_epochs": 1, "data.batch_size": 8,
        }
    )  # fmt: skip
    (tmp_path / "new.csv").write_text("b,a\n0.5,0.5\n0.1,0.9\n")
    code, said, _ = typed(predict.main, found.folder, tmp_path / "new.csv")
    assert code == 0
    assert [line.split()[0].endswith(f"new.csv:{row}") for row, line in enumerate(said.splitlines()[1:], 1)] == [
        True
    ] * 2
    (tmp_path / "lacking.csv").write_text("b,a\n0.5,\n")
    code, _, complained = typed(predict.main, found.folder, tmp_path / "lacking.csv")
    assert code == 3
    assert "column a has a value that is missing or infinite in row 0" in complained
    assert "reads no pictures" in typed(predict.main, found.folder, ROOT / "docs" / "images" / "tensorboard.png")[2]
    (tmp_path / "some.txt").write_text("words\n")
    complained = typed(predict.main, found.folder, tmp_path / "some.txt")[2]
    assert "some.txt: " in complained
    assert "reads no texts" in complained


def test_an_empty_name_is_not_the_current_folder():
    with pytest.raises(InputError, match="is empty"):
        find([""], {".png"})


def test_nothing_to_read(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nothing that the model could read"):
        find([str(tmp_path / "empty")], {".png"})
    assert find([str(tmp_path / "nothing")], set()).problems == [f"there is no file {tmp_path / 'nothing'}"]


@pytest.mark.parametrize("words", [["nothing", "x.png"], ["nothing", "-", "x.png"], ["x", "x.png", "--top", "0"]])
def test_torch_is_not_imported_for_an_answer_that_needs_none(words, tmp_path):
    answer = without_importing({"torch", "pytorch_lightning"}, ROOT / "scripts" / "predict.py", words, tmp_path)
    assert "AssertionError" not in answer.stderr
    assert answer.returncode == (3 if len(words) == 2 else 1)


def test_numbers_beyond_the_training_examples_type(run):
    digits = run({"trainer.max_epochs": 1, "logger": "none"}).folder
    with pytest.raises(InputError, match="beyond what float32 holds"):
        encore.load(digits).predict(np.full((1, 8, 8), 1e300))
