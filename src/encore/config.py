"""What a valid config is, checked without importing torch, before anything is made."""

import math
from collections.abc import Iterator
from typing import Any

from encore.directions import mode_of
from encore.errors import ConfigError
from encore.rules import (
    Rule,
    boolean,
    fraction,
    integer,
    list_of,
    name,
    number,
    one_of,
    optional,
    positive,
    text,
)

# Settings of `trainer` that are not of Lightning's.
OUR_SETTINGS = ("channels_last", "tf32", "compile", "cuda_graphs", "profile")

# Settings of the data that do not change which examples are for test, nor what is in them.
OF_TRAINING = (
    "data.batch_size", "data.bootstrap", "data.drop_last", "data.eval_batch_size", "data.fold", "data.folds",
    "data.fraction", "data.normalize", "data.shuffle", "data.val_fraction", "data.weights",
)  # fmt: skip

PRECISIONS = (
    "32-true", "32", "64-true", "64", "16-mixed", "bf16-mixed", "16-true", "bf16-true", 32, 64,
)  # fmt: skip
NORMALIZATIONS = ("standardize", "minmax", "none")


def normalization(value: Any) -> str | None:
    """`standardize`, `minmax`, `none`, or constants."""
    if isinstance(value, dict):
        if set(value) != {"mean", "std"}:
            return "as constants has the keys mean and std, such as {mean: [0.1307], std: [0.3081]}"
        problem = list_of(number(-math.inf))(value["mean"]) or list_of(number(0, open_low=True))(value["std"])
        return problem and f"as constants: {problem}"
    good = isinstance(value, str) and value in NORMALIZATIONS
    return None if good else f"must be one of {', '.join(NORMALIZATIONS)}, or constants {{mean: […], std: […]}}"


def outputs(value: Any) -> str | None:
    """A whole number; that of the classes, where there are any."""
    problem = integer(1)(value)
    return problem and f"{problem}; of data without classes, whose targets are numbers, task=regression learns"


def batch_size(value: Any) -> str | None:
    """A whole number, or `all`: one batch is every training example."""
    problem = None if value == "all" else integer(1)(value)
    return problem and f"{problem}, or all"


def devices(value: Any) -> str | None:
    """How many devices, or their numbers."""
    problem = list_of(integer(0))(value) if isinstance(value, list) and value else integer(1)(value)
    return problem and "must be a number of devices, at least 1, or a list of their numbers"


# Where a setting stands, and what it must be. A setting that a config does not have is not checked,
# unless it is in REQUIRED: a model of yours has its own.
RULES: dict[str, Rule] = {
    "seed": integer(0),
    "threads": integer(1),
    "steps_per_execution": integer(1),
    "fresh": boolean,
    "test": boolean,
    "runs_dir": text,
    "data_dir": text,
    "monitor.metric": text,
    "monitor.mode": one_of("min", "max"),
    "data.name": name,
    "data.shape": list_of(integer(1)),
    "data.num_classes": optional(integer(1)),
    "data.batch_size": batch_size,
    "data.eval_batch_size": integer(1),
    "data.split_seed": integer(0),
    "data.val_fraction": fraction,
    "data.test_fraction": fraction,
    "data.fraction": number(0, 1, open_low=True),
    "data.folds": optional(integer(2)),
    "data.fold": integer(0),
    "data.bootstrap": optional(integer(0)),
    "data.weights.path": optional(text),
    "data.normalize": normalization,
    "data.shuffle": boolean,
    "data.drop_last": boolean,
    "data.resident": boolean,
    "data.num_workers": integer(0),
    "model.name": name,
    "model.dropout": number(0, 1, open_high=True),
    "model.widths": list_of(integer(1)),
    "model.channels": list_of(integer(1)),
    "model.depth": integer(1),
    "model.widen_factor": integer(1),
    "model.norm": one_of("none", "batch", "layer"),
    "model.pool": integer(1),
    "optim.name": name,
    "optim.lr": positive,
    "optim.weight_decay": number(0),
    "optim.momentum": number(0, 1, open_high=True),
    "optim.exclude_bias_and_norm": boolean,
    "scheduler.interval": one_of("step", "epoch"),
    "scheduler.frequency": integer(1),
    "task.num_outputs": outputs,
    "task.init_seed": optional(integer(0)),
    "task.init_skip": integer(0, 10**8),
    "task.label_smoothing": number(0, 1, open_high=True),
    "task.weight_noise": number(0),
    "callbacks.checkpoint.every_n_steps": optional(integer(1)),
    "callbacks.checkpoint.every_n_minutes": optional(positive),
    "callbacks.checkpoint.min_seconds_between": number(0),
    "trainer.max_epochs": integer(1),
    "trainer.max_steps": integer(-1),
    "trainer.accelerator": text,
    "trainer.num_nodes": integer(1),
    "trainer.devices": devices,
    "trainer.precision": one_of(*PRECISIONS),
    "trainer.gradient_clip_val": optional(positive),
    "trainer.accumulate_grad_batches": integer(1),
    "trainer.log_every_n_steps": integer(1),
    "trainer.deterministic": one_of(True, False, "warn"),
    "trainer.channels_last": boolean,
    "trainer.tf32": optional(boolean),
    "trainer.compile": boolean,
    "trainer.cuda_graphs": boolean,
    "trainer.profile": boolean,
}
REQUIRED = (
    "seed", "threads", "runs_dir", "data_dir", "monitor.metric", "monitor.mode",
    "task._target_", "data.name", "data.train", "data.shape", "data.num_classes",
    "data.batch_size", "data.split_seed", "data.val_fraction", "data.test_fraction", "data.fraction",
    "data.normalize", "model.name", "model._target_", "optim.name", "optim._target_", "optim.lr",
    "scheduler.name", "augment", "callbacks", "logger", "trainer.max_epochs",
)  # fmt: skip

MISSING = object()


def look_up(cfg: dict, path: str) -> Any:
    """The value at a dotted path, or `MISSING`."""
    node: Any = cfg
    for key in path.split("."):
        if not isinstance(node, dict) or key not in node:
            return MISSING
        node = node[key]
    return node


def leaves(cfg: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting that holds no others, by its dotted path."""
    for key, value in cfg.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def check(cfg: dict) -> None:
    """Raise ConfigError with everything that is wrong with a resolved config."""
    problems = [f"{path} is not set" for path in REQUIRED if look_up(cfg, path) in (MISSING, "???")]
    for path, rule in RULES.items():
        value = look_up(cfg, path)
        if value is not MISSING and value != "???" and (problem := rule(value)):
            problems.append(f"{path}={show(value)}: {problem}")
    if not problems:
        problems = list(contradictions(cfg))
    if problems:
        raise ConfigError("\n".join(problems))


def contradictions(cfg: dict) -> list[str]:
    """What each setting allows, but not together."""
    data, found = cfg["data"], against_resampling(cfg["data"])
    if not data.get("folds") and data["val_fraction"] + data["test_fraction"] >= 1:
        found.append(
            f"data.val_fraction={data['val_fraction']} and data.test_fraction={data['test_fraction']} add up to "
            "1 or more: nothing is left to train on"
        )
    if cfg["trainer"].get("num_nodes", 1) > 1:
        found.append("trainer.num_nodes: a run uses the devices of one machine; trainer.devices says how many")
    if look_up(cfg, "scheduler.monitor") is not MISSING and cfg["scheduler"].get("interval") == "step":
        found.append(f"scheduler.interval=step: {cfg['scheduler']['monitor']} is known once an epoch, not every step")
    for path in ("monitor.metric", "scheduler.monitor", "callbacks.early_stopping.monitor"):
        # Without a validation set the best weights are the last, whatever the best would be chosen by.
        known = logged(cfg, has_validation(cfg) or path == "monitor.metric")
        metric = look_up(cfg, path)
        if isinstance(metric, str) and known and metric not in known:
            without = "" if has_validation(cfg) else "; there is no validation set"
            found.append(f"{path}={metric} is never logged; choose from {', '.join(known)}{without}")
    metric, mode = cfg["monitor"]["metric"], cfg["monitor"]["mode"]
    if mode_of(metric) not in (None, mode):
        found.append(f"monitor.mode={mode} would choose the worst {metric}: monitor.mode={mode_of(metric)} the best")
    return found + against_task(cfg)


def against_task(cfg: dict) -> list[str]:
    """What speaks against learning the targets of the data by the task."""
    name, classes = cfg["data"]["name"], cfg["data"]["num_classes"]
    module, _, task = str(cfg["task"]["_target_"]).rpartition(".")
    if not module.startswith("encore.tasks."):
        return []
    if task == "Binary" and classes != 2:
        has = "numbers as targets" if classes is None else f"{classes} classes"
        return [f"task=binary is of two classes, and data={name} has {has}: task=classification or regression"]
    if task in ("Regression", "Likelihood") and classes is not None:
        return [
            f"task={task.lower()} learns numbers, and data={name} has classes; "
            "data.num_classes=null says that a dataset has numbers as targets"
        ]
    return []


def against_resampling(data: dict) -> list[str]:
    """What speaks against the folds and the bootstrap together."""
    folds, fold, found = data.get("folds"), data.get("fold", 0), []
    if folds and fold >= folds:
        found.append(f"data.fold={fold}: of data.folds={folds} it is one from 0 to {folds - 1}")
    if fold and not folds:
        found.append(f"data.fold={fold} is one of no folds: data.folds says how many there are")
    if look_up(data, "weights.path") not in (MISSING, None) and data.get("bootstrap") is None:
        found.append("data.weights.path is what the bootstrap draws by: data.bootstrap=0 draws")
    return found


def logged(cfg: dict, validation: bool, test: bool = False) -> list[str]:
    """The metrics that a run logs each epoch, and at its end, where its task says which it has."""
    metrics = cfg["task"].get("metrics")
    splits = ["train", *["val"] * validation, *["test"] * test]
    return [f"{split}/{name}" for split in splits for name in ("loss", *metrics)] if metrics is not None else []


def monitored(cfg: dict) -> tuple[str, str]:
    """The metric that a run's best value is of, and its mode: without a validation set, the training loss."""
    return (cfg["monitor"]["metric"], cfg["monitor"]["mode"]) if has_validation(cfg) else ("train/loss", "min")


def has_validation(cfg: dict) -> bool:
    """Whether examples are held out to choose the best weights by."""
    held_out = cfg["data"].get("folds") or cfg["data"]["val_fraction"] > 0
    return bool(held_out) and cfg["trainer"].get("limit_val_batches") != 0


def has_test(cfg: dict) -> bool:
    """Whether there is a test set, and the run reads it."""
    held_out = cfg["data"].get("test") or cfg["data"]["test_fraction"] > 0
    return bool(held_out) and opens_test(cfg)


def opens_test(cfg: dict) -> bool:
    """Whether the run looks at a test set, where there is one."""
    return cfg.get("test", True) and cfg["trainer"].get("limit_test_batches") != 0


def without_test(cfg: dict) -> str:
    """Why a run has no test metrics, and what to do about it."""
    if not cfg.get("test", True):
        return "left its test set closed (test=false); the same run with test=true reads it"
    if not opens_test(cfg):
        return "left its test set closed (trainer.limit_test_batches=0); the same run without that reads it"
    return f"has no test set: data={cfg['data']['name']} has none; data.test_fraction=0.2 holds one out"


def show(value: Any) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
