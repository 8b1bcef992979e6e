"""`data.prepare` learns from the training examples alone, and changes every example in the same way."""

import inspect
import signal

import numpy as np
import pytest
import torch
from endings import assert_same
from own import batches, opened, same
from processes import end_run
from test_resume import OFTEN, folder_in

from encore.data.named.ragged import Ragged, ends
from encore.data.prepare import fitted
from encore.data.sources import ArraySource
from encore.errors import ConfigError
from encore.record.inputs import PREPARATION
from encore.record.own_files import entries, is_own


class Centred:
    """Subtracts the mean of the training examples."""

    def __init__(self, array="inputs.x"):
        self.array, self.seen = array, None

    def fit(self, arrays):
        self.seen = dict(arrays)
        self.mean = arrays[self.array].mean(0)

    def transform(self, arrays):
        return {**arrays, self.array: arrays[self.array] - self.mean}


class Longer:
    """Puts the number of training sequences before every sequence."""

    def fit(self, arrays):
        self.number = len(arrays["inputs.tokens"])

    def transform(self, arrays):
        held = arrays["inputs.tokens"]
        parts = [[self.number, *row.tolist()] for row in held.values.split(held.lengths.tolist())]
        lengths = torch.tensor([len(part) for part in parts])
        return {**arrays, "inputs.tokens": Ragged(torch.tensor([one for part in parts for one in part]), ends(lengths))}


class Wrong:
    def __init__(self, how):
        self.how = how

    def fit(self, arrays):
        pass

    def transform(self, arrays):
        x = arrays["inputs.x"]
        made = {"fewer": x[1:], "sequences": Ragged(x, ends(torch.ones(len(x), dtype=torch.long)))}
        return {"inputs.y": x} if self.how == "names" else {**arrays, "inputs.x": made[self.how]}


class Unfitted:
    pass


@pytest.fixture
def vectors(tmp_path):
    x = np.random.default_rng(0).normal(3, 1, (60, 2)).astype(np.float32)
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(60) % 2, label=np.arange(60) % 2)
    return x


def settings(tmp_path, target, **more):
    own = {"data": "arrays", "path": str(tmp_path / "own.npz"), "inputs": "x", "targets": "y", "num_classes": 2}
    return {**own, "batch_size": 8, "normalize": "none", "prepare": {"_target_": f"{__name__}.{target}", **more}}


def test_it_is_fitted_to_the_training_examples_and_applied_to_all(tmp_path, vectors):
    data = opened(tmp_path, **{"data.val_fraction": 0.2}, **prefixed(settings(tmp_path, "Centred")))
    train = data.split.train
    assert set(data.preparation.seen) == {"inputs.x", "targets.y"}
    assert torch.equal(data.preparation.seen["inputs.x"], torch.from_numpy(vectors)[train])
    centred = torch.from_numpy(vectors) - torch.from_numpy(vectors)[train].mean(0)
    assert torch.equal(data.source.columns["inputs.x"], centred)
    inputs = torch.cat([inputs for inputs, _ in batches(data)])
    assert torch.allclose(inputs.mean(0), torch.zeros(2), atol=1e-6)


def test_a_test_set_of_its_own_is_changed_as_the_training_set_was(tmp_path, vectors):
    np.savez(tmp_path / "test.npz", x=vectors[:10] + 100, y=np.arange(10) % 2)
    test = {"_target_": "encore.data.readers.archive.archive", "path": str(tmp_path / "test.npz")}
    data = opened(tmp_path, **prefixed(settings(tmp_path, "Centred")), **{"data.test": test})
    expected = torch.from_numpy(vectors[:10] + 100) - data.preparation.mean
    assert torch.equal(data.test_source.columns["inputs.x"], expected)
    data.close_test()
    assert torch.equal(data.opened_test().columns["inputs.x"], expected)


def test_sequences_may_change_their_lengths_and_are_batched_by_the_new_ones(tmp_path):
    np.savez(tmp_path / "own.npz", tokens=np.arange(100), begins=np.arange(0, 100, 5), label=np.arange(20) % 2)
    own = settings(tmp_path, "Longer") | {
        "inputs": {"tokens": {"offsets": "begins", "ragged": "pad"}}, "targets": "label", "bucket": "tokens",
    }  # fmt: skip
    data = opened(tmp_path, **prefixed(own))
    assert data.lengths.tolist() == [6] * 20
    (inputs, _), *_ = batches(data)
    assert inputs["tokens"].shape == (8, 6)
    assert set(inputs["tokens"][:, 0].tolist()) == {len(data.split.train)}


def test_batches_are_the_same_in_every_run(tmp_path, vectors):
    one, other = (batches(opened(tmp_path, **prefixed(settings(tmp_path, "Centred")))) for _ in range(2))
    assert same(one, other)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("names", r"makes inputs\.y of inputs\.x, targets\.y: keep the names"),
        ("fewer", "makes a tensor of 59 examples of inputs.x, which is a tensor of 60 examples"),
        ("sequences", "makes sequences of 60 examples of inputs.x, which is a tensor"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, vectors, how, message):
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path, **prefixed(settings(tmp_path, "Wrong", how=how)))


def test_what_cannot_be_fitted_is_refused(tmp_path, vectors):
    with pytest.raises(ConfigError, match="Unfitted has no fit and no transform"):
        opened(tmp_path, **prefixed(settings(tmp_path, "Unfitted")))


def test_examples_that_are_not_arrays_in_memory_are_refused():
    source = ArraySource(torch.zeros(4, 1), torch.zeros(4, dtype=torch.long))
    with pytest.raises(ConfigError, match=r"data\.prepare is for arrays in memory"):
        fitted({"_target_": f"{__name__}.Centred"}, source, torch.arange(4))


def test_its_code_and_settings_are_part_of_the_run(run, tmp_path, vectors):
    words = {f"data.{name}": value for name, value in settings(tmp_path, "Centred").items() if name != "data"}
    words |= {"data": "arrays", "data.shape": [2], "model": "softmax", "debug": "fast"}
    first = run(words)
    assert first.status == "finished"
    assert first.undeclared == {}
    assert (first.folder / PREPARATION).is_file()
    assert [path for path, file in entries(first.folder) if file.is_file() and not is_own(path)] == []
    other = run(words | {"data.prepare": None})
    assert other.fingerprint != first.fingerprint
    assert other.weights_sha256 != first.weights_sha256


@pytest.mark.slow
def test_a_run_killed_in_the_middle_prepares_its_data_again_and_ends_in_the_same_bits(tmp_path, vectors, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "centring.py").write_text(inspect.getsource(Centred))
    own = settings(tmp_path, "Centred") | {"prepare": {"_target_": "centring.Centred"}, "shape": [2]}
    words = {**prefixed(own), **OFTEN, "model": "softmax", "trainer.max_epochs": 3, "trainer.log_every_n_steps": 1}
    lines = {"_target_": "foreign.Lines", "file": str(tmp_path / "lines")}
    runs, reference = {"runs_dir": str(tmp_path / "runs")}, {"runs_dir": str(tmp_path / "reference")}
    end_run({**words, **reference, "+logger.lines": lines})
    calls = len([line for line in (tmp_path / "lines").read_text().splitlines() if "metrics" in line])
    end_run({**words, **runs, "+logger.lines": {**lines, "die_at": calls // 2}}, -signal.SIGKILL)
    end_run({**words, **runs})
    folder = folder_in(tmp_path / "runs")
    assert "where it was stopped" in (folder / "train.log").read_text()
    assert_same(folder, folder_in(tmp_path / "reference"))


def prefixed(own):
    """Settings as `recipe` takes them."""
    return {name if name == "data" else f"data.{name}": value for name, value in own.items()}


def test_errors_of_it_are_told_with_the_setting(tmp_path, vectors):
    with pytest.raises(ConfigError, match=r"data\.prepare has no setting arrray"):
        opened(tmp_path, **prefixed(settings(tmp_path, "Centred", arrray="x")))
