"""What Lightning does needlessly: nothing that somebody could see is missing without it."""

import logging

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import LambdaCallback
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.trainer import call

from encore.fast import spared

HOOKS = ("on_train_epoch_start", "on_train_batch_start", "on_before_optimizer_step", "on_train_epoch_end", "on_fit_end")


class Watching(pl.Callback):
    """Notes each hook, and the name by which the task would log in it."""

    def __init__(self):
        self.seen = []
        for name in HOOKS:
            setattr(self, name, self.noting(name))

    def noting(self, name):
        def hook(trainer, task, *args):
            self.seen.append((name, task._current_fx_name))

        return hook


class Logging(BoringModel):
    """Logs in hooks, by the rules of each."""

    def on_train_epoch_end(self):
        self.log("whole", 1.0)

    def on_train_batch_start(self, batch, batch_idx):
        self.log("single", float(batch_idx))


def trained(tmp_path, around, **settings):
    watching, own = Watching(), []
    trainer = pl.Trainer(
        max_epochs=2, limit_train_batches=2, limit_val_batches=1, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        callbacks=[watching, LambdaCallback(on_train_start=lambda trainer, task: own.append("start")), pl.Callback()],
        **settings,
    )  # fmt: skip
    task = Logging()
    with around(trainer):
        trainer.fit(task)
    assert own == ["start"]
    return watching.seen, {name: float(value) for name, value in trainer.callback_metrics.items() if "loss" not in name}


def test_the_same_hooks_are_called_and_the_same_is_logged(tmp_path):
    plain = call._call_callback_hooks
    usual = trained(tmp_path, lambda trainer: pytest.MonkeyPatch.context())
    assert trained(tmp_path, spared.hooks_alone) == usual
    assert usual[1] == {"whole": 1.0, "single": 1.0}
    assert call._call_callback_hooks is plain


def test_a_profiler_sees_all(tmp_path):
    seen = []

    def around(trainer):
        seen.append(trainer.profiler)
        return spared.hooks_alone(trainer)

    trained(tmp_path, around, profiler="simple")
    assert any("Watching.on_train_epoch_end" in action for action in seen[0].recorded_durations)


def test_calls_that_are_logged_stay(tmp_path, caplog):
    with caplog.at_level(logging.DEBUG, call.log.name):
        trained(tmp_path, spared.hooks_alone)
    assert any("calling callback hook: on_train_epoch_end" in message for message in caplog.messages)


def test_packages_are_searched_for_callbacks_once(monkeypatch):
    asked, plain = [], spared.entry_points
    monkeypatch.setattr(spared, "entry_points", lambda **words: asked.append(words) or plain(**words))
    spared.entry_points_of.cache_clear()
    for _ in range(2):
        with spared.plugins_found_once():
            pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    assert asked == [{"group": "pytorch_lightning.callbacks_factory"}]
