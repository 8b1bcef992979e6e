"""What a library refuses while parts are built, rehearsed or begun: a message with its setting, and nothing left."""

import pytest

from encore.errors import ConfigError

OWN = """
import torch
from torch import nn


class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        raise AttributeError("no such thing")


class FailsWhenTrained(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, inputs):
        if self.training and len(inputs) == 8:
            raise AttributeError("not in training")
        return self.linear(inputs.flatten(1))


class Colours:
    def __call__(self, inputs, targets):
        raise AttributeError("no colours")
"""


@pytest.mark.sampled(7)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["+optim.foreach=true", "optim.fused=true"],
            "cannot build optim from torch.optim.Adam: `fused` and `foreach`",
        ),
        (
            ["scheduler=one_cycle", "scheduler.total_steps=3", "trainer.max_epochs=2"],
            "scheduler.total_steps=3 ends before the run, which has",
        ),
        (["trainer.limit_test_batches=1e-9"], "trainer.limit_test_batches=1e-09 of 1 batches is less than one"),
        (["trainer.limit_val_batches=0.001"], "trainer.limit_val_batches=0.001 of 1 batches is less than one"),
        (["trainer.limit_train_batches=abc"], "trainer.limit_train_batches=abc: must be a whole number"),
        (["+trainer.strategy=nope"], "trainer: "),
        (["+callbacks.x._target_=torch.nn.ReLU"], "callbacks.x: torch.nn.ReLU is not a Lightning Callback"),
        (["+logger.x._target_=torch.nn.ReLU"], "logger.x: torch.nn.ReLU is not a Lightning Logger"),
        (["+augment.x._target_=torch.nn.ReLU"], "model, augment, task.metrics and data.shape=[1, 8, 8] do not fit"),
        (["+task.metrics.x._target_=torch.nn.ReLU"], "cannot build task from"),
        (["~model", "+model={_target_: os.getcwd, name: x}"], "model._target_=os.getcwd makes a str, and no nn.Module"),
        (["~optim", "+optim={_target_: torch.nn.ReLU, name: x}"], "optim"),
        (["+scheduler._target_=torch.nn.ReLU"], "scheduler"),
        (["task._target_=torch.nn.ReLU"], "task"),
        (["~model", "+model={_target_: own_parts_early.Raises, name: x}"], "no such thing"),
        (["~model", "+model={_target_: own_parts_early.FailsWhenTrained, name: x}"], "AttributeError: not in training"),
        (["+augment.x._target_=own_parts_early.Colours"], "no colours (own_parts_early.py, line"),
        (["data.num_classes=1000000000"], "model=mlp has weights and gradients of 1,"),
        (["model.widths=[6000000000]"], "GB of memory: a smaller net, or fewer classes"),
        (["model=cnn", f"data.num_classes={2**62}"], "cannot build model from encore.models.cnn.CNN"),
    ],
)
def test_a_message_and_nothing_left(run, tmp_path, monkeypatch, overrides, message):
    (tmp_path / "own_parts_early.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        run("debug=fast", "data.batch_size=8", "callbacks.progress=null", *overrides)
    assert message in str(caught.value)
    assert not [file for file in (tmp_path / "runs").rglob("*") if file.is_file()]


def test_what_fails_after_the_first_step_is_no_mistake_of_the_config(run, tmp_path, monkeypatch):
    (tmp_path / "own_late.py").write_text(
        "import pytorch_lightning as pl\n\n\nclass Late(pl.Callback):\n"
        "    def on_train_epoch_end(self, trainer, task):\n        raise AttributeError('late')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AttributeError, match="late"):
        run("debug=fast", "+callbacks.late._target_=own_late.Late")
    assert list((tmp_path / "runs").rglob("result.json"))
