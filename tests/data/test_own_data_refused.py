"""Data of one's own that cannot be used: the message says what, where, and what to do."""

import numpy as np
import pytest
from own import opened
from PIL import Image

from encore.errors import ConfigError, InputError

X, Y = np.arange(24.0).reshape(8, 3), np.arange(8) % 2
FLAT = np.arange(20)


def arrays(tmp_path, inputs, targets=None, num_classes=None, more=None, **held):
    np.savez(tmp_path / "own.npz", **held)
    return {
        "data": "arrays",
        "data.path": str(tmp_path / "own.npz"),
        "data.inputs": inputs,
        "data.targets": targets,
        "data.num_classes": num_classes,
        "data.batch_size": 2,
        "data.val_fraction": 0.0,
        **(more or {}),
    }


def ragged(**settings):
    return {"t": {"key": "t", "offsets": "o", "ragged": "pad", **settings}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": "z", "x": X}, r"has no 'z'; it has x: correct data\.inputs"),
        ({"inputs": "x", "targets": "y", "x": X, "y": Y[:5]}, r"unequal length: data.inputs.x 8, data.targets.y 5"),
        ({"inputs": "x", "x": np.where(X == 10, np.nan, X)}, "1 values that are NaN or infinite, the first in row 3"),
        ({"inputs": "x", "x": X[:0]}, "holds no examples"),
        ({"inputs": "x", "x": X + 1j}, "type complex128: convert it to numbers"),
        ({"inputs": "x", "x": np.array(["a", "b"] * 4)}, r"holds texts \(a, b\): data.inputs.x.classes=\[…\] lists"),
        ({"inputs": "x", "x": X, "more": {"data.shape": [4]}}, r"shape \[3\], not data.shape=\[4\]"),
        ({"inputs": "x", "targets": "y", "num_classes": 2, "x": X, "y": Y * 2}, "classes 0 to 2; there are 2"),
        ({"inputs": "x", "targets": "y", "num_classes": 2, "x": X, "y": Y / 2}, "has fractions; classes are whole"),
        ({"inputs": ragged(), "t": FLAT, "o": [0, 5, 30]}, "offsets begin with .* must rise from 0 to at most 20"),
        ({"inputs": ragged(), "t": FLAT, "o": [0, 9, 5]}, "must rise from 0"),
        ({"inputs": ragged(), "t": FLAT, "o": [1, 5]}, "must rise from 0"),
        ({"inputs": ragged(), "t": FLAT, "o": [0.0, 5.0]}, "offsets are of type float64"),
        ({"inputs": ragged(pad_to=4), "t": FLAT, "o": [0, 2, 15]}, r"13 values in example 1, more than .*pad_to=4"),
        ({"inputs": {"t": {"ragged": "pad"}}, "t": FLAT}, "one value per example, and data.inputs.t.ragged=pad"),
        (
            {"inputs": {"t": {"key": ["x", "t"]}}, "x": X[:, :, None], "t": Y},
            r"column x has the type float64 and shape \[8, 3",
        ),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        opened(tmp_path, **arrays(tmp_path, **settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": {"x": {"padding": 3}}}, r"data.inputs.x has no setting padding; choose from key, dtype"),
        ({"inputs": {"x": {"dtype": "float8"}}}, "data.inputs.x.dtype='float8': choose from bool"),
        ({"inputs": {"x": {"ragged": True}}}, "ragged=True: choose from pad, pack"),
        ({"inputs": {"x": {"pad_to": 3}}}, "mask and pad_to need ragged=pad"),
        ({"inputs": {"x": {"ragged": "pad", "longest": 0}}}, "longest=0 must be a whole number"),
        ({"inputs": ["x", "x"]}, "two arrays called x"),
        ({"inputs": {"a b": "x", "y": "y"}}, r"cannot be called with 'a b'="),
        ({"inputs": []}, "names no array"),
        ({"inputs": "???"}, "data.inputs is not set"),
        ({"inputs": "x", "more": {"data.bucket": "x"}}, "no ragged arrays|the ragged arrays of data=arrays are: none"),
        ({"inputs": "x", "more": {"data.stratify": "nowhere"}}, "data.stratify=nowhere: .* has no such array"),
        ({"inputs": ["x", "y"], "more": {"data.normalize": {"z": "none"}}}, "data.normalize has z, and .* has x, y"),
        ({"inputs": ["x", "y"], "more": {"data.normalize": {"y": "minmax"}}}, "only uint8 and floats are normalised"),
    ],
)
def test_settings_that_cannot_be(tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path, **arrays(tmp_path, **settings, x=X, y=Y))


def table(tmp_path, text, name="own.csv", **settings):
    (tmp_path / name).write_text(text)
    return {"data": "table", "data.path": str(tmp_path / name), "data.inputs": {"x": ["a", "b"]}, **settings}


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("a,c\n1,2\n", {}, "has no 'b'; it has a, c"),
        ("a,b\n", {}, "has no rows"),
        ("", {}, "cannot be read as a table"),
        ("a,b\n1,2\n3,\n", {}, "column b has a value that is missing or infinite in row 1"),
        ("a,b\n1,x\n3,y\n", {}, "column b has the type .* only columns of numbers"),
        ("a,b,k\n1,2,red\n3,4,blue\n", {"data.targets": "k", "data.num_classes": 2}, "holds texts .blue, red."),
        (
            "a,b,k\n1,2,red\n3,4,blue\n",
            {"data.targets": {"k": {"classes": ["red", "green"]}}},
            "holds blue; data.targets.k.classes has red, green",
        ),
        ("a,b\n1,2\n", {"name": "own.xlsx"}, r"ends in \.xlsx; tables are \.csv, \.tsv, \.parquet: convert it"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, text, settings, message):
    with pytest.raises(InputError, match=message):
        opened(tmp_path, **table(tmp_path, text, **settings))


def test_files_and_folders_that_are_not_there(tmp_path):
    nowhere = str(tmp_path / "nowhere.npz")
    for settings in (
        {"data": "arrays", "data.path": nowhere},
        {"data": "table", "data.path": nowhere.replace("npz", "csv")},
        {"data": "huggingface", "data.path": nowhere},
    ):
        with pytest.raises(InputError, match=r"there is no (file|folder) .*nowhere"):
            opened(tmp_path, **settings, **{"data.inputs": "x"})


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "own.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"pip install 'encore\[parquet\]'"):
        opened(tmp_path, **{"data": "table", "data.path": str(tmp_path / "own.parquet"), "data.inputs": "x"})


def masks(tmp_path, pictures=("a", "b"), targets=("a", "b"), size=(6, 8), mode="L", value=1, **settings):
    for folder, names in (("photos", pictures), ("masks", targets)):
        (tmp_path / folder).mkdir()
        for name in names:
            one = ("RGB", (6, 8), 0) if folder == "photos" else (mode, size, value if mode != "RGB" else (9, 9, 9))
            Image.new(*one).save(tmp_path / folder / f"{name}.png")
    return {
        "data": "masks",
        "data.pictures.folder": str(tmp_path / "photos"),
        "data.masks.folder": str(tmp_path / "masks"),
        "data.shape": [3, 8, 6],
        "data.num_classes": 2,
        "data.batch_size": 1,
        "data.test_fraction": 0.0,
        "data.val_fraction": 0.0,
        **settings,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": ("a",)}, r"1 files have no mask of their name in .*masks: b\.png"),
        ({"pictures": ("a",)}, r"1 files have no picture of their name in .*photos: b\.png"),
        ({"targets": ()}, "masks holds no picture"),
        ({"mode": "RGB"}, "has colours or more than one byte per pixel"),
        ({"size": (4, 4)}, "they must match"),
        ({"value": 7}, r"example 0, has classes 7 to 7; there are 2.*data.targets.mask.ignore"),
        ({"data.values": [0, 255]}, "has pixels of 1, which data.values does not list"),
    ],
)
def test_pictures_and_masks_that_do_not_fit(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        opened(tmp_path, **masks(tmp_path, **settings))


def test_a_broken_picture_is_named_also_by_a_worker_process(tmp_path):
    settings = masks(tmp_path, **{"data.resident": False, "data.num_workers": 1})
    data = opened(tmp_path, **settings, **{"data.normalize": "none"})
    (tmp_path / "photos" / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b\.png cannot be read as a picture"):
        list(data.train_dataloader())


@pytest.mark.parametrize(
    ("source", "inputs", "message"),
    [
        ("Words", "words", r"example 0, has the type object"),
        ("Words", "letters", r"example 0 has no 'letters'; it has words"),
        ("Nothing", "x", r"a Nothing has no x; its attributes are: something"),
    ],
)
def test_items_that_do_not_fit(tmp_path, source, inputs, message):
    recipe = {"data": "arrays", "data.path": "", "data.inputs": inputs}
    with pytest.raises(InputError, match=message):
        opened(tmp_path, **recipe, **{"data.train": {"_target_": f"own_items.{source}"}})


@pytest.mark.slow
def test_exit_codes_and_nothing_left_behind(command, tmp_path):
    (tmp_path / "own.csv").write_text("a,b\n1,2\n")
    words = ["data=table", f"data.path={tmp_path}/own.csv", "task=regression", "data.shape=[2]"]
    missing = command("train.py", *words, "data.inputs={x:[a,c]}")
    unknown = command("train.py", *words, "data.inputs={x:{key:[a,b],size:3}}")
    assert (missing.returncode, unknown.returncode) == (3, 1)
    assert "has no 'c'; it has a, b" in missing.stderr
    assert "data.inputs.x has no setting size" in unknown.stderr
