"""However many optimiser steps a call of Lightning's loop takes, every bit of a run is the same."""

import pytest
import pytorch_lightning as pl
import torch
from endings import EVERYTHING, SMALL, assert_same, flat
from torch import nn

from encore.fast.execution import Execution
from encore.record.checkpoint_files import load
from encore.tasks.classification import Classification
from encore.tasks.tally import Tally

MORE = {
    "clipping by value": {"trainer.gradient_clip_val": 0.01, "+trainer.gradient_clip_algorithm": "value"},
    "clipping and accumulation": {"trainer.gradient_clip_val": 0.1, "trainer.accumulate_grad_batches": 2},
    "every other step of a schedule": {"scheduler": "one_cycle", "+scheduler.frequency": 2},
    "bf16 weights": {"trainer.precision": "bf16-true"},
    "part of an epoch": {"+trainer.limit_train_batches": 3},
    "an optimiser that calls back": {"optim": "sgd", "optim._target_": "test_execution.TwiceSGD", "~optim.fused": None},
    "a task's own way with gradients": {"task._target_": "test_execution.OwnWay"},
    "steps that a checkpoint asks for": {
        "callbacks.checkpoint.every_n_steps": 3, "callbacks.checkpoint.min_seconds_between": 0
    },
}  # fmt: skip


class TwiceSGD(torch.optim.SGD):
    """SGD that looks at its loss again after the step, as some optimisers do."""

    def step(self, closure):
        loss = super().step(closure)
        with torch.enable_grad():
            closure()
        return loss


class OwnWay(Classification):
    """A task that has a way of its own to go back."""

    def backward(self, loss):
        (2 * loss).backward()


@pytest.fixture
def calls(monkeypatch):
    """How many optimiser steps there were when each call began."""
    begun = []
    plain = Execution.run

    def run(self, *args):
        begun.append(self.trainer.global_step)
        return plain(self, *args)

    monkeypatch.setattr(Execution, "run", run)
    return begun


ALWAYS = (
    *("plain", "batch norm, dropout, noise", "pictures", "accumulation", "steps", "plateau", "early stopping", "bf16"),
    *("max_steps", "clipping by value", "an optimiser that calls back", "validation twice an epoch"),
)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(settings, id=name, marks=() if name in ALWAYS else pytest.mark.slow)
        for name, settings in {**EVERYTHING, **MORE}.items()
    ],
)
def test_no_bit_depends_on_the_steps_in_a_call(run, tmp_path, calls, settings):
    settings = {**SMALL, **settings}
    folders, lengths = [], []
    for steps in (1, 3, 1000):
        calls.clear()
        result = run({**settings, "steps_per_execution": steps, "runs_dir": str(tmp_path / str(steps))})
        folders.append(result.folder)
        lengths.append(len(calls))
    assert lengths[0] == 0  # Lightning's own loop
    assert lengths[1] >= lengths[2] > 0
    for folder in folders[1:]:
        assert_same(folder, folders[0])
        assert position(folder) == position(folders[0])


def position(folder):
    """All of the last checkpoint but what tells the time, and the length of events, which show the config."""
    state = flat(load(folder / "checkpoints" / "last.ckpt"))
    state["callbacks"]["Position"].pop("seconds")
    state["callbacks"]["Position"]["logs"].pop("TensorBoard")
    return state


def test_a_call_ends_where_something_is_to_be_done(run, calls):
    run({"trainer.max_epochs": 2, "trainer.max_steps": 33, "steps_per_execution": 1000})  # 20 steps an epoch
    assert calls == [0, 20]
    calls.clear()
    run({"trainer.max_epochs": 2, "+trainer.val_check_interval": 0.5, "steps_per_execution": 1000})
    assert calls == [0, 10, 20, 30]
    calls.clear()
    run({"trainer.max_epochs": 1, "steps_per_execution": 8})
    assert calls == [0, 8, 16]


def test_a_call_ends_after_a_while(run, calls, monkeypatch):
    monkeypatch.setattr("encore.fast.execution.SECONDS", 0.0)
    run({"trainer.max_epochs": 1})
    assert calls == [*range(20)]


class Watcher(pl.Callback):
    """Looks at every batch."""

    def on_train_batch_end(self, *args):
        pass


class Logs(Classification):
    """A task that logs within a step."""

    def training_step(self, batch, batch_index):
        output = super().training_step(batch, batch_index)
        self.log("batch/loss", output["batch_loss"])
        return output


def test_who_looks_at_every_step_gets_one_a_call_and_is_named(run, calls):
    result = run({"trainer.max_epochs": 1, "+callbacks.watcher._target_": "test_execution.Watcher"})
    assert calls == [*range(20)]
    assert (
        "Watcher.on_train_batch_end looks at every step: one optimiser step per call"
        in (result.folder / "train.log").read_text()
    )


def test_a_task_may_log_within_a_step(run, calls):
    result = run({"trainer.max_epochs": 2, "trainer.log_every_n_steps": 5, "task._target_": "test_execution.Logs"})
    assert calls == [*range(40)]
    assert (result.folder / "metrics.csv").read_text().splitlines()[0].count(",batch/loss,") == 1


class Peculiar(nn.Module):
    """Draws from the global generator, as nets do that nobody told."""

    def __init__(self, in_shape, num_outputs):
        super().__init__()
        self.linear = nn.Linear(torch.Size(in_shape).numel(), num_outputs)

    def forward(self, inputs):
        return self.linear(inputs.flatten(1)) + 0.1 * torch.rand(())


def test_random_numbers_belong_to_their_step(run, tmp_path):
    settings = {**SMALL, "model": "softmax", "model._target_": "test_execution.Peculiar"}
    one, many = (
        run({**settings, "steps_per_execution": steps, "runs_dir": str(tmp_path / str(steps))}) for steps in (1, 50)
    )
    assert one.losses_sha256 == many.losses_sha256


class Late(Classification):
    """A task that logs now and then within a step."""

    def training_step(self, batch, batch_index):
        output = super().training_step(batch, batch_index)
        if batch_index == 5:
            self.log("late", output["batch_loss"])
        return output


class TensorTask(Classification):
    """A task that returns its loss alone, and passes a batch over."""

    def training_step(self, batch, batch_index):
        return None if batch_index == 3 else super().training_step(batch, batch_index)["loss"]


class Manual(Classification):
    """A task that steps by itself."""

    def __init__(self, **recipes):
        super().__init__(**recipes)
        self.automatic_optimization = False

    def training_step(self, batch, batch_index):
        output = super().training_step(batch, batch_index)
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(output["loss"])
        optimizer.step()
        return output


class Bare(torch.optim.Optimizer):
    """Gradient descent that calls back without gradients, as an optimiser from elsewhere may."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure):
        closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * parameter.grad


@pytest.mark.sampled(2)
@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")  # that is what it does
@pytest.mark.parametrize(
    "settings",
    [
        {"task._target_": "test_execution.Late"},
        {"task._target_": "test_execution.TensorTask", "trainer.accumulate_grad_batches": 2},
        {"optim": "sgd", "optim._target_": "test_execution.Bare", "~optim.weight_decay": None, "~optim.fused": None,
         "optim.exclude_bias_and_norm": False},
        {"callbacks": "early_stopping", "callbacks.early_stopping.min_delta": 10,
         "callbacks.early_stopping.patience": 1, "+trainer.min_steps": 47, "trainer.max_epochs": 6},
        {"+callbacks.lambda": {"_target_": "test_execution.counting"}},
    ],
    ids=["logs late", "loss alone", "calls back without gradients", "stops within an epoch", "a hook of an instance"],
)  # fmt: skip
def test_no_bit_depends_on_the_steps_in_a_call_with_parts_of_a_user_s(run, tmp_path, settings):
    one, many = (
        run({"trainer.max_epochs": 2, **settings, "steps_per_execution": k, "runs_dir": str(tmp_path / str(k))})
        for k in (1, 1000)
    )
    assert_same(many.folder, one.folder)


def counting():
    """A callback whose hook is the instance's own."""
    counted = []

    def count(trainer, *args):
        counted.append(trainer.global_step)
        if len(counted) == trainer.global_step == 40:
            trainer.callback_metrics["val/loss"] *= 0  # seen in what the run ends with

    return pl.callbacks.LambdaCallback(on_train_batch_end=count)


def test_a_task_that_steps_by_itself_has_its_losses_kept(run):
    result = run({"trainer.max_epochs": 2, "task._target_": "test_execution.Manual"})
    assert (result.folder / "losses.f32").stat().st_size == 4 * 40


def test_batches_that_came_with_a_checkpoint_follow_the_task_to_its_device():
    import torchmetrics

    tally = Tally(torchmetrics.MetricCollection({}))
    tally.restore({"metrics": {}, "waiting": [[torch.ones(()), torch.ones(2, 3), torch.ones(2).long(), 2]]})
    tally.to("meta")
    tally.count()
    assert tally.loss.total.device.type == "meta"
