"""The engine's own settings and their rules; a part's settings are ruled by its constructor.

A setting that a config leaves out is not checked, unless it is in `REQUIRED`.
"""

from typing import Any

from encore.config.rules import (
    Rule,
    any_of,
    boolean,
    described,
    either,
    fraction,
    integer,
    list_of,
    mapping,
    name,
    number,
    one_of,
    only,
    optional,
    positive,
    text,
)

PRECISIONS = (
    "32-true", "32", "64-true", "64", "16-mixed", "bf16-mixed", "16-true", "bf16-true", 32, 64,
)  # fmt: skip
NORMALIZATIONS = ("standardize", "minmax", "none")
# Settings of `trainer` that Lightning's Trainer does not have.
OUR_SETTINGS = ("channels_last", "tf32", "compile", "cuda_graphs", "profile")

MOST_THREADS = 4096
PART = number(0, 1, open_low=True)
MEAN, STD = list_of(number()), list_of(number(0, open_low=True))


@described({"anyOf": [{"enum": list(NORMALIZATIONS)}, {"type": "object"}]})
def normalization(value: Any) -> str | None:
    """`standardize`, `minmax`, `none`, or constants; or one of these per array name."""
    if isinstance(value, dict):
        if value and not set(value) & {"mean", "std"}:
            problems = [f"for {name}: {problem}" for name, one in value.items() if (problem := normalization(one))]
            return problems[0] if problems else None
        if set(value) != {"mean", "std"}:
            return "as constants has the keys mean and std, such as {mean: [0.1307], std: [0.3081]}"
        problem = MEAN(value["mean"]) or STD(value["std"])
        return problem and f"as constants: {problem}"
    good = isinstance(value, str) and value in NORMALIZATIONS
    return None if good else f"must be one of {', '.join(NORMALIZATIONS)}, or constants {{mean: […], std: […]}}"


@described({"anyOf": [{"enum": list(NORMALIZATIONS)}, {"type": "object"}]})
def one_normalization(value: Any) -> str | None:
    """`standardize`, `minmax`, `none`, or constants."""
    by_name = isinstance(value, dict) and not set(value) & {"mean", "std"}
    return "as constants has the keys mean and std" if by_name else normalization(value)


@described({"type": ["array", "object", "null"]})
def shape(value: Any) -> str | None:
    """An example's shape; shapes of several arrays by name; or null: unchanged."""
    if isinstance(value, dict):
        problems = [f"for {name}: {problem}" for name, one in value.items() if (problem := shape(one))]
        return problems[0] if problems else None
    return optional(list_of(integer(1)))(value)


def anything(value: Any) -> str | None:
    """A value that the data module checks once it has read the data."""
    return None


@described({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "integer"}}]})
def devices(value: Any) -> str | None:
    """Number of devices, or a list of device numbers."""
    problem = list_of(integer(0))(value) if isinstance(value, list) and value else integer(1)(value)
    return problem and "must be a number of devices, at least 1, or a list of their numbers"


@described({"anyOf": [{"type": ["number", "null"], "minimum": 0}]})
def some_batches(value: Any) -> str | None:
    """A number of batches, or a share of them; 0 for none."""
    if isinstance(value, float):
        return number(0, 1)(value) and "must be a whole number of batches, or a share of them from 0.0 to 1.0"
    return optional(integer(0))(value)


@described({"anyOf": [{"type": ["number", "null"], "exclusiveMinimum": 0}]})
def batches(value: Any) -> str | None:
    """A number of batches, or a share of them; at least one."""
    nothing = isinstance(value, int | float) and not value
    return "must be greater than 0: there would be nothing to do" if nothing else some_batches(value)


@described({"type": ["string", "object", "null"]})
def duration(value: Any) -> str | None:
    """DD:HH:MM:SS, or numbers of days, hours, minutes and seconds by name; more than nothing."""
    parts = list(value.values()) if isinstance(value, dict) else str(value).split(":")
    if value is None or any(str(part).strip(" 0.") for part in parts):
        return None  # Lightning says what is no duration
    return "must be longer than nothing, such as 00:12:00:00, days:hours:minutes:seconds"


@described({"type": ["number", "string", "object", "null"]})
def interval(value: Any) -> str | None:
    """A number of batches, a share of them, or a duration."""
    return duration(value) if isinstance(value, str | dict) else batches(value)


@described({"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}})
def factors(value: Any) -> str | None:
    """Positive numbers by the names of modules."""
    good = isinstance(value, dict) and all(
        isinstance(name, str) and positive(each) is None for name, each in value.items()
    )
    return None if good else "must be positive numbers by names of the model's modules, such as {features: 0.1}"


@described({"type": ["object", "null"], "additionalProperties": {"type": "number", "maximum": 1}})
def parts_of_classes(value: Any) -> str | None:
    """Fractions by class."""
    good = value is None or (isinstance(value, dict) and not any(map(PART, value.values())))
    return None if good else "must be fractions, above 0 and at most 1, by class, such as {3: 0.1}"


RULES: dict[str, Rule] = {
    "seed": integer(0),
    "threads": integer(1, MOST_THREADS),
    "steps_per_execution": integer(1),
    "population": optional(integer(1)),
    "fresh": boolean,
    "test": boolean,
    "runs_dir": text,
    "data_dir": text,
    "code": list_of(text),
    "files": list_of(text),
    "claims": list_of(mapping),
    "vars": mapping,
    "init_from": optional(text),
    "continue_from": optional(text),
    "fine_tune.new": any_of(one_of("auto", "head"), list_of(text)),
    "fine_tune.trained": either(integer(1), or_else="all"),
    "monitor.metric": text,
    "monitor.mode": one_of("min", "max"),
    "data.name": name,
    "model.name": name,
    "optim.name": name,
    "optim.exclude_bias_and_norm": boolean,
    "optim.lr_factors": optional(factors),
    "scheduler.name": name,
    "scheduler.interval": one_of("step", "epoch"),
    "scheduler.frequency": integer(1),
    "scheduler.monitor": optional(text),
    "regulariser.name": name,
    "trainer.max_epochs": integer(1),
    "trainer.min_epochs": optional(integer(0)),
    "trainer.max_steps": either(integer(1), or_else=-1),
    "trainer.max_time": duration,
    "trainer.limit_train_batches": batches,
    "trainer.limit_val_batches": some_batches,
    "trainer.limit_test_batches": some_batches,
    "trainer.val_check_interval": interval,
    "trainer.check_val_every_n_epoch": optional(integer(1)),
    "trainer.accelerator": one_of("auto", "cpu", "gpu", "cuda", "mps"),
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
# Rules for Encore's DataModule only.
DATA_RULES: dict[str, Rule] = {
    "data.shape": shape,
    "data.inputs": anything,
    "data.targets": anything,
    "data.stratify": anything,
    "data.bucket": anything,
    "data.prepare": optional(mapping),
    "data.group_by": optional(text),
    "data.order": optional(mapping),
    "data.num_classes": optional(integer(1)),
    "data.num_targets": optional(integer(1)),
    "data.classes": optional(list_of(text)),
    "data.from_text": optional(mapping),
    "data.axes": optional(only("inputs", "targets")),
    "data.axes.inputs": list_of(text),
    "data.axes.targets": list_of(text),
    "data.train": mapping,
    "data.test": optional(mapping),
    "data.batch_size": either(integer(1), or_else="all"),
    "data.eval_batch_size": integer(1),
    "data.split_seed": integer(0),
    "data.val_fraction": fraction,
    "data.test_fraction": fraction,
    "data.fraction": PART,
    "data.keep": parts_of_classes,
    "data.sampling": one_of("uniform", "balanced"),
    "data.folds": optional(integer(2)),
    "data.fold": integer(0),
    "data.bootstrap": optional(integer(0)),
    "data.weights": optional(mapping),
    "data.weights.path": optional(text),
    "data.normalize": normalization,
    "data.normalize_targets": one_normalization,
    "data.shuffle": boolean,
    "data.drop_last": boolean,
    "data.resident": boolean,
    "data.num_workers": integer(0),
    "data.sha256": optional(mapping),
}
# Rules for Encore's own tasks only.
TASK_RULES: dict[str, Rule] = {
    "task.penalty": optional(only("norm", "weight", "exclude_bias_and_norm")),
    "task.penalty.norm": one_of("l1", "l2", "l2_squared"),
    "task.penalty.weight": number(0),
    "task.penalty.exclude_bias_and_norm": boolean,
}
# torch's own constructors are less strict: a learning rate of 0 learns nothing, a momentum of 1 never slows down.
TORCH_OPTIM_RULES: dict[str, Rule] = {
    "optim.lr": positive,
    "optim.weight_decay": number(0),
    "optim.momentum": number(0, 1, open_high=True),
}
# What torch's schedulers take as it comes, and then fail by or diverge with in the middle of training.
SCHEDULER_RULES: dict[str, Rule] = {
    "scheduler.gamma": positive,
    "scheduler.factor": positive,
    "scheduler.max_lr": any_of(positive, list_of(positive)),
    "scheduler.eta_min": number(0),
    "scheduler.step_size": integer(1),
    "scheduler.milestones": list_of(integer(0)),
    "scheduler.patience": integer(0),
    "scheduler.cooldown": integer(0),
    "scheduler.threshold": number(0),
}

REQUIRED = (
    "seed", "threads", "runs_dir", "data_dir", "monitor.metric", "monitor.mode", "task._target_", "data.name",
    "model.name", "optim.name", "callbacks", "logger", "trainer.max_epochs",
)  # fmt: skip
DATA_REQUIRED = (
    "data.train", "data.shape", "data.num_classes", "data.batch_size", "data.split_seed", "data.val_fraction",
    "data.test_fraction", "data.fraction", "data.normalize",
)  # fmt: skip
# Settings that a task requires, by the argument that receives them.
TASK_REQUIRED: dict[str, tuple[str, ...]] = {
    "net": ("model._target_",),
    "optim": ("optim._target_",),
    "scheduler": ("scheduler.name",),
    "augment": ("augment",),
}

# Nodes without keys beyond those above, and nodes that hold one recipe, or several by name.
CLOSED = ("monitor", "data", "regulariser", "fine_tune")
PARTS = ("task", "model", "optim", "scheduler")
GROUPS_OF_PARTS = ("augment", "callbacks", "logger")
# Settings in a recipe that the engine reads; the target never sees them.
ENGINE_KEYS: dict[str, tuple[str, ...]] = {
    "optim": ("exclude_bias_and_norm", "lr_factors"),
    "scheduler": ("interval", "frequency", "monitor"),
}
