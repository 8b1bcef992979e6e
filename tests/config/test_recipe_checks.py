"""A part is ruled by its own constructor, whoever wrote it, and nothing that a config says is ignored."""

import subprocess
import sys

import pytest
from conftest import ROOT

from encore.config.check import check
from encore.config.compose import config_from
from encore.errors import ConfigError

OWN = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_shape, num_outputs, norm, depth, channels, dropout, widths, pool, extra=None):
        super().__init__()
        if depth is None:
            raise ValueError("depth must be told")
        self.settings = dict(norm=norm, depth=depth, channels=channels, dropout=dropout, widths=widths)
        self.linear = nn.Linear(torch.Size(in_shape).numel(), num_outputs)

    def forward(self, inputs):
        return self.linear(inputs.flatten(1))


class AnySettings(Net):
    def __init__(self, in_shape, num_outputs, **settings):
        super().__init__(in_shape, num_outputs, None, 1, None, None, None, None, settings)
"""
BASE = {"in_shape": "${data.shape}", "num_outputs": "${task.num_outputs}"}
SETTINGS = {"norm": "group", "depth": [3, 4, 6, 3], "channels": 64, "dropout": None, "widths": {"a": 1}, "pool": -1}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A model of one's own: `own("Net", depth=3)` are the overrides that choose it."""
    (tmp_path / "own_net.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)

    def words(name, **settings):
        recipe = {"_target_": f"own_net.{name}", **BASE, **settings}
        return ["~model", *(f"+model.{key}={text(value)}" for key, value in recipe.items())]

    return words


def text(value):
    from encore.config.compose import literal

    return value if isinstance(value, str) else literal(value)


def refusal(*overrides):
    with pytest.raises(ConfigError) as caught:
        config_from(overrides)
    return str(caught.value)


def test_a_model_of_ones_own_is_ruled_by_itself_alone(own, run):
    result = run(*own("Net", **SETTINGS), "debug=fast")
    assert result.status == "finished"
    assert result.name == "digits-Net-adam"  # a model that has no name is called after its class


def test_what_ones_own_constructor_refuses_is_said_with_the_setting(own):
    assert refusal(*own("Net", **{**SETTINGS, "depth": None})) == "model.depth must be told"


def test_settings_that_ones_own_model_does_not_take(own):
    said = refusal(*own("Net", **SETTINGS, wdith=3))
    assert said == "model: own_net.Net has no setting wdith; did you mean widths?"
    config_from(own("AnySettings", wdith=3))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+model.wdith=3"], "model: encore.models.mlp.MLP has no setting wdith; did you mean widths?"),
        (["+optim.momentun=1"], "optim: torch.optim.Adam has no setting momentun"),
        (["scheduler=step", "+scheduler.gama=1"], "StepLR has no setting gama; did you mean gamma?"),
        (["+scheduler.gamma=1"], "there is no setting scheduler.gamma: scheduler has no _target_"),
        (["+data.train.n_clas=3"], "sklearn.datasets.load_digits has no setting n_clas; did you mean n_class?"),
        (["+callbacks.norms.evry=3"], "encore.callbacks.norms.Norms has no setting evry; did you mean every?"),
        (["augment=flip_crop", "+augment.flip.p=1"], "encore.data.augment.flip.Flip has no setting p"),
        (["+logger.csv.folder=x"], "encore.loggers.metrics_csv.MetricsCSV has no setting folder"),
        (["+task.label_smooting=0.1"], "has no setting label_smooting; did you mean label_smoothing?"),
        (["+task.seed=1"], "task.seed is not set here: seed sets it"),
        (["+trainer.max_epoch=3"], "pytorch_lightning.Trainer has no setting max_epoch; did you mean max_epochs?"),
        (["+foo=1"], "there is no setting foo; values of your own go under vars"),
        (["+optmi=1"], "there is no setting optmi; did you mean optim?"),
        (["+data.shufle=true"], "there is no setting data.shufle; did you mean shuffle?"),
        (["+monitor.metrics=val/loss"], "there is no setting monitor.metrics; did you mean metric?"),
        (["code=1"], "code=1: must be a list"),
        (["files=[1]"], "files=[1]: each item must be a text"),
    ],
)
def test_what_nothing_reads_is_refused(overrides, message):
    assert message in refusal(*overrides)


def test_everything_that_is_wrong_is_said_at_once():
    said = refusal("model.dropout=1", "+model.wdith=3", "optim.lr=0", "+foo=1", "task.label_smoothing=2")
    for part in ("model.dropout must be", "wdith", "optim.lr=0: must be", "foo", "task.label_smoothing must be"):
        assert part in said


def test_values_of_ones_own_are_for_the_config_to_refer_to():
    cfg = config_from(["+vars.width=48", "model.widths=['${vars.width}']"])
    assert cfg["model"]["widths"] == [48]
    assert config_from(["+width=48", "model.widths=['${width}']"])["model"]["widths"] == [48]
    assert config_from(["+data.width=48", "model.widths=['${data.width}']"])["model"]["widths"] == [48]


def test_modules_and_files_that_count_can_be_named():
    cfg = config_from(["code=[mine.blocks]", "files=[tables]"])
    assert (cfg["code"], cfg["files"]) == (["mine.blocks"], ["tables"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=cnn", "model.depth=0"], "model.depth must be at least 1, not 0"),
        (["model=cnn", "model.channels=64"], "model.channels=64: must be a list"),
        (["model=wide_resnet", "model.depth=20"], "model.depth must be 6 · k + 4"),
        (["model=wide_resnet", "model.widen_factor=0"], "model.widen_factor must be at least 1"),
        (["model.pool=3"], "model: inputs [1, 8, 8] are not pictures that can be averaged over 3 × 3 pixels"),
        (["augment=crop", "augment.crop.padding=0"], "augment.crop.padding must be at least 1"),
        (["optim.lr=abc", "model.pool=0"], "model.pool must be"),
        (["+optim.amsgrad=maybe"], "optim.amsgrad=maybe: must be one of True, False"),
        (["optim.eps=big"], "optim.eps=big: must be a finite number"),
        (["scheduler=step", "scheduler.gamma=x"], "scheduler.gamma=x: must be a number greater than 0"),
        (["scheduler=step", "scheduler.gamma=-1"], "scheduler.gamma=-1: must be a number greater than 0"),
        (["scheduler=step", "scheduler.step_size=0"], "scheduler.step_size=0: must be a whole number, at least 1"),
        (["scheduler=multi_step", "scheduler.milestones=[a]"], "scheduler.milestones=[a]: each item must be a whole"),
        (["scheduler=plateau", "scheduler.factor=-1"], "scheduler.factor=-1: must be a number greater than 0"),
        (["scheduler=one_cycle", "scheduler.max_lr=-1"], "scheduler.max_lr=-1: must be a number greater than 0, or"),
        (["callbacks=early_stopping", "callbacks.early_stopping.min_delta=nan"], "must be a finite number"),
        (["task.metrics.accuracy.num_classes=[3]"], "task.metrics.accuracy.num_classes=[3]: must be a whole number"),
    ],
)
def test_what_encores_own_constructors_refuse_is_known_early(overrides, message):
    assert message in refusal(*overrides)


@pytest.mark.parametrize("name", ["a/b", "a\\b", "a\nb", "a\x1b[2J", "..", "", " a", "x" * 101])
def test_a_name_that_is_no_name_of_a_folder(name):
    cfg = config_from({})
    cfg["model"]["name"] = name
    with pytest.raises(ConfigError, match=r"model\.name=.*must be a name") as caught:
        check(cfg)
    assert str(caught.value).isprintable()


def test_rules_for_data_are_for_encores_data_module_alone():
    recipe = {"_target_": "somewhere.Data", "batch_size": "big", "shape": None}
    cfg = config_from({})
    check({**cfg, "data": {"name": "mine", **recipe}})
    with pytest.raises(ConfigError, match=r"data\.train is not set"):
        check({**cfg, "data": {"name": "mine", **recipe, "_target_": "encore.data.module.DataModule"}})
    assert config_from(["++data._target_=somewhere.Data", "~data.name"])["data"]["name"] == "Data"


PLAIN_TASK = """
import pytorch_lightning as pl


class Task(pl.LightningModule):
    def __init__(self, width: int = 3):
        super().__init__()
"""


def test_a_task_of_ones_own_needs_what_it_takes(tmp_path, monkeypatch):
    (tmp_path / "own_task.py").write_text(PLAIN_TASK)
    monkeypatch.syspath_prepend(tmp_path)
    words = [
        "~task",
        "+task._target_=own_task.Task",
        "~optim",
        "+optim.name=none",
        "~scheduler",
        "~model",
        "+model.name=none",
    ]
    cfg = config_from([*words, "monitor.metric=val/whatever", "+task.width=wide"])
    assert cfg["scheduler"] == {"name": "none"}
    assert "own_task.Task has no setting depth" in refusal(*words, "+task.depth=1")


def test_a_part_is_judged_without_being_imported(own, tmp_path):
    words = own("Net", **{**SETTINGS, "depth": None}, wdith=3)
    program = (
        "import sys\n"
        "from encore.config.compose import config_from\n"
        "from encore.errors import ConfigError\n"
        "try:\n"
        f"    config_from({words!r})\n"
        "except ConfigError as problem:\n"
        "    assert not {'torch', 'own_net', 'pytorch_lightning', 'numpy'} & set(sys.modules)\n"
        "    print(problem)\n"
    )
    paths = f"{ROOT / 'src'}:{tmp_path}"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": paths}, check=False
    )
    assert answer.stderr == ""
    assert "depth must be told" in answer.stdout
    assert "wdith" in answer.stdout
