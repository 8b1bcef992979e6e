"""Runs with test=false: whatever the test set is, they neither see it nor depend on it, and whoever asks is told so."""

import numpy as np
import pytest

from encore.analysis.claims.claim import problems
from encore.config.compose import config_from
from encore.data.module import DataModule
from encore.errors import InputError

SHORT = {"trainer.max_epochs": 1, "logger": "none", "test": False}


@pytest.fixture
def arrays(tmp_path):
    """Write a dataset of npz: `arrays("name", inputs)`; gives the settings that name it."""

    def write(name, inputs):
        np.savez(tmp_path / f"{name}.npz", x=inputs.astype(np.float32), y=np.arange(len(inputs)) % 3)
        return {"data": "npz", "data.path": str(tmp_path / f"{name}.npz"), "data.num_classes": 3, "data.shape": [4]}

    return write


def inputs_of(n):
    return np.random.default_rng(0).normal(size=(n, 4))


def test_a_test_set_that_cannot_even_be_read_hinders_no_run_that_leaves_it_closed(run, arrays, tmp_path):
    (tmp_path / "test.npz").write_bytes(b"not to be looked at")
    test = {"_target_": "encore.data.sources.Npz", "path": str(tmp_path / "test.npz"), "inputs": "x", "targets": "y"}
    settings = {**SHORT, **arrays("train", inputs_of(200)), "data.test": test, "data.test_fraction": 0}
    result = run(settings)
    assert result.status == "finished"
    assert set(result.metrics) == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}
    with pytest.raises(InputError, match="not a NumPy archive"):
        run({**settings, "test": True})


def test_other_test_examples_change_no_bit_of_a_run_that_leaves_them_closed(run, arrays):
    inputs = inputs_of(200)
    settings = {**SHORT, **arrays("one", inputs)}
    data = DataModule(config_from(settings)["data"], "", 0)
    data.setup()
    inputs[data.split.test.numpy()] = 1e6
    first, second = run(settings), run({**settings, **arrays("other", inputs)})
    assert first.fingerprint != second.fingerprint
    for part in ("weights_sha256", "losses_sha256", "metrics"):
        assert getattr(first, part) == getattr(second, part), part


def test_the_same_run_that_reads_its_test_set_has_the_same_bits_and_test_metrics_beside(run):
    closed, tested = run(SHORT), run({**SHORT, "test": True})
    assert (closed.weights_sha256, closed.losses_sha256) == (tested.weights_sha256, tested.losses_sha256)
    assert {name: value for name, value in tested.metrics.items() if not name.startswith("test/")} == closed.metrics
    assert run({**SHORT, "test": True, "+trainer.limit_test_batches": 0}).metrics == closed.metrics


def test_a_closed_test_set_is_not_opened_later(run):
    from encore.analysis.ensembles.predictions import predict

    result = run(SHORT)
    with pytest.raises(InputError, match=r"left its test set closed \(test=false\)"):
        predict(result.folder)
    assert len(predict(result.folder, "val").targets) == 179
    cfg = config_from(SHORT)
    data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"], test=False)
    data.setup()
    assert data.sizes["test"] == 0
    with pytest.raises(InputError, match="stays closed"):
        data.test_dataloader()


@pytest.mark.slow
def test_whoever_asks_is_told_that_there_are_no_test_metrics(run, command, tmp_path):
    from encore.analysis.verification import compare
    from encore.runner.training import evaluate

    folder = run(SHORT).folder
    assert "179 val, test closed" in (folder / "train.log").read_text()
    assert "no test; best.ckpt has the weights of epoch 1" in (folder / "train.log").read_text()
    assert "4 metrics (none of a test set)" in compare(folder, run({**SHORT, "fresh": True}).folder).counts
    with pytest.raises(InputError, match=r"the run left its test set closed \(test=false\)"):
        evaluate(config_from(SHORT), folder / "checkpoints" / "best.ckpt", tmp_path)
    for words, code, said in (
        (["scripts/report.py", "runs"], 3, "has test/accuracy; test=false left the test set closed"),
        (["scripts/draw.py", str(folder), "--what", "mistakes"], 3, "left its test set closed (test=false)"),
        (["scripts/boost.py", "test=false"], 1, "this learner left its test set closed"),
    ):
        answer = command(*words)
        assert answer.returncode == code, answer.stderr
        assert said in answer.stderr


@pytest.mark.parametrize(
    "claim", [{"metric": "test/accuracy", "at_least": 0.5}, {"inputs": "test", "value": 0.0, "atol": 1.0}]
)
def test_a_claim_about_a_closed_test_set_is_refused(claim):
    claims = [{**claim, "source": "x"}]
    assert problems(config_from({"claims": claims})) == []
    said = problems(config_from({"claims": claims, "test": False}))
    (problem,) = said
    assert "left its test set closed (test=false)" in problem
    assert "choose from train" in problem
