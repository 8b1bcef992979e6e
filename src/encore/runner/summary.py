"""What a run prints: what is going to run, and what came out."""

import logging
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from encore.config.build import takes
from encore.config.facts import encores_task, opens_test, show
from encore.config.traits import chosen_by
from encore.record.result import Result
from encore.runner.announcement import rows
from encore.runner.contracts import number_of_parameters
from encore.runner.first_weights import FirstWeights

log = logging.getLogger("encore")

SPLITS = ("train", "val", "test")


def before(
    cfg: dict,
    data: Any,
    task: pl.LightningModule,
    trainer: pl.Trainer,
    start: str | None,
    first: FirstWeights | None = None,
) -> None:
    """Print in a few lines what is known of a run once its parts are built, leaving out what it does not use."""
    notes = [f"{'':8} {note}" for note in getattr(data, "notes", ())]
    lines = {
        "model": of_model(cfg, task),
        "weights": first.words if first else None,
        "optim": "; ".join(of_optim(cfg)),
        "ranks": of_ranks(cfg, data, trainer) if trainer.world_size > 1 else None,
        "start": start,
    }
    log.info("\n".join([rows({"data": "; ".join(of_data(cfg, data))}), *notes, rows(lines)]))


def of_data(cfg: dict, data: Any) -> list[str]:
    """How many examples each split has, and how they are made."""
    name, sizes = cfg["data"]["name"], getattr(data, "sizes", None)
    if sizes is None:
        return [f"{name}: {type(data).__name__}"]
    shown = {split: f"{count:,} {split}" for split, count in sizes.items()}
    counts = ", ".join((shown if opens_test(cfg) else {**shown, "test": "test closed"}).values())
    return [
        f"{name}: {counts}",
        *(resampling(cfg["data"], data) if hasattr(data, "split") else []),
        *normalization(cfg),
        *batches(data),
    ]


def of_model(cfg: dict, task: pl.LightningModule) -> str:
    """What is trained, and how large it is."""
    name = cfg["model"]["name"] if gives(cfg, "net") else type(task).__name__
    trained, frozen = number_of_parameters(task)
    return f"{name}: {trained:,} parameters" + (f", and {frozen:,} frozen" if frozen else "")


def of_optim(cfg: dict) -> list[str]:
    """Optimiser, schedule and augmentation, as far as the task takes them."""
    optim, said = cfg["optim"], []
    if gives(cfg, "optim"):
        decay = optim.get("weight_decay", 0)
        rate = "to be found" if "optim.lr" in chosen_by(cfg) else f"{optim.get('lr', 0):g}"
        said.append(f"{optim['name']}" + (f", lr {rate}, weight decay {decay:g}" if "lr" in optim else ""))
    if (penalty := cfg["task"].get("penalty")) and encores_task(cfg) and penalty.get("weight"):
        said.append(f"penalty {penalty['weight']:g} · {penalty['norm']}")
    if gives(cfg, "scheduler"):
        said.append(f"schedule {cfg['scheduler']['name']}")
    if gives(cfg, "augment"):
        said.append(f"augment {' + '.join(cfg['augment'] or {}) or 'none'}")
    return said


def gives(cfg: dict, part: str) -> bool:
    """Whether the task's constructor takes a part of the config."""
    return takes(cfg["task"]["_target_"], part)


def batches(data: Any) -> list[str]:
    """Number and size of an epoch's batches, if they are known."""
    if not (hasattr(data, "train_order") and hasattr(data, "batch_size")):
        return []
    return [f"{len(data.train_order()):,} batches of {data.batch_size}"]


def of_ranks(cfg: dict, data: Any, trainer: pl.Trainer) -> str:
    """How many examples a step sees, over all ranks together."""
    ranks, machines = trainer.world_size, f"{trainer.num_nodes} machine" + "s" * (trainer.num_nodes > 1)
    said = f"{ranks} on {machines}"
    if not hasattr(data, "batch_size"):
        return said
    accumulated = cfg["trainer"].get("accumulate_grad_batches", 1)
    times = f" × {accumulated} accumulated" if accumulated > 1 else ""
    here = f"{data.batch_size / ranks:g} a rank × {ranks} ranks{times}"
    return f"{said}; global batch {data.batch_size * accumulated:,}: {here}"


def resampling(recipe: dict, data: Any) -> list[str]:
    """Which fold is held out, how classes are thinned or balanced, and what the bootstrap drew."""
    said = []
    if recipe.get("folds"):
        said.append(f"fold {recipe['fold']} of {recipe['folds']}")
    if recipe.get("keep"):
        said.append(f"keep {show(recipe['keep'])}")
    if recipe.get("sampling") == "balanced":
        said.append("classes sampled alike")
    if recipe.get("bootstrap") is not None:
        said.append(f"bootstrap {recipe['bootstrap']}, {len(data.split.train.unique()):,} different")
    return said


def normalization(cfg: dict) -> list[str]:
    """How inputs are normalised, and targets if they are."""
    targets = cfg["data"].get("normalize_targets", "none")
    return [normalized(cfg["data"]["normalize"])] + [f"targets {normalized(targets)}"] * (targets != "none")


def normalized(norm: str | dict) -> str:
    if isinstance(norm, str):
        return norm
    if set(norm) == {"mean", "std"}:
        return f"mean {show(norm['mean'])}, std {show(norm['std'])}"
    return ", ".join(f"{name} {normalized(one)}" for name, one in norm.items())


def after(result: Result) -> None:
    """Print the results, where they are, and how to look at them."""
    best = result.best
    chosen = (
        f"the weights of epoch {best['epoch'] + 1}, best by {best['monitor']}"
        if best.get("monitor")
        else "the last weights"
    )
    tested = any(name.startswith("test") for name in result.metrics)
    log.info(
        "\n%s\n\n%d epochs, %d steps, %.1f s; %s %s\n%s\n%s --logdir %s",
        table(result.metrics),
        result.epochs,
        result.steps,
        result.seconds,
        "test with" if tested else "no test; best.ckpt has",
        chosen,
        result.folder,
        tensorboard(),
        result.runs_dir,
    )


def tensorboard() -> str:
    """This environment's TensorBoard command, in its shortest form."""
    command = Path(sys.executable).with_name("tensorboard")
    return str(command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command)


def table(metrics: dict[str, float]) -> str:
    """Metrics as a table: a row per metric, a column per split; those without a split below."""
    by_split = {name: value for name, value in metrics.items() if name.partition("/")[0] in SPLITS and "/" in name}
    splits = [split for split in SPLITS if any(name.startswith(f"{split}/") for name in by_split)]
    names = list(dict.fromkeys(name.split("/", 1)[1] for name in by_split))
    others = [name for name in metrics if name not in by_split]
    width = max(map(len, [*names, *others]), default=0) + 2
    cells = {name: "-" if value is None else f"{value:.4f}" for name, value in metrics.items()}
    column = max([10, *(len(cell) + 2 for cell in cells.values())])
    rows = ["".ljust(width) + "".join(split.rjust(column) for split in splits)] if splits else []
    for name in names:
        row = (cells.get(f"{split}/{name}", "-") for split in splits)
        rows.append(name.ljust(width) + "".join(cell.rjust(column) for cell in row))
    return "\n".join([*rows, *(name.ljust(width) + cells[name].rjust(column) for name in others)])
