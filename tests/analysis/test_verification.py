"""Whoever edits a record and renews all of its digests is told by computing every figure again."""

import argparse
import csv
import json
import shutil

import pytest
import torch

import encore
from encore.analysis import certificate, verification
from encore.analysis.results.run_table import read
from encore.analysis.results.study import report_on
from encore.commands import reproduce
from encore.errors import InputError
from encore.files import digest
from encore.record import seal
from encore.record.checkpoint_files import load, save

SETTINGS = {"trainer.max_epochs": 2, "threads": 1, "trainer.accelerator": "cpu"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, and the same one again."""
    place = tmp_path_factory.mktemp("again")
    return [encore.run({**SETTINGS, "runs_dir": str(place / name)}).folder for name in ("runs", "again")]


@pytest.fixture
def folder(runs, tmp_path):
    there = tmp_path / "run"
    shutil.copytree(runs[0], there)
    return there


def edited(folder, name, *path, value):
    """Put a value into a JSON file; None takes it out."""
    held = json.loads((folder / name).read_text())
    node = held
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    if value is None:
        del node[path[-1]]
    (folder / name).write_text(json.dumps(held))


def in_both(folder, *path, value):
    edited(folder, "result.json", *path, value=value)
    hexed = value.hex() if isinstance(value, float) else value
    edited(folder, "manifest.json", *path, value=hexed)


def other_weights(folder, name):
    state = load(folder / "checkpoints" / name)
    state["state_dict"]["net.layers.2.bias"].zero_()
    save(state, folder / "checkpoints" / name)


def other_optimiser_state(folder):
    state = load(folder / "checkpoints" / "last.ckpt")
    state["optimizer_states"][0]["state"][0]["exp_avg"].zero_()
    save(state, folder / "checkpoints" / "last.ckpt")


def other_cell(folder, column, value):
    with (folder / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row[column] = value if row.get(column) else row.get(column, "")
    if column not in rows[0] or not any(row[column] for row in rows):
        rows[0][column] = value
    with (folder / "metrics.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def other_events(folder):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        writer.add_scalar("val/accuracy", 0.99, 40)


# What a forger edits before renewing the seal, and what is said of it.
FORGED = {
    "a metric": (lambda f: in_both(f, "metrics", "test/accuracy", value=0.99), "test/accuracy 0.99 against 0.8"),
    "a metric of the result": (
        lambda f: edited(f, "result.json", "metrics", "test/accuracy", value=0.99),
        "result.json metrics.test/accuracy 0.99",
    ),
    "a metric more": (lambda f: in_both(f, "metrics", "test/f1", value=0.99), "test/f1 0.99 against nothing"),
    "a metric less": (lambda f: in_both(f, "metrics", "test/loss", value=None), "test/loss nothing against"),
    "no metrics": (lambda f: edited(f, "manifest.json", "metrics", value={}), "train/loss nothing against"),
    "the best value": (
        lambda f: edited(f, "result.json", "monitored", value=0.001),
        "result.json monitored 0.001 against",
    ),
    "the best epoch": (lambda f: edited(f, "result.json", "best", "epoch", value=0), "best.epoch 0 against 1"),
    "the seed": (lambda f: edited(f, "result.json", "seed", value=5), "result.json seed 5 against 0"),
    "the seeds": (lambda f: edited(f, "manifest.json", "seeds", value={"seed": 5}), "manifest.json seeds"),
    "the name": (lambda f: edited(f, "result.json", "name", value="digests-cnn"), "result.json name digests-cnn"),
    "epochs": (lambda f: in_both(f, "epochs", value=9), "9 epochs against 2"),
    "epochs of the result": (lambda f: edited(f, "result.json", "epochs", value=9), "result.json epochs 9 against 2"),
    "steps": (lambda f: in_both(f, "steps", value=9), "9 steps against 40"),
    "early stopping": (lambda f: edited(f, "result.json", "stopped_early", value=True), "stopped_early True"),
    "undeclared code": (lambda f: edited(f, "result.json", "undeclared", value={"m": "0"}), "undeclared.m 0"),
    "the lineage": (lambda f: edited(f, "result.json", "lineage", value="0"), "result.json lineage 0 against"),
    "the fingerprint": (lambda f: in_both(f, "fingerprint", value="0" * 64), "fingerprint 0000"),
    "weights": (lambda f: in_both(f, "weights_sha256", value="0" * 64), "weights_sha256 differs"),
    "weights of the result": (lambda f: edited(f, "result.json", "weights_sha256", value="0"), "is not the manifest's"),
    "losses": (lambda f: in_both(f, "losses_sha256", value="0" * 64), "losses_sha256 is of other losses"),
    "losses of the result": (lambda f: edited(f, "result.json", "losses_sha256", value="0"), "is not the manifest's"),
    "the optimiser": (
        lambda f: edited(f, "manifest.json", "config", "optim", "name", value="sgd"),
        "config optim.name sgd against adam",
    ),
    "precision": (lambda f: edited(f, "manifest.json", "precision", value="64-true"), "precision 64-true against 32"),
    "device": (lambda f: edited(f, "manifest.json", "device", value="cuda"), "device cuda against cpu"),
    "world size": (lambda f: edited(f, "manifest.json", "world_size", value=8), "world_size 8 against 1"),
    "sizes": (lambda f: edited(f, "manifest.json", "data", "sizes", "test", value=9), "data.sizes"),
    "split": (lambda f: edited(f, "manifest.json", "data", "split_sha256", value="0"), "split of the data differ"),
    "the order": (lambda f: edited(f, "manifest.json", "order_sha256", value="0"), "batch order differs"),
    "a key less": (lambda f: edited(f, "manifest.json", "precision", value=None), "precision nothing against 32-true"),
    "best weights": (lambda f: other_weights(f, "best.ckpt"), "checkpoints/best.ckpt state_dict.net.layers.2.bias"),
    "last weights": (lambda f: other_weights(f, "last.ckpt"), "checkpoints/last.ckpt state_dict.net.layers.2.bias"),
    "optimiser's state": (other_optimiser_state, "checkpoints/last.ckpt optimizer_states.0.state.0.exp_avg differs"),
    "a cell": (lambda f: other_cell(f, "val/accuracy", "0.99"), "metrics.csv val/accuracy at epoch 0, step 19 0.99"),
    "a column": (lambda f: other_cell(f, "test/f1", "0.99"), "metrics.csv test/f1 at epoch 0, step 0 0.99"),
    "a curve": (other_events, "events val/accuracy at step 40 0.99"),
}


@pytest.mark.sampled(12)
@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_figure_is_told_by_computing_it(runs, folder, forged):
    edit, said = FORGED[forged]
    edit(folder)
    seal.write(folder)
    wanted = argparse.Namespace(run=folder, tolerance=1e-9)
    verdict, code = reproduce.compare(wanted, reproduce.Findings(again=runs[1]))
    assert (code, verdict.startswith("NOT REPRODUCED: ")) == (4, True)
    assert said in verdict


def test_all_that_a_record_shows_is_compared_and_certified(runs, tmp_path):
    found = verification.compare(*runs)
    assert (found.same, found.words) == (True, "batch order identical")
    names = {each.name for each in found.figures}
    held = json.loads((runs[0] / "result.json").read_text())
    assert {f"result.json metrics.{name}" for name in held["metrics"]} <= names
    assert {f"result.json {name}" for name in held} - names <= {
        f"result.json {name}" for name in ("metrics", "best", "undeclared", "started", "seconds")
    }
    file = tmp_path / "certificate.json"
    certificate.write(file, f"REPRODUCED bit for bit: {found.counts}", 0, *runs, found)
    kept = certificate.read(file)
    assert kept.keys() == certificate.KEYS.keys()
    assert len(kept["figures"]) == len(found.figures) > 100
    assert kept["run"]["sha256"]["record.sha256"] != kept["again"]["sha256"]["record.sha256"]
    for change, said in (
        (lambda kept: kept["figures"][0].update(computed="0"), "calls figures equal that are not"),
        (lambda kept: kept.update(figures=[]), "its figures do not"),
        (lambda kept: kept.pop("machine"), "machine is missing"),
        (lambda kept: kept.update(certificate=2), "no certificate of schema 1"),
    ):
        changed = json.loads(json.dumps(kept))
        change(changed)
        file.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=said):
            certificate.read(file)


def test_without_metrics_nothing_is_reproduced(runs, folder, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(runs[1], again)
    for each in (folder, again):
        edited(each, "manifest.json", "metrics", value={})
        seal.write(each)
    with pytest.raises(InputError, match="has no metrics"):
        verification.compare(folder, again)


def test_copies_with_other_seeds_are_no_repetitions(runs, tmp_path):
    for seed in range(1, 5):
        copy = tmp_path / f"copy{seed}"
        shutil.copytree(runs[0], copy)
        edited(copy, "result.json", "seed", value=seed)
        edited(copy, "manifest.json", "config", "seed", value=seed)
        seal.write(copy)
    _, left_out = read([tmp_path / "copy1"])
    assert left_out == [f"{tmp_path / 'copy1'}: its fingerprint is not of the config and the code in manifest.json"]
    for seed in range(1, 5):  # by somebody who knows what a fingerprint is of
        from encore.provenance import fingerprint

        copy = tmp_path / f"copy{seed}"
        held = json.loads((copy / "manifest.json").read_text())
        essential = fingerprint.computing(held["config"])
        whole = {"config": essential, "code": held["code"]["digests"], "packages": held["code"]["packages"]}
        edited(copy, "manifest.json", "config_sha256", value=fingerprint.hash_of(essential))
        in_both(copy, "fingerprint", value=fingerprint.hash_of(whole))
        seal.write(copy)
    report = report_on([runs[0], tmp_path], "test/accuracy")
    (group,) = report.groups
    assert len(group.found) == 1
    assert sum("has the same weights and losses as" in each for each in report.lost) == 4


def test_weights_that_differ_in_their_last_digits_are_within_a_tolerance(runs, folder):
    last = folder / "checkpoints" / "last.ckpt"
    state = load(last)
    weight = state["state_dict"]["net.layers.0.weight"]
    weight[0, 0] = weight[0, 0].nextafter(torch.tensor(10.0))
    save(state, last)
    edited(folder, "manifest.json", "weights", "net.layers.0.weight", value=digest({"net.layers.0.weight": weight}))
    in_both(folder, "weights_sha256", value=digest(state["state_dict"]))
    seal.write(folder)
    found = verification.compare(folder, runs[1])
    assert not found.same
    assert found.relative < 1e-6
