"""`encore.load`: a run's model predicts what the run itself did, without its training data."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import encore
from encore.analysis.ensembles.predictions import outputs
from encore.errors import ConfigError, InputError
from encore.provenance.trust import recorded_config
from encore.record import seal
from encore.runner.restored_run import restored_run

KINDS = {"classification": (3, None), "binary": (2, None), "regression": (None, 2), "multilabel": (None, None)}


@pytest.fixture
def trained(run, tmp_path):
    """A run on arrays in a file, of a task: its result, and its file."""

    def go(task, **settings):
        random, (classes, targets) = np.random.default_rng(0), KINDS[task]
        x = random.integers(0, 256, (80, 1, 4, 4), dtype=np.uint8)
        y = random.integers(0, classes, 80) if classes else random.normal(5, 3, (80, targets or 3)).astype(np.float32)
        y = (y > 5).astype(np.float32) if task == "multilabel" else y
        np.savez(tmp_path / "some.npz", x=x, y=y)
        of_task = {"task": task, "+data.num_targets": targets} if targets else {"task": task}
        of_task |= {"task.num_outputs": 3} if task == "multilabel" else {}
        return run(
            {
                "data": "npz", "data.path": str(tmp_path / "some.npz"), "data.shape": [1, 4, 4], "logger": "none",
                "data.num_classes": classes, "trainer.max_epochs": 1, "data.batch_size": 16, **of_task, **settings,
            }
        )  # fmt: skip

    return go


def test_digits(run):
    found = run({"trainer.max_epochs": 1, "logger": "csv"})
    with restored_run(found.folder, recorded_config(found.folder), "best.ckpt") as parts:
        source, indices = parts.data.opened_test(), parts.data.test_indices
        expected, raw = outputs(parts, source, indices), source.read(indices.tolist())
    model = encore.load(found.folder)
    predicted = model.predict(raw.numpy())
    assert torch.equal(torch.from_numpy(predicted.outputs), expected)
    right = (predicted.values == source.targets[indices].numpy()).mean()
    assert right == pytest.approx(found.metrics["test/accuracy"])
    assert predicted.labels == [str(number) for number in predicted.values]
    assert model.predict(raw[0]).labels == predicted.labels[:1]
    assert "train/loss" in model.metrics.columns
    assert model.data.sizes["test"] == len(raw)
    assert model.config["model"]["name"] == "mlp"
    with pytest.raises(InputError, match="reads arrays"):
        model.predict(raw[:, :, :4])
    with pytest.raises(ConfigError, match="device=xyz"):
        encore.load(found.folder, device="xyz")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("task", KINDS)
def test_no_data_are_needed(trained, tmp_path, task):
    names = {"classification": ["cat", "dog", "hen"], "binary": ["no", "yes"]}.get(task)
    settings = {"data.normalize_targets": "standardize"} if task == "regression" else {}
    if task == "classification":
        settings = {"data.keep": {1: 0.5}}  # a key that is a number
    found = trained(task, **settings, **({"data.classes": names} if names else {}))
    with restored_run(found.folder, recorded_config(found.folder), "best.ckpt") as parts:
        source, indices = parts.data.opened_test(), parts.data.test_indices
        expected, raw = outputs(parts, source, indices), source.read(indices.tolist())
        in_units = parts.task.prediction(expected)
    (tmp_path / "some.npz").unlink()
    model = encore.load(str(found.folder))
    predicted = model.predict(raw)
    assert torch.equal(torch.from_numpy(predicted.outputs), expected)
    assert model.classes == names
    if task == "regression":
        assert predicted.probabilities is None
        np.testing.assert_array_equal(predicted.values, in_units.numpy())
        assert abs(predicted.values.mean() - 5) < 3
    elif task == "multilabel":
        assert predicted.labels[0] == [str(place) for place in range(3) if predicted.probabilities[0, place] > 0.5]
    else:
        assert set(predicted.labels) <= set(names)
        assert [row[0][0] for row in predicted.top(2)] == predicted.labels
    with pytest.raises(InputError):
        _ = model.data


@pytest.mark.slow
def test_a_run_from_before_its_inputs_were_recorded(trained):
    """An earlier version's manifest has none."""
    found = trained("regression", **{"data.normalize_targets": "standardize"})
    raw = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)
    expected = encore.load(found.folder).predict(raw)
    file = found.folder / "manifest.json"
    held = json.loads(file.read_text())
    del held["inputs"]
    file.write_text(json.dumps(held))
    seal.write(found.folder)
    assert np.array_equal(encore.load(found.folder).predict(raw).values, expected.values)


@pytest.mark.slow
def test_names_of_classes_are_one_for_each_and_make_no_other_run(trained):
    found = trained("classification")
    named = trained("classification", **{"data.classes": ["cat", "dog", "hen"]})
    assert named.folder == found.folder
    for names, problem in ((["cat"], "1 names, and data.num_classes=3"), (["a", "b", "a"], "a name twice: a")):
        with pytest.raises(ConfigError, match=problem):
            trained("classification", **{"data.classes": names})


def test_loading_leaves_the_generators_alone_and_runs_no_stranger_s_code(trained):
    found = trained("classification")
    before = torch.get_rng_state()
    encore.load(found.folder)
    assert torch.equal(torch.get_rng_state(), before)
    file = found.folder / "config.yaml"
    file.write_text(file.read_text().replace("encore.models.mlp.MLP", "os.system"))
    seal.write(found.folder)
    with pytest.raises(InputError, match="which a recorded config may not name"):
        encore.load(found.folder)
    with pytest.raises(InputError, match="there is no run folder"):
        encore.load(found.folder / "nothing")


def test_an_altered_run_is_not_loaded(trained):
    found = trained("classification")
    file = Path(found.folder, "manifest.json")
    file.write_text(file.read_text().replace('"uint8"', '"int64"'))
    with pytest.raises(InputError, match=r"manifest.json was changed"):
        encore.load(found.folder)
