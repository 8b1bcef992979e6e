"""Any LightningModule with any LightningDataModule: the same bits again, also when it was killed and resumed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from endings import flat
from processes import begin_run, end_run
from pytorch_lightning.loops.optimization.automatic import _AutomaticOptimization
from pytorch_lightning.trainer.connectors.logger_connector.result import _ResultMetric

from encore.analysis.verification import compare
from encore.callbacks.seeds import Seeds
from encore.errors import ConfigError, Preempted
from encore.record.checkpoint_files import load
from encore.record.result import Result

DATA = {"data": "lightning", "data._target_": "lightning_docs.LitData", "data.batch_size": 16}  # 6 batches an epoch
PLAIN = {
    **DATA, "task": "lightning", "task._target_": "lightning_docs.LitModel", "model": "none", "optim": "none",
    "monitor.metric": "val_loss", "trainer.max_epochs": 3, "trainer.log_every_n_steps": 2,
    "callbacks.checkpoint.every_n_steps": 1, "callbacks.checkpoint.min_seconds_between": 0,
}  # fmt: skip
TASKS = {
    "plain": {"+task.learning_rate": 0.02},
    "workers": {"data.num_workers": 2},
    "logs within steps": {"task._target_": "lightning_docs.Logging"},
    "looks back": {"task._target_": "lightning_docs.LooksBack"},
    "counts": {"task._target_": "lightning_docs.Counting"},
    "accumulates": {"trainer.accumulate_grad_batches": 2},
    "accumulates by hand": {"task._target_": "lightning_docs.Accumulating"},
    "gan": {"task._target_": "lightning_docs.GAN", "monitor.metric": "val_distance"},
    "siamese": {
        "task._target_": "lightning_docs.Siamese",
        "data._target_": "lightning_docs.Pairs",
        "data.batch_size": 64,
    },
}


def ending(folder: Path) -> dict:
    result, last = Result.read(folder), load(folder / "checkpoints" / "last.ckpt")
    kept = ("metrics", "monitored", "best", "weights_sha256", "losses_sha256", "epochs", "steps")
    return {
        **{name: getattr(result, name) for name in kept},
        "metrics.csv": (folder / "metrics.csv").read_text(),
        "optimizers": flat(last["optimizer_states"]),
        "best": flat(load(folder / "checkpoints" / "best.ckpt")["state_dict"]),
    }


def differences(found: dict, expected: dict) -> list[str]:
    return [name for name in expected if found[name] != expected[name]]


@pytest.mark.slow
@pytest.mark.parametrize("settings", TASKS.values(), ids=TASKS.keys())
def test_stopped_anywhere_and_resumed_it_ends_in_the_same_bits(run, tmp_path, monkeypatch, settings):
    settings = {**PLAIN, **settings}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    whole = ending(reference.folder)
    again = run({**settings, "runs_dir": str(tmp_path / "again")})
    assert differences(ending(again.folder), whole) == []
    batches = reference.epochs * (4 if "Pairs" in settings["data._target_"] else 6)
    for batch in (4, batches // 2, batches - 1):
        with asked_to_stop_at(monkeypatch, batch), pytest.raises(Preempted):
            run(settings)
    assert differences(ending(run(settings).folder), whole) == []


@contextmanager
def asked_to_stop_at(monkeypatch, batch):
    """Runs within get SIGTERM after so many batches of all, whatever the task returns for them."""
    plain = Seeds.on_train_batch_start

    def stop(self, trainer, task, given, index):
        plain(self, trainer, task, given, index)
        if trainer.fit_loop.epoch_loop.total_batch_idx == batch - 1:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Seeds, "on_train_batch_start", stop)
        yield


def test_runs_whose_steps_return_no_loss_are_compared_by_all_else(run, tmp_path):
    settings = {**PLAIN, **TASKS["gan"], "trainer.max_epochs": 1}
    one, other = (run({**settings, "runs_dir": str(tmp_path / name)}).folder for name in ("one", "other"))
    found = compare(one, other)
    assert found.same
    assert found.counts.startswith("0 losses, 8 tensors, ")


def test_killed_at_random_moments_it_ends_in_the_same_bits(tmp_path):
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    settings = {**PLAIN, "threads": 1, "trainer.accelerator": "cpu", "trainer.max_epochs": 6}
    end_run({**settings, "runs_dir": str(tmp_path / "reference")}, PYTHONPATH=path)
    code, kills = None, 0
    while code != 0:
        with begin_run({**settings, "runs_dir": str(tmp_path / "runs")}, PYTHONPATH=path) as process:
            if kills < 3:
                deadline = time.monotonic() + 20
                while not list((tmp_path / "runs").rglob("last.ckpt")) and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(0.1 * kills)
                process.kill()
            _, said = process.communicate()
        code = process.returncode
        assert code in (0, -signal.SIGKILL), said
        kills += code != 0
    folders = [next((tmp_path / name).rglob("result.json")).parent for name in ("runs", "reference")]
    assert differences(ending(folders[0]), ending(folders[1])) == []
    assert kills


def test_what_a_task_gives_up_is_said(run):
    said = (run({**PLAIN, "task._target_": "lightning_docs.LooksBack"}).folder / "train.log").read_text()
    assert "LooksBack.on_train_epoch_end may look back over its epoch: checkpoints are written at the ends" in said
    said = (run({**PLAIN, "task._target_": "lightning_docs.Logging"}).folder / "train.log").read_text()
    assert "Logging logs means over the epoch: checkpoints are written at the ends of epochs only" in said


def test_the_header_says_only_what_is_used(run):
    result = run(PLAIN)
    said = (result.folder / "train.log").read_text()
    assert "model    LitModel: 178 parameters" in said
    assert "optim " not in said
    assert "data     lightning: LitData" in said
    assert result.folder.parents[1].name == "lightning-LitModel"


def test_a_metric_that_is_never_logged_is_refused_with_those_that_are(run, tmp_path):
    with pytest.raises(ConfigError, match=r"monitor.metric=val/loss: LitModel does not log it.*val_acc, val_loss"):
        run({**PLAIN, "monitor.metric": "val/loss"})
    assert not list((tmp_path / "runs").iterdir())


def test_a_task_that_fails_at_its_first_batch_leaves_nothing(run, tmp_path):
    with pytest.raises(ConfigError, match=r"the first batch fails .* \(lightning_docs.py, line \d+\)"):
        run({**PLAIN, "data._target_": "lightning_docs.Pairs", "data.batch_size": 64})
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize("setting", [{"data.fraction": 0.5}, {"data.folds": 5}, {"data.shuffle": False}])
def test_settings_that_a_data_module_does_not_know_are_refused(run, setting):
    with pytest.raises(ConfigError, match="has no such parameter"):
        run({**PLAIN, **setting})


@pytest.mark.parametrize("setting", ["trainer.compile", "trainer.profile"])
def test_what_needs_encore_s_own_parts_is_refused(run, setting):
    with pytest.raises(ConfigError, match=setting):
        run({**PLAIN, setting: True})


def test_one_step_a_call_is_lightning_s_own_path(run, monkeypatch):
    from encore.runner import training

    seen = []
    plain = training.outcome

    def outcome(cfg, parts):
        seen.append(parts.trainer.fit_loop.epoch_loop.automatic_optimization)
        return plain(cfg, parts)

    moved = []
    to = _ResultMetric.to
    monkeypatch.setattr(
        _ResultMetric, "to", lambda self, *args, **kwargs: (moved.append(1), to(self, *args, **kwargs))[1]
    )
    monkeypatch.setattr(training, "outcome", outcome)
    monkeypatch.setattr(training, "spared", None)  # not to be called
    run({"steps_per_execution": 1, "trainer.max_epochs": 1})
    assert type(seen[0]) is _AutomaticOptimization
    assert moved


def test_encore_s_task_learns_from_any_data_module(run):
    settings = {**DATA, "+data.shape": [8], "+data.num_classes": 2, "trainer.max_epochs": 2}
    first, second = run(settings), run({**settings, "fresh": True})
    assert first.weights_sha256 == second.weights_sha256
    assert "test/accuracy" in first.metrics


def test_any_task_learns_from_encore_s_data(run):
    settings = {
        "task": "lightning",
        "task._target_": "lightning_docs.TakesNet",
        "model.num_outputs": 10,
        "trainer.max_epochs": 2,
        "optim": "none",
    }
    one, many = (run({**settings, "steps_per_execution": steps, "fresh": True}) for steps in (1, 1000))
    assert one.weights_sha256 == many.weights_sha256
    assert one.losses_sha256 == many.losses_sha256


@pytest.mark.slow
def test_tasks_and_data_are_reached_by_their_targets_alone():
    program = (
        "import sys, encore.runner.training\n"
        "print(*(name for name in sys.modules if name.startswith('encore.tasks') or name == 'encore.data.module'))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""


def test_what_settings_of_data_usually_are_is_what_the_configs_say():
    from encore.config.compose import config_from
    from encore.runner.parts import OF_DATA

    data = config_from(PLAIN)["data"] | {"batch_size": 64}
    assert {name: value for name, value in data.items() if name not in ("name", "_target_")} == OF_DATA
