"""Checks of a config, without importing torch, before anything is created."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from encore.config.facts import MISSING, encores_data, encores_task, look_up, show
from encore.config.keys import unread
from encore.config.monitors import against_metrics
from encore.config.recipe_checks import refused_values
from encore.config.refusal import refused
from encore.config.rules import Rule, integer
from encore.config.settings import (
    DATA_REQUIRED,
    DATA_RULES,
    REQUIRED,
    RULES,
    SCHEDULER_RULES,
    TASK_REQUIRED,
    TASK_RULES,
    TORCH_OPTIM_RULES,
)
from encore.config.settings import OUR_SETTINGS as OUR_SETTINGS
from encore.config.signature import signature
from encore.config.structure import malformed
from encore.config.trainer_checks import against_trainer
from encore.config.traits import against_averages
from encore.errors import ConfigError

# What Python calls the script or notebook that it runs.
OF_THIS_PROCESS = ("__main__", "__mp_main__")
LONGEST_NAME = 255  # bytes, of a folder on the usual file systems


def check(cfg: dict, referred: set[str] | None = None) -> None:
    """Raise ConfigError with everything that is wrong with a resolved config.

    Args:
        cfg: the config.
        referred: the paths that its interpolations referred to. With these, settings that nothing reads are refused,
            modes that choose the worst, and what the Trainer would not heed; without, they are let pass, as in a config
            that an older Encore recorded.
    """
    if problems := malformed(cfg):
        raise ConfigError("\n".join(problems))
    problems = [*missing(cfg), *of_this_process(cfg)]
    for path, rule in rules(cfg).items():
        value = look_up(cfg, path)
        if value is not MISSING and value != "???" and (problem := rule(value)):
            problems.append(refused(path, value, problem))
    ruled = {problem.partition("=")[0].rpartition(".")[0] for problem in problems}
    mismatch = [] if problems else against_task(cfg)
    problems += mismatch or refused_values(cfg, but=ruled)
    if referred is not None and isinstance(cfg.get("trainer"), dict):
        problems += unread(cfg, referred)
    if not problems:
        problems = contradictions(cfg)
        problems += [*against_metrics(cfg), *against_trainer(cfg)] if referred is not None else []
    if problems:
        raise ConfigError("\n".join(problems))


def check_data(cfg: dict) -> None:
    """Raise ConfigError with what is wrong with a config's data, whatever net they are for."""
    problems = malformed(cfg) or [problem for problem in missing(cfg) if problem.startswith("data.")]
    for path, rule in rules(cfg).items():
        value = look_up(cfg, path)
        if path.startswith("data.") and value is not MISSING and (problem := rule(value)):
            problems.append(refused(path, value, problem))
    if problems:
        raise ConfigError("\n".join(problems))


def missing(cfg: dict) -> Iterator[str]:
    """Required settings that are missing: the engine's, and those that the config's data and task need."""
    task = look_up(cfg, "task._target_")
    known = signature(task) if isinstance(task, str) else None
    needed = [*REQUIRED, *(DATA_REQUIRED if encores_data(cfg) else ())]
    for argument, paths in TASK_REQUIRED.items():
        needed += paths if known is not None and argument in known.parameters else ()
    return (f"{path} is not set" for path in needed if look_up(cfg, path) in (MISSING, "???"))


def of_this_process(node: Any, path: str = "") -> Iterator[str]:
    """Recipes of classes that only this process has: of a notebook, or of the script that is run."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        setting = f"{path}.{key}" if path else str(key)
        if key == "_target_" and isinstance(value, str) and value.partition(".")[0] in OF_THIS_PROCESS:
            name = value.rpartition(".")[2]
            yield (
                f"{setting}={value}: no other process can build it, such as that of evaluate, reproduce or a second "
                f"rank, and a change of it would not make another run. Write {name} into a file, in a notebook with "
                f"%%writefile my_parts.py, and name my_parts.{name}"
            )
        yield from of_this_process(value, setting)


def rules(cfg: dict) -> dict[str, Rule]:
    """The rules for the settings of a config; what its parts ask for is theirs to say."""
    found = RULES | (DATA_RULES if encores_data(cfg) else {}) | (TASK_RULES if encores_task(cfg) else {})
    for part, rules_of_torch in (("optim", TORCH_OPTIM_RULES), ("scheduler", SCHEDULER_RULES)):
        if str(look_up(cfg, f"{part}._target_")).startswith("torch.optim."):
            found |= rules_of_torch
    callbacks = cfg.get("callbacks")
    for name, recipe in callbacks.items() if isinstance(callbacks, dict) else ():
        target = str(recipe.get("_target_")) if isinstance(recipe, dict) else ""
        if target.startswith("pytorch_lightning.") and target.endswith(".EarlyStopping"):
            found |= {f"callbacks.{name}.patience": integer(0)}
    return found


def contradictions(cfg: dict) -> list[str]:
    """Values that are valid on their own, but not together."""
    data = cfg["data"]
    checks = (against_resampling, against_sampling, transforms, against_names)
    found = [said for check in checks for said in check(data)] if encores_data(cfg) else []
    if encores_data(cfg) and not data.get("folds") and data["val_fraction"] + data["test_fraction"] >= 1:
        found.append(
            f"data.val_fraction={data['val_fraction']} and data.test_fraction={data['test_fraction']} add up to "
            "1 or more: nothing is left to train on"
        )
    found += [*against_first_weights(cfg), *against_factors(cfg), *against_schedule_free(cfg), *against_averages(cfg)]
    names = [str(look_up(cfg, f"{part}.name")) for part in ("data", "model", "optim")]
    if len("-".join(names).encode()) > LONGEST_NAME:
        found.append(
            f"data.name, model.name and optim.name together name the run's folder: at most {LONGEST_NAME} bytes"
        )
    if look_up(cfg, "scheduler.monitor") is not MISSING and cfg["scheduler"].get("interval") == "step":
        found.append(
            f"scheduler.interval=step: {cfg['scheduler']['monitor']} is computed once per epoch, not every step"
        )
    return found


def against_sampling(data: dict) -> Iterator[str]:
    """Contradictions between the classes of the data and how their examples are drawn or left out."""
    ways = [name for name in ("order", "bucket") if data.get(name)]
    if data.get("sampling") == "balanced" and ways:
        yield f"data.sampling=balanced and data.{ways[0]} both say which examples an epoch has: choose one"
    changed = [name for name, usual in (("sampling", "uniform"), ("keep", None)) if (data.get(name) or usual) != usual]
    for name in changed:
        if data.get("num_classes") is None:
            yield f"data.{name}={show(data[name])} is about classes, and data={data['name']} has data.num_classes=null"


def against_first_weights(cfg: dict) -> Iterator[str]:
    """Settings of fine-tuning in a run that starts from no weights but its own."""
    usual = {"new": "auto", "trained": "all"}
    for key, value in (cfg.get("fine_tune") or {}).items():
        if cfg.get("init_from") is None and value != usual.get(key, value):
            yield f"fine_tune.{key}={show(value)} has no effect without init_from, the weights to start from"


def against_factors(cfg: dict) -> Iterator[str]:
    """Learning rates by module, under a schedule that gives all of them the same."""
    most = look_up(cfg, "scheduler.max_lr")
    if look_up(cfg, "optim.lr_factors") not in (MISSING, None, {}) and isinstance(most, int | float):
        yield (
            f"optim.lr_factors has no effect with scheduler={show(look_up(cfg, 'scheduler.name'))}, which takes every "
            "learning rate to scheduler.max_lr: scheduler=cosine scales them all"
        )


def against_schedule_free(cfg: dict) -> Iterator[str]:
    """What an optimiser without a schedule lacks, or has too many of."""
    if not str(look_up(cfg, "optim._target_")).startswith("schedulefree."):
        return
    name, recipes = show(cfg["optim"]["name"]), filter(None, (cfg["callbacks"] or {}).values())
    if find_spec("schedulefree") is None:
        yield f"optim={name} needs a package that is not installed: uv pip install schedulefree"
    if not any(str(recipe.get("_target_")).endswith(".ScheduleFree") for recipe in recipes):
        yield (
            f"optim={name} needs callbacks.schedule_free, so that validation sees its average: "
            "+callbacks.schedule_free._target_=encore.callbacks.schedule_free.ScheduleFree"
        )
    if look_up(cfg, "scheduler._target_") is not MISSING:
        yield f"optim={name} takes the place of a schedule: scheduler=none; optim.warmup_steps warms up"


def against_task(cfg: dict) -> list[str]:
    """Why the task cannot learn the targets of the data, if it cannot."""
    if not (encores_task(cfg) and encores_data(cfg)):
        return []
    name, classes = cfg["data"]["name"], cfg["data"]["num_classes"]
    task, outputs = cfg["task"]["_target_"].rpartition(".")[2], cfg["task"].get("num_outputs")
    if task == "Classification" and isinstance(classes, int) and isinstance(outputs, int) and outputs < classes:
        return [f"task.num_outputs={outputs} are fewer than the {classes} classes of data={name} (data.num_classes)"]
    if task == "Classification" and classes is None and cfg["task"].get("num_outputs") is None:
        return [
            f"task=classification learns classes, and data={name} has numbers as targets: task=regression learns them"
        ]
    if task == "Binary" and classes != 2:
        has = "numbers as targets" if classes is None else f"{classes} classes"
        return [f"task=binary is of two classes, and data={name} has {has}: task=classification or regression"]
    if task != "Regression" and cfg["data"].get("normalize_targets", "none") != "none":
        return [
            f"data.normalize_targets={show(cfg['data']['normalize_targets'])}: only task=regression learns normalised "
            "targets"
        ]
    if task in ("Regression", "Likelihood") and classes is not None:
        return [
            f"task={task.lower()} learns numbers, and data={name} has classes; "
            "data.num_classes=null says that a dataset has numbers as targets"
        ]
    return []


def transforms(data: dict) -> Iterator[str]:
    """Changes of single examples: with arrays they would be ignored, and recipes within a recipe are not built."""
    for part in ("train", "test"):
        recipe = data.get(part) or {}
        of_torchvision = str(recipe.get("_target_")).startswith("torchvision.")
        for key in ("transform", "target_transform", "transforms"):
            value = recipe.get(key)
            if value is not None and (of_torchvision or "_target_" in str(value)):
                yield (
                    f"data.{part}.{key}: Encore changes whole batches on the device instead: data.shape resizes, "
                    "data.normalize normalises, augment=flip_crop and its like augment"
                )


def against_names(data: dict) -> Iterator[str]:
    """Names of classes that are not one for each."""
    names, (key, count) = data.get("classes"), number_of_classes(data)
    if not names:
        return
    if count is None:
        yield f"data.classes names {len(names)} classes, and data={data['name']} has numbers as targets"
    elif len(names) != count:
        yield f"data.classes has {len(names)} names, and data.{key}={count}: each has one"
    elif twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"data.classes has a name twice: {', '.join(twice)}"


def number_of_classes(data: dict) -> tuple[str, int | None]:
    """The setting that says how many classes or labels there are, and their number."""
    return next(((key, data[key]) for key in ("num_classes", "num_labels") if data.get(key)), ("num_classes", None))


def against_resampling(data: dict) -> list[str]:
    """Contradictions between the folds and the bootstrap."""
    folds, fold, found = data.get("folds"), data.get("fold", 0), []
    if folds and fold >= folds:
        found.append(f"data.fold={fold} must be from 0 to {folds - 1}, since data.folds={folds}")
    if fold and not folds:
        found.append(f"data.fold={fold} needs data.folds, the number of folds")
    if look_up(data, "weights.path") not in (MISSING, None) and data.get("bootstrap") is None:
        found.append("data.weights.path has no effect without the bootstrap: data.bootstrap=0 turns it on")
    return found
