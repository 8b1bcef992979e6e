"""What a run says: what is going to run, and what came out."""

import logging
import sys
from pathlib import Path

import pytorch_lightning as pl

from encore.config import show
from encore.data.module import DataModule
from encore.record.result import Result

log = logging.getLogger("encore")


def before(
    cfg: dict,
    folder: Path,
    data: DataModule,
    task: pl.LightningModule,
    trainer: pl.Trainer,
    start: str | None,
) -> None:
    """Say in a few lines what is going to run."""
    shown = {split: f"{count:,} {split}" for split, count in data.sizes.items()}
    sizes = ", ".join((shown if data.test else {**shown, "test": "test closed"}).values())
    parameters = sum(parameter.numel() for parameter in task.parameters())
    schedule, augmented = cfg["scheduler"]["name"], " + ".join(cfg["augment"] or {}) or "none"
    limits = cfg["trainer"]
    device = trainer.strategy.root_device.type
    lines = {
        "data": "; ".join([f"{cfg['data']['name']}: {sizes}", *resampling(cfg["data"], data), normalization(cfg)]),
        "model": f"{cfg['model']['name']}: {parameters:,} parameters",
        "optim": f"{cfg['optim']['name']}, lr {cfg['optim']['lr']:g}, weight decay "
        f"{cfg['optim'].get('weight_decay', 0):g}; schedule {schedule}; augment {augmented}",
        "trainer": f"{limits['max_epochs']} epochs of {len(data.train_order()):,} × {data.batch_size}; "
        f"{trainer.world_size} × {device}, {cfg['threads']} threads, {limits.get('precision')}; seed {cfg['seed']}",
        "folder": str(folder),
    }
    if start is not None:
        lines["start"] = start
    log.info("\n".join(f"{name:8} {line}" for name, line in lines.items()))


def resampling(recipe: dict, data: DataModule) -> list[str]:
    """Which fold is held out, and what the bootstrap drew."""
    said = []
    if recipe.get("folds"):
        said.append(f"fold {recipe['fold']} of {recipe['folds']}")
    if recipe.get("bootstrap") is not None:
        said.append(f"bootstrap {recipe['bootstrap']}, {len(data.split.train.unique()):,} different")
    return said


def normalization(cfg: dict) -> str:
    """How inputs are normalised."""
    norm = cfg["data"]["normalize"]
    return norm if isinstance(norm, str) else f"mean {show(norm['mean'])}, std {show(norm['std'])}"


def after(result: Result) -> None:
    """Say what came out, where it is, and how to look at it."""
    best = result.best
    chosen = (
        f"the weights of epoch {best['epoch'] + 1}, best by {best['monitor']}"
        if best.get("monitor")
        else "the last weights"
    )
    tested = any(name.startswith("test/") for name in result.metrics)
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
        result.folder.parent.parent,
    )


def tensorboard() -> str:
    """The command of this environment's TensorBoard, as short as it can be typed here."""
    command = Path(sys.executable).with_name("tensorboard")
    return str(command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command)


def table(metrics: dict[str, float]) -> str:
    """Metrics as a table: a row a metric, a column a split."""
    splits = [split for split in ("train", "val", "test") if any(name.startswith(f"{split}/") for name in metrics)]
    names = list(dict.fromkeys(name.split("/", 1)[1] for name in metrics))
    width = max(map(len, names), default=0) + 2
    rows = ["".ljust(width) + "".join(split.rjust(10) for split in splits)]
    for name in names:
        values = (metrics.get(f"{split}/{name}") for split in splits)
        cells = ("-" if value is None else f"{value:.4f}" for value in values)
        rows.append(name.ljust(width) + "".join(cell.rjust(10) for cell in cells))
    return "\n".join(rows)
