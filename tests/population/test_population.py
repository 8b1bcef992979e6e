"""Runs that train together: each is as if it ran alone, and depends on nothing of the others but their number."""

import json
import os
import signal

import numpy as np
import pytest

from encore.callbacks.losses import read
from encore.config.compose import config_from
from encore.errors import ConfigError, Diverged
from encore.files import digest
from encore.models.linear import Linear
from encore.population import batches
from encore.population.population import Population
from encore.record.checkpoint_files import best
from encore.record.logged_values import log_of
from encore.record.result import Result
from encore.runner.execute import execute
from encore.runner.training import evaluate

FEW = {"data.fraction": 0.3, "trainer.max_epochs": 3, "callbacks.checkpoint.min_seconds_between": 1000}
CASES = {
    "adam": {},
    "sgd": {"optim": "sgd"},
    "momentum": {"optim": "momentum"},
    "nesterov": {"optim": "nesterov"},
    "adamw": {"optim": "adamw", "optim.exclude_bias_and_norm": True},
    "rmsprop": {"optim": "rmsprop"},
    "adagrad": {"optim": "adagrad"},
    "adadelta": {"optim": "adadelta"},
    "factors": {"optim": "momentum", "+optim.lr_factors": {"layers.0": 0.1}},
    "dropout": {"model.dropout": 0.5, "model.widths": [32, 16]},
    "weight noise": {"task.weight_noise": 0.05},
    "noise": {"augment": "noise"},
    "mixup": {"augment": "mixup"},
    "clipped": {"trainer.gradient_clip_val": 0.5},
    "layer norm": {"model.norm": "layer", "model.activation": "Tanh", "model.widths": [13]},
    "penalty": {"task.penalty.weight": 1e-3},
    "balanced": {"task.class_weights": "balanced", "task.label_smoothing": 0.1},
    "cosine": {"optim": "momentum", "scheduler": "cosine"},
    "plateau": {"optim": "sgd", "scheduler": "plateau"},
    "one cycle": {"scheduler": "one_cycle"},
    "ragged batches": {"data.batch_size": 50},
    "softmax": {"model": "softmax", "optim": "sgd"},
    "gates": {"experiment": "xor_2_layers", "data.fraction": 1.0},
    "regression": {"experiment": "exam_scores", "task.init_seed": None, "data.fraction": 1.0},
    "several metrics": {"+task.metrics.f1": {
        "_target_": "torchmetrics.classification.MulticlassF1Score", "num_classes": 10, "validate_args": False}},
}  # fmt: skip
QUICK = {"dropout", "gates", "penalty"}


def config(tmp_path, place, **settings):
    given = {"threads": 1, "trainer.accelerator": "cpu", **FEW, **settings, "runs_dir": str(tmp_path / place)}
    return config_from(given)


def together(configs):
    """Run configs as one population; returns what each gave, or raised."""
    population, found = Population(len(configs)), {}

    def start(number):
        cfg = {**configs[number], "population": len(configs)}
        try:
            found[number] = execute(cfg, lambda: [population.companion()], silent=True)
        except Exception as problem:
            found[number] = problem

    population.starts = [lambda number=number: start(number) for number in range(len(configs))]
    population.train()
    return [found[number] for number in range(len(configs))]


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in CASES])
def test_a_member_follows_its_run_alone_and_depends_on_no_other(tmp_path, name):
    settings = CASES[name]
    members = together([config(tmp_path, "together", seed=seed, **settings) for seed in range(3)])
    alone = execute(config(tmp_path, "alone", seed=2, **settings), silent=True)
    again = execute({**config(tmp_path, "again", seed=2, **settings), "population": 3}, silent=True)
    member = members[2]
    assert len({each.weights_sha256 for each in members}) == 3

    one, other = read(member.folder), read(alone.folder)
    assert len(one) == len(other) == alone.steps
    epoch = alone.steps // alone.epochs
    assert np.allclose(one[:epoch], other[:epoch], rtol=1e-5, atol=1e-7)
    assert member.metrics.keys() == alone.metrics.keys()
    columns = [log_of(each.folder) for each in (member, alone)]
    assert columns[0].names == columns[1].names
    assert [row[:2] for row in columns[0].rows] == [row[:2] for row in columns[1].rows]
    for mine, theirs in zip(columns[0].rows, columns[1].rows, strict=True):
        assert [bool(cell) for cell in mine[2]] == [bool(cell) for cell in theirs[2]]
    orders = [json.loads((each.folder / "manifest.json").read_text())["order_sha256"] for each in (member, alone)]
    assert orders[0] == orders[1]

    for what in ("weights_sha256", "losses_sha256", "metrics", "best", "epochs", "steps"):
        assert getattr(member, what) == getattr(again, what)
    assert member.fingerprint == again.fingerprint != alone.fingerprint


@pytest.mark.slow
def test_folds_of_unequal_size_and_rates_train_together(tmp_path):
    settings = {"data.folds": 3, "data.batch_size": 32, "data.fraction": 0.21}
    several = [{"data.fold": 0}, {"data.fold": 1, "optim.lr": 0.01}, {"data.fold": 2, "optim.weight_decay": 0.1}]
    members = together([config(tmp_path, "together", **settings, **each) for each in several])
    for member, each in zip(members, several, strict=True):
        alone = execute(config(tmp_path, "alone", **settings, **each), silent=True)
        assert np.allclose(read(member.folder), read(alone.folder), rtol=1e-3)
        assert member.best["epoch"] == alone.best["epoch"]


def test_one_that_diverges_or_stops_early_ends_alone(tmp_path):
    stopping = {"callbacks": ["early_stopping"], "callbacks.early_stopping.patience": 1, "trainer.max_epochs": 12}
    settings = {**stopping, "optim": "sgd", "data.fraction": 0.2}
    rates = [1e30, 0.5, 0.01]
    ends = together([config(tmp_path, "together", **settings, **{"optim.lr": rate}) for rate in rates])
    assert isinstance(ends[0], Diverged)
    alone = [execute(config(tmp_path, "alone", **settings, **{"optim.lr": rate}), silent=True) for rate in rates[1:]]
    assert [each.epochs for each in ends[1:]] == [each.epochs for each in alone]
    assert len({each.epochs for each in alone}) == 2
    for one, other in zip(ends[1:], alone, strict=True):
        assert one.stopped_early == other.stopped_early
        assert one.metrics["test/loss"] == pytest.approx(other.metrics["test/loss"], rel=1e-3)
    results = [Result.read(file.parent) for file in (tmp_path / "together").rglob("result.json")]
    (diverged,) = [each for each in results if each.status == "diverged"]
    assert diverged.metrics == {}


def test_a_stopped_population_ends_in_the_same_bits(tmp_path, monkeypatch):
    from encore.population.fleet import Fleet

    settings = {"model.dropout": 0.3, "scheduler": "cosine", "trainer.max_epochs": 5}
    whole = together([config(tmp_path, "whole", seed=seed, **settings) for seed in range(2)])
    plain = Fleet.epoch

    def stopping(fleet, members):
        plain(fleet, members)
        if members[0].epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    configs = [config(tmp_path, "stopped", seed=seed, **settings) for seed in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(Fleet, "epoch", stopping)
        ends = together(configs)
    assert [type(each).__name__ for each in ends] == ["Preempted"] * 2
    assert "continues from step" in str(ends[0])
    # One of them goes on alone, and the other then finds it finished.
    first = execute({**configs[0], "population": 2}, silent=True)
    again = together(configs)
    assert again[0].started == first.started
    for one, other in zip(again, whole, strict=True):
        assert (one.weights_sha256, one.losses_sha256, one.metrics) == (
            other.weights_sha256, other.losses_sha256, other.metrics,
        )  # fmt: skip
        assert log_of(one.folder).rows == log_of(other.folder).rows


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model.norm": "batch"}, "BatchNorm1d"),
        ({"optim": "muon"}, "Muon is not stepped number by number"),
        ({"callbacks": ["ema"]}, "callbacks.ema may act on single steps"),
        ({"trainer.accumulate_grad_batches": 2}, "trainer.accumulate_grad_batches=2"),
        ({"data.resident": False}, "data.resident=false"),
    ],
)
def test_what_cannot_train_together_is_refused_with_the_reason(tmp_path, settings, reason):
    cfg = {**config(tmp_path, "runs", **settings), "population": 2}
    with pytest.raises(ConfigError, match=reason):
        execute(cfg, silent=True)
    assert not list(tmp_path.rglob("result.json"))


class Another(Linear):
    """A net that computes something else where its weights are batched."""

    def forward(self, inputs):
        outputs = super().forward(inputs)
        return outputs if next(self.parameters()).requires_grad else outputs * 2


def test_a_net_that_is_another_one_among_others_does_not_train(tmp_path):
    net = {"model": "softmax", "model._target_": f"{__name__}.Another"}
    found = together([config(tmp_path, "runs", seed=seed, **net) for seed in range(2)])
    assert [type(each) for each in found] == [ConfigError, ConfigError]
    assert "the first loss is" in str(found[0])
    assert "runs it alone" in str(found[0])


@pytest.mark.slow
def test_many_runs_end_although_each_is_inside_the_one_before(tmp_path):
    """A hundred of them have more calls within each other than Python allows."""
    settings = {"experiment": "xor_2_layers", "task.init_seed": None, "data.fraction": 1.0, "logger": None}
    results = together([config(tmp_path, "runs", seed=seed, **settings) for seed in range(100)])
    assert [result.status for result in results] == ["finished"] * 100
    assert len({result.weights_sha256 for result in results}) == 100


@pytest.mark.slow
def test_runs_together_give_the_statistics_of_runs_alone(tmp_path):
    from encore.analysis.results.statistics import compare

    settings = {"data.fraction": 0.5, "trainer.max_epochs": 5, "logger": None}
    configs = {seed: config(tmp_path, "runs", seed=seed, **settings) for seed in range(64)}
    alone = {seed: execute(configs[seed], silent=True) for seed in range(32, 64)}
    members = dict(enumerate(together([configs[seed] for seed in range(32)])))
    for metric in ("val/loss", "val/accuracy", "test/loss", "test/accuracy"):
        of_members, of_alone = (
            {seed: result.metrics[metric] for seed, result in results.items()} for results in (members, alone)
        )
        assert compare(of_members, of_alone).p > 0.01, metric


@pytest.mark.parametrize("differing", [{}, {"data.fold": 1}], ids=["of one set", "of one fold each"])
def test_examples_that_all_members_have_are_gathered_at_once_to_the_same_bits(tmp_path, monkeypatch, differing):
    settings = {"data.folds": 3} if differing else {}
    configs = [config(tmp_path, "at once", seed=seed, **settings, **(differing if seed else {})) for seed in range(2)]
    seen, plain = [], batches.common
    monkeypatch.setattr(batches, "common", lambda members: seen.append(plain(members)) or seen[-1])
    found = together(configs)
    assert (seen[0] is None) == bool(differing)
    monkeypatch.setattr(batches, "common", lambda members: None)
    again = together([{**cfg, "runs_dir": str(tmp_path / "one by one")} for cfg in configs])
    assert [each.losses_sha256 for each in found] == [each.losses_sha256 for each in again]
    assert [each.weights_sha256 for each in found] == [each.weights_sha256 for each in again]
    orders = [[json.loads((each.folder / "manifest.json").read_text())["order_sha256"] for each in side]
              for side in (found, again)]  # fmt: skip
    assert orders[0] == orders[1]


def test_the_best_weights_are_those_of_the_best_epoch(tmp_path):
    member = together([config(tmp_path, "runs", seed=seed, **{"optim.lr": 0.3}) for seed in range(2)])[1]
    log = log_of(member.folder)
    values = {}
    for epoch, _, cells in log.rows:
        if cells[log.names.index("val/loss")]:
            values[int(epoch)] = float(cells[log.names.index("val/loss")])
    held = best(member.folder / "checkpoints" / "best.ckpt")
    assert held["epoch"] == min(values, key=values.get)
    assert (digest(held["state_dict"]) == member.weights_sha256) == (held["epoch"] == member.epochs - 1)
    cfg = {**config(tmp_path, "runs", seed=1, **{"optim.lr": 0.3}), "population": 2}
    tested = evaluate(cfg, member.folder / "checkpoints" / "best.ckpt", tmp_path / "scratch")
    assert tested["test/loss"] == pytest.approx(member.metrics["test/loss"])
