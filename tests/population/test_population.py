"""Runs that train together: each is as if it ran alone, and depends on how many they are and on nothing else of them."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from encore.callbacks.losses import read
from encore.config.compose import config_from
from encore.errors import ConfigError, Diverged
from encore.population.population import Population
from encore.record.logged_values import log_of
from encore.record.result import Result
from encore.runner.execute import execute

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
    "factors": {"optim": "momentum", "optim.lr_factors": {"layers.0": 0.1}},
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
    "cnn": {"model": "cnn", "data.fraction": 0.1},
    "gates": {"experiment": "xor_2_layers", "data.fraction": 1.0},
    "regression": {"experiment": "exam_scores", "data.fraction": 1.0},
    "several metrics": {"+task.metrics.f1": {
        "_target_": "torchmetrics.classification.MulticlassF1Score", "num_classes": 10, "validate_args": False}},
}  # fmt: skip
QUICK = {"adam", "dropout", "gates"}


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
    population.go_on()
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
