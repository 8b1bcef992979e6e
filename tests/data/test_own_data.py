"""Data of one's own, of every kind: what a batch holds, and that it is a function of seed, epoch and place alone."""

import json

import numpy as np
import pytest
import torch
from own import batches, flat, opened, same
from PIL import Image

from encore.errors import InputError

COUNT = 40
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 9, COUNT)
OFFSETS = np.concatenate([[0], LENGTHS.cumsum()])
TOKENS = RNG.integers(1, 100, LENGTHS.sum())
LABELS = np.arange(COUNT) % 2


def arrays(tmp_path, **held):
    np.savez(tmp_path / "own.npz", **held)
    return {"data": "arrays", "data.path": str(tmp_path / "own.npz"), "data.batch_size": 6}


def tokens(tmp_path):
    return {
        **arrays(tmp_path, tokens=TOKENS, begins=OFFSETS, label=LABELS),
        "data.inputs": {"input_ids": {"key": "tokens", "offsets": "begins", "ragged": "pad"}},
        "data.targets": "label",
        "data.num_classes": 2,
    }


def packed(tmp_path):
    whole = {"key": "tokens", "offsets": "begins", "ragged": "pack"}
    return {**tokens(tmp_path), "data.inputs": {"tokens": whole}}


def bucketed(tmp_path):
    return {**tokens(tmp_path), "data.bucket": {"by": "input_ids", "pool": 3}}


def pairs(tmp_path):
    pictures = RNG.integers(0, 256, (2, COUNT, 1, 4, 4), np.uint8)
    return {
        **arrays(tmp_path, left=pictures[0], right=pictures[1], same=LABELS),
        "data.inputs": ["left", "right"],
        "data.targets": "same",
        "data.num_classes": 2,
    }


def multi_label(tmp_path):
    labels = RNG.integers(0, 2, (COUNT, 5))
    return {
        **arrays(tmp_path, x=RNG.normal(size=(COUNT, 3)), y=labels),
        "data.inputs": "x",
        "data.targets": {"y": {"dtype": "float32"}},
    }


def boxes(tmp_path):
    return {
        **arrays(
            tmp_path,
            image=RNG.integers(0, 256, (COUNT, 8, 8, 3), np.uint8),
            boxes=RNG.random((LENGTHS.sum(), 4)),
            kinds=RNG.integers(0, 3, LENGTHS.sum()),
            begins=OFFSETS[:-1],
        ),
        "data.inputs": "image",
        "data.shape": [3, 8, 8],
        "data.targets": {
            "boxes": {"offsets": "begins", "ragged": "pad", "pad_to": 10, "mask": "boxes_mask"},
            "labels": {"key": "kinds", "offsets": "begins", "ragged": "pad", "pad_to": 10, "fill": -100},
        },
    }


def without_targets(tmp_path):
    return {**arrays(tmp_path, x=RNG.normal(size=(COUNT, 3)).astype(np.float32)), "data.inputs": "x"}


def table(tmp_path):
    rows = [f"{row / 4},{row * row},{'no' if row % 2 else 'yes'}" for row in range(COUNT)]
    (tmp_path / "own.csv").write_text("\n".join(["a,b,kind", *rows]))
    return {
        "data": "table",
        "data.path": str(tmp_path / "own.csv"),
        "data.inputs": {"x": ["a", "b"]},
        "data.shape": [2],
        "data.targets": {"kind": {"classes": ["yes", "no"]}},
        "data.num_classes": 2,
        "data.batch_size": 6,
    }


def masks(tmp_path):
    for number in range(COUNT):
        pixels = RNG.integers(0, 256, (8, 6, 3), np.uint8)
        for folder, image in (("photos", pixels), ("masks", (pixels[:, :, 0] > 99).astype(np.uint8) * 255)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(image).save(tmp_path / folder / f"{number:02}.png")
    return {
        "data": "masks",
        "data.pictures.folder": str(tmp_path / "photos"),
        "data.masks.folder": str(tmp_path / "masks"),
        "data.values": [0, 255],
        "data.shape": [3, 8, 6],
        "data.num_classes": 2,
        "data.batch_size": 6,
    }


def items(tmp_path):
    return {
        "data": "arrays",
        "data.path": "unused",
        "data.train": {"_target_": "own_items.Sentences", "path": None},
        "data.inputs": {"words": {"ragged": "pad"}, "weight": {"key": "weight"}},
        "data.targets": "label",
        "data.num_classes": 2,
        "data.batch_size": 6,
    }


KINDS = (tokens, packed, bucketed, pairs, multi_label, boxes, without_targets, table, masks, items)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", KINDS)
def test_worker_processes_give_the_same_bits_in_the_same_order(kind, tmp_path):
    settings = kind(tmp_path)
    resident = opened(tmp_path, epoch=1, **settings)
    streamed = opened(tmp_path, epoch=1, **settings, **{"data.resident": False, "data.num_workers": 1})
    assert same(batches(resident), batches(streamed))
    assert resident.split.train.equal(streamed.split.train)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_is_a_function_of_seed_and_epoch_and_an_epoch_can_be_entered_anywhere(kind, tmp_path):
    settings = kind(tmp_path)
    whole = batches(opened(tmp_path, epoch=1, **settings))
    torch.manual_seed(7)
    for first in (0, 2, len(whole)):
        assert same(batches(opened(tmp_path, epoch=1, first=first, **settings)), whole[first:])
    assert not same(batches(opened(tmp_path, epoch=2, **settings)), whole)
    assert not same(batches(opened(tmp_path, epoch=1, **settings, seed=1)), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_is_a_batch_of_the_same_kind(kind, tmp_path):
    data = opened(tmp_path, **kind(tmp_path))
    one, (batch, *_) = data.example(2), batches(data)
    assert [part.dtype for part in flat(one)] == [part.dtype for part in flat(batch)]
    assert [type(part) for part in one] == [type(part) for part in batch]


def test_token_ids_keep_their_type_and_come_with_an_attention_mask(tmp_path):
    data = opened(tmp_path, **tokens(tmp_path))
    seen = 0
    for inputs, targets in batches(data):
        assert list(inputs) == ["input_ids", "attention_mask"]
        assert inputs["input_ids"].dtype == inputs["attention_mask"].dtype == targets.dtype == torch.int64
        for row, there in zip(inputs["input_ids"], inputs["attention_mask"].bool(), strict=True):
            assert row[~there].eq(0).all()
            assert any(row[there].tolist() == part.tolist() for part in np.split(TOKENS, OFFSETS[1:-1]))
            seen += 1
        assert inputs["attention_mask"].sum(1).max() == inputs["input_ids"].shape[1]
    assert seen == data.sizes["train"]


def test_packed_sequences_lie_one_after_another(tmp_path):
    data = opened(tmp_path, **packed(tmp_path))
    order = data.train_order().of_epoch(0).split(6)
    for (inputs, targets), indices in zip(batches(data), order, strict=True):
        assert list(inputs) == ["tokens_offsets", "tokens"]
        parts = [TOKENS[OFFSETS[index] : OFFSETS[index + 1]] for index in indices.tolist()]
        assert inputs["tokens"].tolist() == np.concatenate(parts).tolist()
        ends = [*inputs["tokens_offsets"].tolist(), len(inputs["tokens"])]
        assert np.diff(ends).tolist() == [len(part) for part in parts]
        assert targets.tolist() == LABELS[indices].tolist()


def test_buckets_leave_less_padding_and_miss_no_example(tmp_path):
    def padding(data):
        return sum(int((inputs["attention_mask"] == 0).sum()) for inputs, _ in batches(data))

    plain, sorted_ = (opened(tmp_path, **kind(tmp_path)) for kind in (tokens, bucketed))
    assert padding(sorted_) < padding(plain) / 2
    assert sorted_.train_order().of_epoch(3).sort().values.equal(sorted_.split.train)


def test_sequences_can_be_cut(tmp_path):
    settings = tokens(tmp_path)
    settings["data.inputs"]["input_ids"] |= {"longest": 3, "pad_to": 4}
    for inputs, _ in batches(opened(tmp_path, **settings)):
        assert inputs["input_ids"].shape[1] == 4
        assert inputs["attention_mask"].sum(1).max() <= 3


def test_several_inputs_are_normalised_each_by_its_own_training_examples(tmp_path):
    data = opened(tmp_path, **pairs(tmp_path))
    whole = [torch.cat([inputs[name] for inputs, _ in batches(data)]) for name in ("left", "right")]
    for values in whole:
        assert values.mean().abs() < 1e-5
        assert (values.std() - 1).abs() < 1e-3
    one = opened(tmp_path, **pairs(tmp_path), **{"data.normalize": {"left": "minmax"}})
    inputs = torch.cat([inputs["left"] for inputs, _ in batches(one)])
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert max(inputs["right"].max() for inputs, _ in batches(one)) <= 1  # bytes as 0 to 1


def test_columns_and_arrays_of_columns_lie_side_by_side(tmp_path):
    held = arrays(tmp_path, table=np.arange(3 * COUNT).reshape(COUNT, 3), column=-np.arange(COUNT), label=LABELS)
    beside = {"data.inputs": {"features": {"key": ["table", "column"]}}, "data.targets": "label"}
    inputs, _ = batches(opened(tmp_path, **held, **beside, **{"data.normalize": "none", "data.num_classes": 2}))[0]
    row = -inputs[:, 3:]
    assert (inputs.shape, inputs.dtype) == ((6, 4), torch.float32)
    assert torch.equal(inputs[:, :3], 3 * row + torch.arange(3))


def test_vectors_are_targets(tmp_path):
    inputs, targets = batches(opened(tmp_path, **multi_label(tmp_path)))[0]
    assert (inputs.shape, targets.shape, targets.dtype) == ((6, 3), (6, 5), torch.float32)


def test_boxes_are_padded_to_a_number(tmp_path):
    inputs, targets = batches(opened(tmp_path, **boxes(tmp_path)))[0]
    assert inputs.shape == (6, 3, 8, 8)
    assert list(targets) == ["boxes", "boxes_mask", "labels"]
    assert (targets["boxes"].shape, targets["labels"].shape) == ((6, 10, 4), (6, 10))
    assert targets["labels"].eq(-100).equal(targets["boxes_mask"] == 0)


def test_there_may_be_no_target(tmp_path):
    data = opened(tmp_path, **without_targets(tmp_path), **{"data.val_fraction": 0.25, "data.test_fraction": 0.25})
    assert all(targets is None for _, targets in batches(data))
    assert data.sizes == {"train": 20, "val": 10, "test": 10}


def test_texts_of_a_column_are_class_numbers_in_the_order_given(tmp_path):
    data = opened(tmp_path, **table(tmp_path), **{"data.normalize": "none", "data.shuffle": False})
    for inputs, targets in batches(data):
        assert targets.equal((inputs[:, 0] * 4).long() % 2)
    assert data.source.classes == ("yes", "no")
    assert data.split.test.numel() == 8


def test_masks_lie_on_their_pictures(tmp_path):
    data = opened(tmp_path, **masks(tmp_path), **{"data.normalize": "none"})
    for inputs, targets in batches(data):
        assert (inputs.shape[1:], targets.shape[1:], targets.dtype) == ((3, 8, 6), (8, 6), torch.int64)
        assert targets.equal((inputs[:, 0] * 255 > 99.5).long())


@pytest.mark.parametrize("resident", [True, False])
def test_splits_are_stratified_by_classes_or_by_a_named_array_or_not_at_all(tmp_path, resident):
    held = {"x": RNG.normal(size=(COUNT, 3)), "y": LABELS, "site": np.array(["a", "b", "c", "d"] * 10)}
    settings = {**arrays(tmp_path, **held), "data.inputs": "x", "data.targets": "y", "data.num_classes": 2}
    settings |= {"data.resident": resident, "data.num_workers": 0, "data.test_fraction": 0.4}
    by_class = opened(tmp_path, **settings)
    assert np.bincount(LABELS[by_class.split.test]).tolist() == [8, 8]
    by_site = opened(tmp_path, **settings, **{"data.stratify": "site"})
    assert {site: held["site"][by_site.split.test].tolist().count(site) for site in "abcd"} == dict.fromkeys("abcd", 4)
    unequal = opened(tmp_path, **settings, **{"data.stratify": False})
    assert np.bincount(LABELS[unequal.split.test]).tolist() != [8, 8]


def test_items_are_split_alike_whether_resident_or_not(tmp_path):
    settings = {**items(tmp_path), "data.test_fraction": 0.4, "data.num_workers": 0}
    for stratify in (None, "site"):
        one, other = (
            opened(tmp_path, **settings, **{"data.stratify": stratify, "data.resident": resident})
            for resident in (True, False)
        )
        assert one.split.test.equal(other.split.test)


def test_the_digest_of_the_examples_covers_every_array(tmp_path):
    from encore.record.manifest import examples

    before = examples(opened(tmp_path, **tokens(tmp_path)))
    assert before == examples(opened(tmp_path, **tokens(tmp_path)))
    for name, changed in (("TOKENS", TOKENS + 1), ("OFFSETS", np.append(OFFSETS[:-2] + 0, OFFSETS[-1:]))):
        held = {"tokens": TOKENS, "begins": OFFSETS, "label": LABELS} | {
            {"TOKENS": "tokens", "OFFSETS": "begins"}[name]: changed
        }
        if len(held["begins"]) != COUNT + 1:
            held["begins"] = np.concatenate([[0], np.sort(RNG.integers(0, len(TOKENS), COUNT - 1)), [len(TOKENS)]])
        settings = tokens(tmp_path)
        np.savez(tmp_path / "own.npz", **held)
        assert examples(opened(tmp_path, **settings)) != before
    assert examples(opened(tmp_path, **masks(tmp_path), **{"data.resident": False})) is None


def test_a_test_set_of_named_arrays_is_let_go_of_and_is_the_same_again(tmp_path):
    settings = tokens(tmp_path)
    data = opened(tmp_path, **settings, **{"data.test": {"_target_": "encore.data.readers.archive.archive",
                                                         "path": settings["data.path"]}})  # fmt: skip
    before = [flat(batch) for batch in data.test_dataloader()]
    data.close_test()
    assert data.test_source is None
    for again, parts in zip(data.test_dataloader(), before, strict=True):
        assert all(a.equal(b) for a, b in zip(flat(again), parts, strict=True))
    data.close_test()
    np.savez(tmp_path / "own.npz", tokens=TOKENS + 1, begins=OFFSETS, label=LABELS)
    with pytest.raises(InputError, match="has changed since the run began"):
        data.opened_test()


def test_a_table_trains_by_the_stock_model_and_goes_on_from_where_it_was(run, tmp_path):
    settings = {**table(tmp_path), "model": "softmax", "logger": "none"}
    short = run({**settings, "trainer.max_epochs": 2})
    longer = run({**settings, "trainer.max_epochs": 4})
    at_once = run({**settings, "trainer.max_epochs": 4, "runs_dir": str(tmp_path / "others")})
    assert longer.weights_sha256 == at_once.weights_sha256 != short.weights_sha256
    manifest = json.loads((longer.folder / "manifest.json").read_text())
    assert manifest["data"]["examples_sha256"]
    assert "path" in manifest["data"]["files"]


@pytest.mark.parametrize("kind", [tokens, packed, boxes, masks])
def test_ranks_share_each_batch_and_one_may_have_nothing_of_it(kind, tmp_path):
    settings = kind(tmp_path)
    whole = batches(opened(tmp_path, **settings))
    for resident in (True, False):
        data = opened(tmp_path, **settings, **{"data.resident": resident, "data.num_workers": 0})
        parts = []
        for data.trainer.global_rank in range(8):  # 2 more than a batch has examples
            data.trainer.world_size = 8
            parts.append(batches(data))
        assert all(len(part) == len(whole) for part in parts)
        assert all(len(part[0][1] if kind is not boxes else part[0][1]["boxes"]) == (rank < 6)
                   for rank, part in enumerate(parts))  # fmt: skip


@pytest.mark.parametrize(
    ("targets", "classes", "shape", "dtype"),
    [
        (RNG.random((COUNT, 3)), None, (3,), torch.float32),
        (RNG.random(COUNT), None, (1,), torch.float32),
        (RNG.integers(0, 4, (COUNT, 5, 6)), 4, (5, 6), torch.int64),
        (LABELS[:, None], 2, (), torch.int64),
    ],
)
def test_targets_keep_their_shape_also_without_names(tmp_path, targets, classes, shape, dtype):
    np.savez(tmp_path / "own.npz", x=np.zeros((COUNT, 5, 6), np.uint8), y=targets)
    settings = {"data": "npz", "data.path": str(tmp_path / "own.npz"), "data.shape": [1, 5, 6], "data.batch_size": 6}
    data = opened(tmp_path, **settings, **{"data.num_classes": classes})
    inputs, got = batches(data)[0]
    assert (inputs.shape[1:], got.shape[1:], got.dtype) == ((1, 5, 6), shape, dtype)
    first = data.train_order().of_epoch(0)[0]
    assert got[0].flatten().equal(torch.as_tensor(targets[first], dtype=dtype).flatten())
