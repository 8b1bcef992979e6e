"""Runs that start from other weights: what is loaded, trained, recorded and refused."""

import json
import re
import shutil

import pytest
import torch
from endings import asked_to_stop, assert_same

import encore
from encore.config.compose import config_from
from encore.errors import ConfigError, InputError, Preempted
from encore.models.saved import read
from encore.provenance.fingerprint import essential, fingerprint
from encore.record.checkpoint_files import weights

SMALL = {"model": "cnn", "model.channels": [4, 8], "model.depth": 1, "model.dropout": 0.2, "data.fraction": 0.2}
SOURCE = {**SMALL, "trainer.max_epochs": 1, "optim.lr": 0.01}
FROZEN = {"fine_tune.new": "head", "fine_tune.trained": 1}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    settings = {**SOURCE, "runs_dir": str(tmp_path_factory.mktemp("sources")), "threads": 1}
    return encore.run({**settings, "trainer.accelerator": "cpu"}).folder


@pytest.fixture
def source(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "sources" / finished.name)


def net_of(folder, name="last.ckpt"):
    return {key.removeprefix("net."): value for key, value in weights(folder / "checkpoints" / name).items()}


def test_a_frozen_body_keeps_its_weights_and_statistics_and_a_new_head_learns(run, source):
    result = run({**SMALL, **FROZEN, "init_from": str(source)})
    before, after = net_of(source, "best.ckpt"), net_of(result.folder)
    changed = {name.rpartition(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"classifier.1"}
    said = (result.folder / "train.log").read_text()
    assert re.search(r"weights  .*12 of 14 tensors loaded; new: classifier.1; frozen: features.0 to features.5", said)
    held = json.loads((result.folder / "manifest.json").read_text())["init_from"]
    assert (len(held["loaded"]), held["new"]) == (12, ["classifier.1.weight", "classifier.1.bias"])


def test_all_of_it_trains_from_where_the_source_ended(run, source):
    result = run({**SMALL, "init_from": str(source), "optim.lr": 1e-9, "trainer.max_epochs": 1})
    before, after = net_of(source, "best.ckpt"), net_of(result.folder)
    learned = [name for name in before if name.endswith(("weight", "bias"))]
    assert all(torch.allclose(after[name], before[name], atol=1e-6) for name in learned)


def test_the_same_weights_are_the_same_run_wherever_they_lie(run, source, tmp_path):
    marks = set()
    again = run({**SOURCE, "runs_dir": str(tmp_path / "again")}).folder
    torch.save(read(again / "checkpoints" / "best.ckpt"), tmp_path / "w.ckpt")
    for place in (source, again, again / "checkpoints" / "best.ckpt", str(again)[:-4]):
        marks.add(fingerprint(config_from({**SMALL, "init_from": str(place)})))
    assert len(marks) == 1
    for other in (tmp_path / "w.ckpt", again / "checkpoints" / "last.ckpt"):
        marks.add(fingerprint(config_from({**SMALL, "init_from": str(other)})))
    assert len(marks) == 3


def test_without_it_runs_are_what_they_were():
    assert not {"init_from", "fine_tune"} & essential(config_from({})).keys()
    assert "lr_factors" not in essential(config_from({"+optim.lr_factors": {}}))["optim"]


@pytest.mark.parametrize("kind", ["state_dict", "safetensors"])
def test_a_file_of_weights_will_do(run, source, tmp_path, kind):
    file = tmp_path / ("w.pth" if kind == "state_dict" else "w.safetensors")
    held = {name: value.contiguous() for name, value in net_of(source, "best.ckpt").items()}
    if kind == "state_dict":
        torch.save(held, file)
    else:
        pytest.importorskip("safetensors.torch").save_file(held, file)
    settings = {**SMALL, **FROZEN, "trainer.max_epochs": 1}
    assert (
        run({**settings, "init_from": str(file)}).weights_sha256
        == run({**settings, "init_from": str(source)}).weights_sha256
    )


def test_a_task_without_a_net_is_started_whole(run, tmp_path):
    bare = {
        "data": "lightning", "data._target_": "lightning_docs.LitData", "task": "lightning", "model": "none",
        "task._target_": "lightning_docs.LitModel", "optim": "none", "monitor.metric": "val_loss",
        "trainer.max_epochs": 1, "logger": "none",
    }  # fmt: skip
    first = run({**bare, "runs_dir": str(tmp_path / "sources")}).folder
    second = run({**bare, "init_from": str(first), "seed": 1, "+task.learning_rate": 1e-9})
    before, after = weights(first / "checkpoints/best.ckpt"), weights(second.folder / "checkpoints/last.ckpt")
    assert all(torch.allclose(after[name], value, atol=1e-6) for name, value in before.items())


@pytest.mark.parametrize("factors", [{}, {"+optim.lr_factors": {"features": 0.1}, "fine_tune.trained": "all"}])
def test_a_run_that_is_stopped_ends_in_the_same_bits(run, source, tmp_path, monkeypatch, factors):
    settings = {**SMALL, **FROZEN, **factors, "init_from": str(source), "trainer.max_epochs": 2}
    settings["trainer.log_every_n_steps"] = 2
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, 2):
        with pytest.raises(Preempted):
            run(settings)
        result = run(settings)
    assert_same(result.folder, reference.folder)


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_it_is_reproduced_while_its_source_is_what_it_was(run, source, reproduce, again):
    folder = run({**SMALL, **FROZEN, "init_from": str(source), "trainer.max_epochs": 1}).folder
    if again:
        answer = reproduce(folder)
        assert (answer.returncode, answer.stdout.splitlines()[-1][:10]) == (0, "REPRODUCED"), answer.stdout
    best = source / "checkpoints" / "best.ckpt"
    best.write_bytes(best.read_bytes() + b"\0")
    assert "has changed" in reproduce(folder).stdout
    best.unlink()
    answer = reproduce(folder)
    assert (answer.returncode, "from which the run began" in answer.stdout) == (3, True)


def refused(run, tmp_path, problem, said, **settings):
    with pytest.raises(problem, match=said):
        run({**SMALL, **settings})
    assert not list((tmp_path / "runs").rglob("result.json"))


def altered(source):
    best = source / "checkpoints" / "best.ckpt"
    best.write_bytes(best.read_bytes() + b"\0")
    return source


def unfinished(source):
    for name in ("record.sha256", "manifest.json"):
        (source / name).unlink()
    held = json.loads((source / "result.json").read_text())
    held |= {"status": "preempted", "metrics": {}, "weights_sha256": None}
    (source / "result.json").write_text(json.dumps(held))
    return source


def without_best(source):
    (source / "checkpoints" / "best.ckpt").unlink()
    return source


def two(source):
    shutil.copytree(source, source.with_name(source.name + "-2"))
    return str(source)[:-3]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (altered, "best.ckpt was changed since the run was over"),
        (unfinished, "is preempted, not finished"),
        (without_best, "has no checkpoints/best.ckpt"),
        (two, "is the beginning of 2 runs"),
        (lambda source: source.parent, "is no file and no run's folder"),
        (lambda source: source.parent / "nothing", "is not there: name a run"),
        (lambda source: source / "metrics.csv", "(?s)metrics.csv cannot be read"),
    ],
    ids=["altered", "unfinished", "no best", "two", "a folder of runs", "missing", "no weights"],
)
def test_a_source_that_cannot_be_used_is_refused_and_nothing_is_left(run, source, tmp_path, place, said):
    refused(run, tmp_path, InputError, said, init_from=str(place(source)))


def test_a_source_of_another_shape_is_refused_and_what_fits_is_named(run, source, tmp_path):
    said = r"8 of the net's 14 tensors fit \(features.0.weight, .*\[8, 4, 3, 3\], not \[9, 4, 3, 3\]"
    refused(run, tmp_path, InputError, said, init_from=str(source), **{"model.channels": [4, 9]})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fine_tune.trained": 1}, "has no effect without init_from"),
        ({"fine_tune.trained": 0}, "fine_tune.trained=0"),
        ({"fine_tune.new": "haed"}, "fine_tune.new=haed"),
        ({"fine_tune": None}, "fine_tune=null: must be settings by name"),
        ({"+fine_tune.layers": 1}, "there is no setting fine_tune.layers"),
        ({"+optim.lr_factors": {"features": 0}}, "optim.lr_factors"),
        ({"+optim.lr_factors": {"features": 0.1}, "scheduler": "one_cycle"}, "no effect with scheduler=one_cycle"),
        ({"+optim.lr_factors": {"body": 0.1}}, "the model trains nothing in 'body'"),
    ],
)
def test_settings_that_cannot_be_are_refused(run, tmp_path, settings, said):
    refused(run, tmp_path, ConfigError, said, **settings)


def test_more_layers_than_there_are_cannot_be_trained(run, source, tmp_path):
    refused(run, tmp_path, ConfigError, "the net has 3 layers", init_from=str(source), **{"fine_tune.trained": 4})


def test_each_module_has_its_learning_rate(run):
    held = run({**SMALL, "optim": "sgd", "+optim.lr_factors": {"features": 0.1, "features.4": 0.5}}).folder
    (state,) = torch.load(held / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"]
    assert [(len(group["params"]), group["lr"]) for group in state["param_groups"]] == [
        (5, pytest.approx(0.01)),
        (1, pytest.approx(0.05)),
        (2, pytest.approx(0.1)),
    ]
