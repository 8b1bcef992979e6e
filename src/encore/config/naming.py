"""Names of runs: what they are of, and the settings by which they differ from the defaults."""

import re
from typing import Any

from encore.config.defaults import changed

# Settings that are varied most, with their short names, as they follow each other in a name.
SHORT = {
    "optim.lr": "lr",
    "model.widths": "w",
    "data.batch_size": "b",
    "trainer.max_epochs": "e",
    "trainer.max_steps": "steps",
    "optim.weight_decay": "wd",
    "optim.momentum": "m",
    "data.fraction": "frac",
}
# Parts whose option says which group it is of.
BY_OPTION = ("scheduler.name", "augment", "callbacks", "regulariser.name")
# What a reader looks for last.
LAST = ("monitor.", "trainer.log_every_n_steps", "task")
LONGEST, LONGEST_VALUE = 60, 24  # characters
UNSAFE = re.compile(r"[^A-Za-z0-9._]+")


def run_name(cfg: dict) -> str:
    """A run's name: its data, model and optimiser; a task that brings its own replaces those."""
    model = cfg["model"]["name"]
    if model == "none":
        model = cfg["task"].get("name") or cfg["task"]["_target_"].rpartition(".")[2]
    return "-".join(name for name in (cfg["data"]["name"], model, cfg["optim"]["name"]) if name != "none")


def settings_name(cfg: dict, differs: dict[str, Any] | None = None) -> str:
    """The settings that differ from the defaults, short and safe as a folder's name: `lr0.003-w64`; empty if none do.

    The same config has the same name, however it was typed. Two configs may share one: a run's seed and fingerprint
    tell them apart.

    Args:
        cfg: the config.
        differs: the settings, where they have been found already.
    """
    settings = dict(changed(cfg) if differs is None else differs)
    if cfg["model"]["name"] == "none":  # the task is in the run's name already
        settings.pop("task", None)
    words: dict[str, None] = {}
    keys: dict[str, str] = {"seed": "seed"}  # which begins the name of a run's own folder
    for path in sorted(settings, key=place):
        key = SHORT.get(path) or path.rpartition(".")[2]
        if key.isdecimal():  # an item, as of data.keep
            key = ".".join(path.split(".")[-2:])
        if keys.setdefault(key, path) != path:
            key = path
        words[word(path, key, settings[path])] = None
    return cut(list(words))


def place(path: str) -> tuple[int, str]:
    """Where a setting stands in a name."""
    order = [*SHORT, *BY_OPTION]
    return (order.index(path) if path in order else len(order) + path.startswith(LAST)), path


def word(path: str, key: str, value: Any) -> str:
    """A setting and its value: `lr0.003`, `w256x128`, `norm_batch`; an option stands for itself: `cosine`."""
    shown = text(value)[:LONGEST_VALUE].strip("_.")
    if path in (*BY_OPTION, "task"):
        return shown
    number = shown[:1].isdecimal() and key[-1:].isalpha()
    return UNSAFE.sub("_", key) + ("" if number else "_") + shown


def text(value: Any) -> str:
    """A value in letters that are safe in a file's name everywhere."""
    if isinstance(value, list):
        numbers = all(isinstance(item, int | float) for item in value)
        return ("x" if numbers else "_").join(map(text, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:.4g}".replace("+", "")
    return UNSAFE.sub("_", last_part(str(value)))


def last_part(value: str) -> str:
    """What tells a path from others: a run's folder, or the file's name."""
    return value.removesuffix("/best.ckpt").removesuffix("/checkpoints").rpartition("/")[2] if "/" in value else value


def cut(words: list[str]) -> str:
    """Words in one name, and how many more there are where it would get too long."""
    shown = list(words)
    while len("-".join(shown)) > LONGEST:
        shown.pop()  # of at most LONGEST_VALUE and a key
    left = len(words) - len(shown)
    return "-".join(shown) + (f"+{left}" if left else "")
