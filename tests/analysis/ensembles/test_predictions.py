"""What runs predict, and what is refused to be put together."""

import json

import numpy as np
import pytest
import torch

from encore.analysis.ensembles.ensemble import log_losses
from encore.analysis.ensembles.folds import out_of_fold
from encore.analysis.ensembles.predictions import difference, predict, predict_all, same_examples
from encore.analysis.ensembles.together import ensemble
from encore.analysis.ensembles.trade_off import trade_off
from encore.analysis.results.finished import finished
from encore.config.compose import config_from
from encore.data.module import DataModule
from encore.errors import ConfigError, InputError
from encore.record import seal

SHORT = {"trainer.max_epochs": 1, "data.fraction": 0.2, "logger": "none"}


@pytest.mark.parametrize(
    "settings",
    [
        {"data.bootstrap": 1, "data.folds": 3, "model.norm": "batch", "model.dropout": 0.5},
        {"trainer.precision": "bf16-mixed"},
        {"trainer.precision": "bf16-true"},
        {"trainer.precision": "64-true", "model": "cnn"},
    ],
    ids=["mlp", "bf16", "bf16-true", "double"],
)
def test_predictions_have_the_recorded_accuracy_and_loss(run, settings):
    result = run({**SHORT, **settings, "trainer.max_epochs": 2})
    for split in ("test", "val"):
        found = predict(result.folder, split)
        right = found.probabilities.argmax(1) == found.targets
        assert found.probabilities.sum(1) == pytest.approx(np.ones(len(right)))
        if split == "test" or result.best["epoch"] == 1:  # what is recorded of validation is the last epoch's
            assert float(np.float32(right.mean())) == pytest.approx(result.metrics[f"{split}/accuracy"], abs=1e-7)
            loss = log_losses(found.probabilities, found.targets).mean()
            assert loss == pytest.approx(result.metrics[f"{split}/loss"], rel=1e-2 if "bf16" in str(settings) else 1e-5)


def test_predictions_name_their_examples(run):
    settings = {**SHORT, "data.bootstrap": 2}
    folder = run(settings).folder
    data = DataModule(config_from(settings)["data"], "", 0)
    data.setup()
    for split, indices in (("test", data.split.test), ("val", data.split.val), ("train", data.pool)):
        found = predict(folder, split)
        assert found.indices.tolist() == indices.tolist()
        assert found.targets.tolist() == data.source.targets[indices].tolist()


def test_an_official_test_set_is_predicted(run, mnist_files):
    data = {"data": "mnist", "data.sha256": None, "data_dir": str(mnist_files("MNIST"))}
    folder = run({**data, "trainer.max_epochs": 1}).folder
    assert predict(folder).indices.tolist() == list(range(100))
    assert predict(folder).examples_sha256 != predict(folder, "val").examples_sha256


def test_a_config_that_names_what_could_run_any_code_is_refused(run):
    folder = run(SHORT).folder
    file = folder / "config.yaml"
    file.write_text(file.read_text().replace("_target_: torch.optim.Adam", "_target_: os.system"))
    seal.write(folder)
    with pytest.raises(InputError, match="may not name"):
        predict(folder)


def test_a_run_without_such_a_set_is_told(run):
    folder = run({**SHORT, "data.val_fraction": 0.0}).folder
    with pytest.raises(InputError, match="has no val set"):
        predict(folder, "val")


def test_an_ensemble_is_of_finished_runs_of_the_same_test_examples(run, tmp_path):
    for number in range(2):
        run({**SHORT, "data.bootstrap": number})
    stopped = run({**SHORT, "seed": 5})
    result = stopped.folder / "result.json"
    ended = {"status": "preempted", "error": "stopped\nadvice", "metrics": {}, "weights_sha256": None}
    result.write_text(json.dumps({**json.loads(result.read_text()), **ended}))
    table, left_out = finished([tmp_path / "runs", tmp_path / "nowhere"])
    assert len(table.runs) == 2
    assert left_out == [f"{stopped.folder} is preempted: stopped", left_out[1]]
    assert "nowhere" in left_out[1]
    findings = ensemble(table, left_out, "votes")
    assert findings.arrays["members"].shape == (2, 360, 10)
    assert set(np.unique(findings.arrays["votes"])) == {0, 0.5, 1}
    run({**SHORT, "data.split_seed": 1, "data.batch_size": 32})
    table, _ = finished([tmp_path / "runs"])
    table, found = predict_all(table, [])
    with pytest.raises(InputError, match=r"predicts other examples than .*: data\.split_seed=. against .\n"):
        same_examples(table, found)
    assert "batch_size" not in "".join(difference(table, number) for number in range(3))


def test_too_few_are_refused_and_what_is_left_out_is_listed(run, tmp_path, capsys):
    run(SHORT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="too few: 1 finished run, but at least 2 needed"):
        finished([tmp_path / "runs", tmp_path / "empty"])
    assert "there are no runs below" in capsys.readouterr().err


def test_weights_that_are_not_finite_are_refused(run, tmp_path, monkeypatch):
    for seed in range(2):
        run({**SHORT, "seed": seed})
    plain = torch.Tensor.softmax
    monkeypatch.setattr(torch.Tensor, "softmax", lambda logits, axis: plain(logits * torch.nan, axis))
    with pytest.raises(InputError, match="its weights give no finite probabilities"):
        ensemble(*finished([tmp_path / "runs"]), how="probabilities")


def test_every_example_is_predicted_by_the_run_that_did_not_train_on_it(run, tmp_path):
    folds = {"data.folds": 3, "trainer.max_epochs": 1}
    results = [run({**folds, "data.fold": fold}) for fold in (2, 0)]
    with pytest.raises(InputError, match="fold 1 of 3 is missing"):
        out_of_fold(*finished([tmp_path / "runs"]))
    results.append(run({**folds, "data.fold": 1}))
    findings = out_of_fold(*finished([tmp_path / "runs"]))
    held = findings.arrays
    test = predict(results[0].folder).indices
    assert held["indices"].tolist() == sorted(set(range(1797)) - set(test.tolist()))
    assert np.bincount(held["fold"]).tolist() == [479, 479, 479]
    for fold, result in zip((2, 0, 1), results, strict=True):
        alone = predict(result.folder, "val")
        place = np.isin(held["indices"], alone.indices)
        assert (held["probabilities"][place] == alone.probabilities).all()
        assert set(held["fold"][place]) == {fold}
    right = held["probabilities"].argmax(1) == held["targets"]
    assert findings.rows[-1][:3] == ["all", "1,437", f"{right.mean():.4f}"]
    assert "best weights by val/loss" in findings.notes[-1]
    again = run({**folds, "seed": 1})
    with pytest.raises(InputError, match="there are 2 runs of fold 0") as caught:
        out_of_fold(*finished([tmp_path / "runs"]))
    assert str(again.folder) in str(caught.value)


def test_folds_of_other_settings_are_refused(run, tmp_path):
    for fold in range(2):
        run({**SHORT, "data.folds": 2, "data.fold": fold, "optim.lr": 0.1 + fold})
    with pytest.raises(InputError, match=r"these runs differ in optim\.lr"):
        out_of_fold(*finished([tmp_path / "runs"]))


def test_runs_without_folds_are_told_how_to_make_some(run, tmp_path):
    for seed in range(2):
        run({**SHORT, "seed": seed})
    with pytest.raises(InputError, match=r"have no folds; encore train -m data\.folds=5"):
        out_of_fold(*finished([tmp_path / "runs"]))


def test_only_a_setting_of_the_data_may_change_what_is_predicted(run, tmp_path):
    target = {"data.train._target_": "course.made.mislabelled_digits", "+data.train.seed": 0}
    for share in (0.0, 0.3):
        for number in range(2):
            width = {"model.widths": [4 if share else 8]}
            run({**SHORT, **target, **width, "+data.train.share": share, "data.bootstrap": number})
    table, left_out = finished([tmp_path / "runs"])
    found = trade_off(table, left_out, "data.train.share")
    assert "Each value has test examples, or labels, of its own." in found.notes
    assert found.values[1][2] != found.values[2][2]
    with pytest.raises(InputError, match="predicts other examples"):
        trade_off(table, left_out, "model.widths")


@pytest.mark.slow
def test_bias_and_variance_come_in_the_order_of_the_setting(run, tmp_path):
    for width in (16, 2, 8):
        for number in range(2):
            run({**SHORT, "model.widths": [width], "data.bootstrap": number})
    table, left_out = finished([tmp_path / "runs"])
    rising, falling = (trade_off(table, left_out, "model.widths", falling) for falling in (False, True))
    assert [row[0] for row in rising.rows[1:]] == ["[2]", "[8]", "[16]"]
    assert rising.rows[1:] == falling.rows[:0:-1]
    for _, runs, expected, bias, variance, error, main, net, *_ in rising.values[1:]:
        assert runs == 2
        assert expected == pytest.approx(bias + variance, abs=1e-12)
        assert error == pytest.approx(main + net, abs=1e-12)
    assert rising.notes[0] == "Runs with the same model.widths differ in data.bootstrap."
    run({**SHORT, "model.widths": [99], "data.bootstrap": 0})
    with pytest.raises(InputError, match=r"model\.widths=\[99\] has 1 finished run"):
        trade_off(*finished([tmp_path / "runs"]), "model.widths")
    with pytest.raises(ConfigError, match=r"did you mean model\.widths"):
        trade_off(table, left_out, "model.width")
