"""Parquet and Hugging Face's datasets, where their packages are installed."""

import numpy as np
import pytest
import torch
from own import batches, opened, same
from PIL import Image

from encore.errors import ConfigError, InputError

COUNT = 24
RNG = np.random.default_rng(0)
IDS = [RNG.integers(1, 50, RNG.integers(1, 8)).tolist() for _ in range(COUNT)]
COLUMNS = {
    "input_ids": IDS,
    "label": [row % 2 for row in range(COUNT)],
    "a": [row / 2 for row in range(COUNT)],
    "vector": [[float(row), 1.0] for row in range(COUNT)],
    "kind": ["no" if row % 2 else "yes" for row in range(COUNT)],
}
TOKENS = {
    "data.inputs": {"input_ids": {"ragged": "pad"}},
    "data.targets": "label",
    "data.num_classes": 2,
    "data.batch_size": 5,
    "data.shuffle": False,
}


def parquet(file, columns=COLUMNS):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)
    return str(file)


def is_right(data):
    seen = []
    for inputs, targets in batches(data):
        for row, there, target in zip(inputs["input_ids"], inputs["attention_mask"].bool(), targets, strict=True):
            seen.append((row[there].tolist(), int(target)))
    order = data.split.train.tolist()
    return seen == [(IDS[index], index % 2) for index in order]


def test_a_parquet_table_of_lists_and_of_columns(tmp_path):
    path = parquet(tmp_path / "own.parquet")
    assert is_right(opened(tmp_path, **{"data": "table", "data.path": path, **TOKENS}))
    columns = {
        "data": "table",
        "data.path": path,
        "data.inputs": {"a": ["a", "label"], "vector": "vector"},
        "data.targets": {"kind": {"classes": ["yes", "no"]}},
        "data.batch_size": 5,
        "data.normalize": "none",
    }
    for inputs, targets in batches(opened(tmp_path, **columns)):
        assert targets.equal((inputs["a"][:, 0] * 2).long() % 2)
        assert inputs["vector"][:, 0].equal(inputs["a"][:, 0] * 2)


def test_a_folder_of_parquet_files_with_splits(tmp_path):
    parquet(tmp_path / "own" / "data" / "train-0.parquet")
    parquet(tmp_path / "own" / "data" / "test-0.parquet", {name: held[:4] for name, held in COLUMNS.items()})
    settings = {"data": "huggingface", "data.path": str(tmp_path / "own"), **TOKENS}
    assert is_right(opened(tmp_path, **settings, **{"data.split": "train"}))
    with pytest.raises(InputError, match=r"nothing of split=dev; it has test-0\.parquet, train-0\.parquet"):
        opened(tmp_path, **settings, **{"data.split": "dev"})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"input_ids": [*IDS[:-1], None], "label": COLUMNS["label"]}, "column input_ids lacks a value in 1 rows"),
        ({"input_ids": [[*IDS[0], None], *IDS[1:]], "label": COLUMNS["label"]}, "has lists of .* or have gaps"),
        ({"input_ids": COLUMNS["kind"], "label": COLUMNS["label"]}, "holds texts"),
    ],
)
def test_columns_that_do_not_fit(tmp_path, columns, message):
    path = parquet(tmp_path / "own.parquet", columns)
    with pytest.raises(InputError, match=message):
        opened(tmp_path, **{"data": "table", "data.path": path, **TOKENS})


def test_a_broken_parquet_file(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "own.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        opened(tmp_path, **{"data": "table", "data.path": str(tmp_path / "own.parquet"), **TOKENS})


def saved(tmp_path, **columns):
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict({**COLUMNS, **columns})
    whole = whole.cast_column("label", datasets.ClassLabel(names=["even", "odd"]))
    return datasets, whole


def test_a_dataset_that_was_saved_to_disk(tmp_path):
    _, whole = saved(tmp_path)
    whole.save_to_disk(str(tmp_path / "own"))
    settings = {"data": "huggingface", "data.path": str(tmp_path / "own"), **TOKENS}
    data = opened(tmp_path, **settings)
    assert is_right(data)
    assert data.source.classes == ["even", "odd"]
    streamed = opened(tmp_path, **settings, **{"data.resident": False, "data.num_workers": 1})
    assert same(batches(data), batches(streamed))


def test_a_dataset_with_splits(tmp_path):
    datasets, whole = saved(tmp_path)
    datasets.DatasetDict({"train": whole, "test": whole.select([3, 1])}).save_to_disk(str(tmp_path / "own"))
    path = str(tmp_path / "own")
    settings = {"data": "huggingface", "data.path": path, **TOKENS, "data.split": "train"}
    test = {"_target_": "encore.data.readers.huggingface.saved", "path": path, "split": "test"}
    data = opened(tmp_path, **settings, **{"data.test": test})
    assert is_right(data)
    ((inputs, targets),) = list(data.test_dataloader())
    assert targets.tolist() == [1, 1]
    assert inputs["input_ids"][0][: len(IDS[3])].tolist() == IDS[3]
    with pytest.raises(InputError, match="has the splits train, test, not None"):
        opened(tmp_path, **{**settings, "data.split": None})


def test_a_dataset_with_pictures(tmp_path):
    pixels = RNG.integers(0, 256, (COUNT, 6, 8, 3), np.uint8)
    pictures = [Image.fromarray(picture) for picture in pixels]
    _, whole = saved(tmp_path, picture=pictures)
    whole.save_to_disk(str(tmp_path / "own"))
    settings = {**TOKENS, "data.inputs": "picture", "data.normalize": "none", "data.shape": [3, 6, 8]}
    settings |= {"data": "huggingface", "data.path": str(tmp_path / "own")}
    resident = opened(tmp_path, **settings)
    streamed = opened(tmp_path, **settings, **{"data.resident": False, "data.num_workers": 1})
    assert same(batches(resident), batches(streamed))
    (inputs, targets), *_ = batches(resident)
    first = resident.split.train[0]
    assert (inputs[0] * 255).round().byte().equal(torch.from_numpy(pixels[first]).permute(2, 0, 1))
    assert targets[0] == first % 2


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "state.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"pip install 'encore\[hf\]'"):
        opened(tmp_path, **{"data": "huggingface", "data.path": str(tmp_path / "own"), **TOKENS})
