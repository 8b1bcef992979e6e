"""Questions that several packages ask of a resolved config."""

from collections.abc import Iterator
from typing import Any

# Settings of the data that change neither the choice nor the content of the test examples.
OF_TRAINING = (
    "data.batch_size", "data.bootstrap", "data.drop_last", "data.eval_batch_size", "data.fold", "data.folds",
    "data.fraction", "data.keep", "data.normalize", "data.normalize_targets", "data.order", "data.sampling",
    "data.shuffle", "data.val_fraction", "data.weights",
)  # fmt: skip

# The data module of a config that names none.
DATA_MODULE = "encore.data.module.DataModule"

MISSING = object()
LONGEST_SHOWN = 200  # characters of a value in a message


def look_up(cfg: dict, path: str) -> Any:
    """The value at a dotted path, or `MISSING`."""
    node: Any = cfg
    for key in path.split("."):
        if not isinstance(node, dict) or key not in node:
            return MISSING
        node = node[key]
    return node


def leaves(cfg: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting that is not a group of settings, by its dotted path."""
    for key, value in cfg.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def encores_data(cfg: dict) -> bool:
    """Whether the data use Encore's DataModule, whose settings are known."""
    return look_up(cfg, "data._target_") in (MISSING, None, DATA_MODULE)


def encores_task(cfg: dict) -> bool:
    """Whether the task is one of Encore's, whose arguments and logged metrics are known."""
    return str(look_up(cfg, "task._target_")).startswith("encore.tasks.")


def logged(cfg: dict, validation: bool, test: bool = False) -> list[str]:
    """The metrics that a run logs each epoch and at its end; empty if the task does not declare its metrics."""
    metrics = cfg["task"].get("metrics") if encores_task(cfg) else None
    splits = ["train", *["val"] * validation, *["test"] * test]
    return [f"{split}/{name}" for split in splits for name in ("loss", *metrics)] if metrics is not None else []


def monitored(cfg: dict) -> tuple[str, str]:
    """The monitored metric and its mode; without a validation set, the training loss."""
    return (cfg["monitor"]["metric"], cfg["monitor"]["mode"]) if has_validation(cfg) else ("train/loss", "min")


def data_target(cfg: dict) -> str:
    return str(cfg["data"].get("_target_") or DATA_MODULE)


def has_own_data_module(cfg: dict) -> bool:
    """Whether the user brings a LightningDataModule; what it holds is known only after its setup."""
    return data_target(cfg) != DATA_MODULE and "train" not in cfg["data"]


def has_validation(cfg: dict) -> bool:
    """Whether examples are held out for choosing the best weights."""
    held_out = has_own_data_module(cfg) or cfg["data"].get("folds") or cfg["data"]["val_fraction"] > 0
    return bool(held_out) and cfg["trainer"].get("limit_val_batches") != 0


def has_test(cfg: dict) -> bool:
    """Whether there is a test set, and the run reads it."""
    held_out = has_own_data_module(cfg) or cfg["data"].get("test") or cfg["data"]["test_fraction"] > 0
    return bool(held_out) and opens_test(cfg)


def opens_test(cfg: dict) -> bool:
    """Whether the run may read a test set, if there is one."""
    return cfg.get("test", True) and cfg["trainer"].get("limit_test_batches") != 0


def without_test(cfg: dict) -> str:
    """Why a run has no test metrics, and what to do about it."""
    if not cfg.get("test", True):
        return "left its test set closed (test=false); the same run with test=true reads it"
    if not opens_test(cfg):
        return "left its test set closed (trainer.limit_test_batches=0); the same run without that reads it"
    return f"has no test set: data={cfg['data']['name']} has none; data.test_fraction=0.2 holds one out"


def show(value: Any) -> str:
    """A value as it is written on the command line; a long one is cut."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, list):
        value = f"[{', '.join(map(show, value))}]"
    text = str(value) if str(value).isprintable() else repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
