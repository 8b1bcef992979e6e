"""Everything whose state a run has is killed and resumed by a test; whatever is added without one is named here."""

import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from endings import EVERYTHING, SMALL, asked_to_stop, assert_same
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

import encore.callbacks
import encore.data
import encore.data.augment
import encore.loggers
import encore.optim
import encore.tasks
from encore.config import places
from encore.config.compose import config_from
from encore.data.loaders import Order
from encore.errors import Preempted
from encore.provenance.fingerprint import targets

EXAMPLES = {"data": "lightning", "data._target_": "own_parts.Examples", "data.fraction": 1.0}
AVERAGE = {"_target_": "encore.callbacks.averaging.WeightAverage", "start_epoch": 1}
TABLE = {"data": "thermometer", "model": "line", "data.batch_size": 4, "data.fraction": 1.0}
# Runs that are stopped and resumed here, beside those of endings.EVERYTHING, which are stopped after every step.
MORE: dict[str, dict[str, Any]] = {
    "exponential": {"scheduler": "exponential"},
    "inverse time": {"scheduler": "inverse_time"},
    "multi step": {"scheduler": "multi_step", "scheduler.milestones": [1, 2]},
    "step": {"scheduler": "step", "scheduler.step_size": 1},
    "average": {"+callbacks.average": AVERAGE},
    "moving average": {"callbacks": ["ema"], "model.norm": "batch"},
    "rate found": {"callbacks": ["lr_finder"], "scheduler": "one_cycle"},
    "sharpness": {"callbacks": ["sam"], "model.norm": "batch", "model.dropout": 0.3, "augment": ["noise"]},
    "matrices": {"optim": "muon", "scheduler": "cosine"},
    "schedule-free": {"optim": "schedule_free"},
    "policies": {"augment": ["rand_augment", "aug_mix"], "data.normalize": "minmax"},
    "imbalance": {"data.keep": {0: 0.3, 3: 0.2}, "data.sampling": "balanced", "task.class_weights": "balanced",
                  "task.focal_gamma": 2.0, "data.fraction": 0.4, "trainer.max_epochs": 2},
    "regression": {**TABLE, "task": "regression"},
    "likelihood": {"experiment": "thumbtack", "data.fraction": 1.0, "trainer.max_epochs": 8},
    "binary": {"experiment": "perceptron_and", "data.fraction": 1.0, "data.batch_size": 1, "trainer.max_epochs": 3},
    "autoencoder": {"task": "autoencoder"},
    "multilabel": {**EXAMPLES, "+data.kind": "labels", "+data.num_labels": 3, "task": "multilabel",
                   "model": "softmax", "model.num_outputs": 3, "+data.shape": [6]},
    "segmentation": {**EXAMPLES, "+data.kind": "masks", "+data.num_classes": 2, "task": "segmentation",
                     "model": "none", "+model._target_": "own_parts.Pixels"},
}  # fmt: skip
CASES = {**EVERYTHING, **MORE}
# What no recipe names, and which run has it.
WITHIN = {
    "encore.callbacks.losses.Losses": "plain",
    "encore.callbacks.position.Position": "plain",
    "encore.callbacks.seeds.Seeds": "plain",
    "encore.data.loaders.Loader": "plain",
    "encore.data.loaders.Order": "plain",
    "encore.data.balance.BalancedOrder": "imbalance",
    "encore.loggers.metrics_csv.MetricsCSV": "plain",
    "encore.loggers.tensorboard.TensorBoard": "plain",
}
# What is tested elsewhere, by file and test; None: it is never a part itself.
ELSEWHERE: dict[str, tuple[str, str] | None] = {
    "encore.tasks.supervised.Supervised": None,
    "encore.callbacks.views.view.View": None,
    "encore.callbacks.views.predictions.PredictionView": None,
    "encore.data.augment.pixels.OnPixels": None,
    "encore.data.named.buckets.BucketedOrder": (
        "data/test_own_data.py",
        "test_the_order_is_a_function_of_seed_and_epoch_and_an_epoch_can_be_entered_anywhere",
    ),
    "encore.data.named.loader.NamedLoader": (
        "data/test_own_data_trains.py",
        "test_a_run_that_is_stopped_within_an_epoch_goes_on_to_the_same_bits",
    ),
    "encore.data.packed.order.ShardOrder": (
        "data/test_packed.py",
        "test_a_run_that_is_stopped_ends_in_the_same_bits",
    ),
    "encore.data.readers.arrow.ArrowColumns": None,  # read by index alone
    "encore.callbacks.lightning.ModelFiles": (
        "callbacks/test_lightning_callbacks.py",
        "test_a_run_with_a_callback_is_resumed_to_the_same_bits",
    ),
    "encore.callbacks.frozen.Frozen": (
        "runner/test_first_weights.py",
        "test_a_run_that_is_stopped_ends_in_the_same_bits",
    ),
    "encore.tasks.distillation.Distillation": (
        "course/test_efficient.py",
        "test_a_student_is_stopped_and_resumed_to_the_same_bits",
    ),
    "task=distillation": ("course/test_efficient.py", "test_a_student_is_stopped_and_resumed_to_the_same_bits"),
    "task=one_class": (
        "course/test_anomaly.py",
        "test_a_run_that_was_stopped_keeps_its_centre_and_ends_in_the_same_bits",
    ),
    "task=streaming": ("course/test_streams.py", "test_a_stream_that_is_resumed_in_its_middle_ends_in_the_same_bits"),
    "task=verification": ("course/test_writers.py", "test_a_run_that_is_stopped_ends_in_the_same_bits_as_well"),
    "optim=none": ("runner/test_any_task.py", "test_stopped_anywhere_and_resumed_it_ends_in_the_same_bits"),
    "task=lightning": ("runner/test_any_task.py", "test_stopped_anywhere_and_resumed_it_ends_in_the_same_bits"),
}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def classes(package: ModuleType, of_kind: Callable[[type], bool]) -> set[str]:
    """The dotted names of a package's own classes of a kind."""
    return {
        f"{module.__name__}.{name}"
        for module in modules(package)
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and not getattr(kind, "_is_protocol", False) and of_kind(kind)
    }


def has(*methods: str) -> Callable[[type], bool]:
    return lambda kind: all(hasattr(kind, name) for name in methods)


def parts() -> set[str]:
    """Everything of the engine's and its configs' that a resumed run has to bring back, or has to draw alike."""
    return {
        *classes(encore.callbacks, lambda kind: issubclass(kind, pl.Callback)),
        *classes(encore.tasks, lambda kind: issubclass(kind, pl.LightningModule)),
        *classes(encore.data.augment, has("__call__")),
        *classes(encore.optim, lambda kind: issubclass(kind, torch.optim.Optimizer | LRScheduler)),
        *classes(encore.data, lambda kind: issubclass(kind, Order) or hasattr(kind, "__iter__")),
        *classes(encore.loggers, has("position", "restore")),
        *classes(encore.callbacks, has("position", "restore")),
        *(f"{group}={option}" for group in ("optim", "scheduler", "augment", "task") for option in options(group)),
    }


def options(group: str) -> list[str]:
    """The configs of a group, without those that others are made of."""
    return [name for name in places.options(group) if places.find(f"{group}/{name}") is not None]


@functools.cache
def covered() -> frozenset[str]:
    """What the runs of CASES are made of."""
    found = {*WITHIN, *ELSEWHERE}
    for settings in CASES.values():
        cfg = config_from({**SMALL, **settings})
        found |= set(targets({name: part for name, part in cfg.items() if name != "data"}))
        for group in ("optim", "scheduler"):
            found.add(f"{group}={cfg[group]['name']}")
        found |= {f"augment={name}" for name in chosen(settings, "augment")}
        found.add(f"task={cfg['task']['_target_'].rpartition('.')[2].lower()}")
    # An option that only has other settings of classes that are covered does nothing that they do not.
    for option in options("augment"):
        if set(targets(config_from({"augment": [option], "data.normalize": "minmax"})["augment"])) <= found:
            found.add(f"augment={option}")
    return frozenset(found)


def chosen(settings: dict[str, Any], group: str) -> list[str]:
    value = settings.get(group, [])
    return value if isinstance(value, list) else [value]


@pytest.fixture(autouse=True)
def own_parts(monkeypatch):
    """Networks and data of a user's are found."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "tasks"))


def test_every_part_is_killed_and_resumed_by_a_test():
    missing = sorted(parts() - covered())
    assert missing == [], "no resume test has these: add a case to MORE, whose run has them"


def test_a_part_that_is_new_is_named(monkeypatch):
    from encore.callbacks import norms
    from encore.data.augment import flip

    class New(pl.Callback):
        pass

    class Turn:
        def __call__(self, inputs, targets):
            return inputs, targets

    for module, kind in ((norms, New), (flip, Turn)):
        monkeypatch.setattr(kind, "__module__", module.__name__)
        monkeypatch.setattr(module, kind.__name__, kind, raising=False)
    assert parts() - covered() == {"encore.callbacks.norms.New", "encore.data.augment.flip.Turn"}


@pytest.mark.parametrize(("file", "test"), sorted({place for place in ELSEWHERE.values() if place}))
def test_what_is_tested_elsewhere_is(file, test):
    assert f"def {test}(" in (Path(__file__).parent / file).read_text(encoding="utf-8")


def resumed(run, tmp_path, monkeypatch, settings, *batches):
    """A run that is stopped after some of its batches, its folder, and that of one that never was."""
    whole = run({**settings, "runs_dir": str(tmp_path / "whole")})
    stops = 0
    with asked_to_stop(monkeypatch, *batches):
        while True:
            try:
                again = run(settings)
                break
            except Preempted:
                stops += 1
    assert stops
    return again.folder, whole.folder


@pytest.mark.sampled(2)
@pytest.mark.parametrize("settings", MORE.values(), ids=MORE)
def test_a_part_that_is_stopped_and_resumed_ends_in_the_same_bits(run, tmp_path, monkeypatch, settings):
    assert_same(*resumed(run, tmp_path, monkeypatch, {**SMALL, **settings}, 3, 6))


class Counter(pl.Callback):
    """Counts steps, and forgets them."""

    def __init__(self):
        self.steps = 0

    def on_train_batch_end(self, trainer, task, outputs, batch, index):
        self.steps += 1


class KeptCounter(Counter):
    """Counts steps, and keeps the count."""

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state_dict):
        self.steps = state_dict["steps"]


class Growing:
    """Noise that grows with every batch, and starts anew where it is resumed."""

    def __init__(self):
        self.batches = 0

    def __call__(self, inputs, targets):
        self.batches += 1
        return inputs + 0.01 * self.batches, targets


class Momentum(torch.optim.SGD):
    """An optimiser with a number of its own beside what it keeps."""

    def __init__(self, params, lr, **others):
        super().__init__(params, lr=lr, **others)
        self.taken = 0

    def step(self, closure=None):
        self.taken += 1
        return super().step(closure)


class Adam(torch.optim.Adam):
    """An optimiser of a user's whose state is where every optimiser has it."""


class Counting(nn.Module):
    """A net with a plain number, or with a buffer, that counts its batches."""

    def __init__(self, buffer=False):
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.batches = 0
        if buffer:
            del self.batches
            self.register_buffer("batches", torch.zeros(()))

    def forward(self, inputs):
        if self.training:
            self.batches = self.batches + 1
        return self.layer(inputs.flatten(1))


OWN = "parts_of_a_user"
NET = {"model": "none", "+model._target_": f"{OWN}.Counting"}
FORGETFUL = {
    "callback": ({"+callbacks.mine": {"_target_": f"{OWN}.Counter"}}, "Counter.steps"),
    "augmentation": ({"+augment.mine": {"_target_": f"{OWN}.Growing"}}, "Growing.batches"),
    "optimiser": ({"optim": "sgd", "optim._target_": f"{OWN}.Momentum"}, "Momentum.taken"),
    "optimiser that keeps": ({"optim._target_": f"{OWN}.Adam"}, None),
    "net": (NET, "Counting.batches"),
    "callback that keeps": ({"+callbacks.mine": {"_target_": f"{OWN}.KeptCounter"}}, None),
    "net that keeps": ({**NET, "+model.buffer": True}, None),
    "stock": ({"augment": ["mixup"], "model.norm": "batch", "+callbacks.average": AVERAGE}, None),
}


@pytest.mark.parametrize(("settings", "name"), FORGETFUL.values(), ids=FORGETFUL)
def test_what_no_checkpoint_holds_is_said(run, tmp_path, monkeypatch, settings, name):
    module = ModuleType(OWN)
    for kind in (Counter, KeptCounter, Growing, Momentum, Adam, Counting):
        monkeypatch.setattr(kind, "__module__", OWN)
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, OWN, module)
    log = (run({**SMALL, **settings}).folder / "train.log").read_text(encoding="utf-8")
    said = "changed since the first step, and no checkpoint holds it"
    assert (f"{name}: {said}" in log) == (name is not None)
    assert (said in log) == (name is not None)


def test_a_callback_that_keeps_its_count_has_it_again(run, tmp_path, monkeypatch):
    module = ModuleType(OWN)
    counts = []

    class Noted(KeptCounter):
        def on_train_end(self, trainer, task):
            counts.append(self.steps)

    module.Noted = Noted
    monkeypatch.setattr(Noted, "__module__", OWN)
    monkeypatch.setitem(sys.modules, OWN, module)
    resumed(run, tmp_path, monkeypatch, {**SMALL, "+callbacks.mine": {"_target_": f"{OWN}.Noted"}}, 5)
    assert counts == [12, 12]
