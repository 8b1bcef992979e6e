"""Use of runs whose data module and task are not Encore's; and masks of pixels' classes."""

import csv
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import encore
from encore.commands import evaluate, export, predict
from encore.errors import ConfigError, InputError


@pytest.fixture
def lit(run, tmp_path, monkeypatch):
    """Runs of modules that a config names, so that they are trusted."""
    monkeypatch.setenv("ENCORE_CONFIGS", str(tmp_path / "configs"))
    for part, names in {
        "data": ("Bright", "Readable", "Odd"),
        "task": ("Lit", "Classes", "Pixels", "Wrong", "Unknown"),
    }.items():
        (tmp_path / "configs" / part).mkdir(parents=True)
        for name in names:
            (tmp_path / "configs" / part / f"{name}.yaml").write_text(f"_target_: lit_pictures.{name}")

    def go(data="Readable", task="Classes", **settings):
        return run(
            {
                "data": "lightning", "data._target_": f"lit_pictures.{data}", "task": "lightning", "model": "none",
                "task._target_": f"lit_pictures.{task}", "optim": "none", "monitor.metric": "val_loss",
                "logger": "none", "trainer.max_epochs": 5, "trainer.accelerator": "cpu", "threads": 1, **settings,
            }
        ).folder  # fmt: skip

    return go


def test_files_for_a_data_module_of_ones_own(typed, lit, tmp_path):
    folder = lit()
    Image.new("RGB", (30, 20), (240, 250, 245)).save(tmp_path / "white.png")
    Image.new("L", (9, 9), 3).save(tmp_path / "black.png")
    code, said, _ = typed(predict.main, folder, tmp_path / "white.png", tmp_path / "black.png", "--json")
    assert (code, [row["label"] for row in json.loads(said)]) == (0, ["bright", "dark"])
    np.save(tmp_path / "inputs.npy", np.full((3, 1, 4, 4), 0.45))  # what the net takes; float64
    np.save(tmp_path / "others.npy", np.zeros((3, 1, 5, 4), np.float32))
    code, said, complained = typed(predict.main, folder, tmp_path / "inputs.npy", tmp_path / "others.npy", "--csv")
    assert (code, [row[1] for row in csv.reader(io.StringIO(said))]) == (3, ["label", *["bright"] * 3])
    assert "others.npy: the model reads arrays [n, 1, 4, 4], not [3, 1, 5, 4]" in complained
    model = encore.load(folder)
    assert model.classes == ["dark", "bright"]
    assert model.predict(np.full((1, 1, 4, 4), -0.4, np.float32)).labels == ["dark"]
    with pytest.raises(InputError, match=r"its model cannot read inputs \[2, 3\]: "):
        model.predict(np.zeros((2, 3), np.float32))
    code, said, _ = typed(evaluate.main, folder, "--full")
    assert code == 0
    assert "on the test set of lightning: 60 examples" in said
    assert re.search(r"^macro F1 +1$", said, re.MULTILINE)
    assert re.search(r"^bright +30 ", said, re.MULTILINE)


def test_the_export_of_a_data_module_of_ones_own_is_checked_on_its_batches(typed, lit, tmp_path):
    code, said, complained = typed(export.main, lit(), "--out", tmp_path / "lit.pt2")
    assert (code, complained) == (0, "")
    assert "(60 examples, the test set of lightning)" in said
    held = {"encore.json": ""}
    module = torch.export.load(tmp_path / "lit.pt2", extra_files=held).module()
    assert json.loads(held["encore.json"])["classes"] == ["dark", "bright"]
    found = module(torch.full((3, 1, 4, 4), 0.45))
    assert found.shape == (3, 2)
    assert found[:, 1].min() > 0.5


def test_what_a_data_module_does_not_say_is_named(typed, lit, tmp_path):
    Image.new("L", (9, 9), 3).save(tmp_path / "black.png")
    bright = lit("Bright")
    code, _, complained = typed(predict.main, bright, tmp_path / "black.png")
    assert code == 3
    assert "Bright does not say how a picture becomes an input [1, 4, 4] of the net: give it a method" in complained
    odd = lit("Odd")
    for command, words in ((predict.main, [tmp_path / "black.png"]), (export.main, ["--out", tmp_path / "odd.pt2"])):
        code, _, complained = typed(command, odd, *words)
        assert code == 3
        assert "data=lightning: Odd's batches are not one tensor of inputs and one of targets" in complained
    code, said, _ = typed(predict.main, lit("Readable", "Lit"), tmp_path / "black.png")
    assert (code, "bright" in said) == (0, False)  # numbers, as nothing says that they are of classes
    with pytest.raises(InputError, match=r"Wrong predicts pixels, and its outputs are \[1, 2\], not \[n, classes, "):
        encore.load(lit(task="Wrong", **{"trainer.max_epochs": 1})).predict(np.zeros((1, 1, 4, 4), np.float32))
    with pytest.raises(ConfigError, match=r"Unknown.predicts='everything': choose from classes, labels, pixels"):
        encore.load(lit(task="Unknown", **{"trainer.max_epochs": 1})).predict(np.zeros((1, 1, 4, 4), np.float32))


def test_masks_of_pixels(typed, lit, tmp_path):
    folder, photos, masks = lit(task="Pixels"), tmp_path / "photos", tmp_path / "made" / "masks"
    half = Image.new("L", (40, 20), 0)
    half.paste(255, (0, 0, 20, 20))
    (photos / "below").mkdir(parents=True)
    for name in ("a.png", "a.bmp", "below/b.png"):
        half.save(photos / name)
    np.save(photos / "c.npy", np.full((2, 1, 4, 4), 0.45, np.float32))
    code, said, complained = typed(predict.main, folder, photos, "--masks", masks, "--csv")
    assert (code, complained) == (0, "")
    rows = {row["input"].rpartition("/")[2]: row for row in csv.DictReader(io.StringIO(said))}
    counts = {name: (int(row["pixels dark"]), int(row["pixels bright"])) for name, row in rows.items()}
    assert counts == {**dict.fromkeys(("a.png", "a.bmp", "b.png"), (400, 400)), "c.npy:1": (0, 16), "c.npy:2": (0, 16)}
    assert rows["a.png"]["share"] == "0.5"
    names = ["a.bmp.png", "a.png.png", "below/b.png", "c.npy-1.png", "c.npy-2.png"]
    assert sorted(str(file.relative_to(masks)) for file in masks.rglob("*.png")) == names
    with Image.open(rows["b.png"]["mask"]) as mask:
        assert (mask.mode, mask.size, mask.getpalette()[:6]) == ("P", (40, 20), [0, 0, 0, 128, 0, 0])
        assert np.array_equal(np.asarray(mask), np.asarray(half) // 255)
    found = json.loads(typed(predict.main, folder, photos / "a.png", "--json")[1])
    assert found[0]["pixels"] == {"dark": 400, "bright": 400}
    assert "mask" not in found[0]
    code, _, complained = typed(predict.main, folder, photos / "below", "--masks", photos / "below")
    assert (code, "is a picture to predict: name another folder" in complained) == (1, True)
    (tmp_path / "file").write_text("")
    assert typed(predict.main, folder, photos / "a.png", "--masks", tmp_path / "file")[0] == 74
    code, _, complained = typed(predict.main, lit(), photos / "a.png", "--masks", masks)
    assert (code, "predicts no class for each pixel: --masks is for segmentation" in complained) == (3, True)
