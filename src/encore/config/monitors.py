"""Metrics that parts of a run watch: each is logged, and which way is better is the metric's to say."""

from collections.abc import Iterator, Mapping

from encore.config.directions import mode_of
from encore.config.facts import encores_task, has_validation, logged

# Parts whose `monitor` may be any text are left alone.
KNOWN = ("encore.", "pytorch_lightning.")
CHOOSING = ("monitor.metric", "callbacks.checkpoint.monitor")  # the others wait for a metric to get better
OPPOSITE = (("min", "max"), ("max", "min"))


def watched(cfg: dict) -> Iterator[tuple[str, str, str, str | None]]:
    """The metrics that are watched: the path of the metric, that of its mode, the metric, the mode; None if no mode."""
    yield "monitor.metric", "monitor.mode", cfg["monitor"]["metric"], cfg["monitor"]["mode"]
    scheduler = cfg.get("scheduler") or {}
    if isinstance(metric := scheduler.get("monitor"), str):
        plateau = str(scheduler.get("_target_")).endswith(".ReduceLROnPlateau")
        yield "scheduler.monitor", "scheduler.mode", metric, scheduler.get("mode", "min") if plateau else None
    for name, recipe in (cfg["callbacks"] or {}).items():
        known = isinstance(recipe, dict) and str(recipe.get("_target_")).startswith(KNOWN)
        if known and isinstance(metric := recipe.get("monitor"), str):
            # Of Lightning's callbacks that watch a metric, each has this default.
            yield f"callbacks.{name}.monitor", f"callbacks.{name}.mode", metric, recipe.get("mode", "min")


def against_metrics(cfg: dict) -> Iterator[str]:
    """Metrics that are watched and never logged, and modes that are seen to be the wrong way round without torch."""
    unlogged = set()
    for path, _, metric, _ in watched(cfg):
        # Without a validation set the last weights count as the best, whatever the metric.
        known = logged(cfg, has_validation(cfg) or path in CHOOSING)
        if known and metric not in known and metric not in unlogged:  # a callback's own often refer to `monitor`
            unlogged.add(metric)
            without = "" if has_validation(cfg) else "; there is no validation set"
            yield f"{path}={metric} is never logged; choose from {', '.join(known)}{without}"
    others = {metric for _, _, metric, _ in watched(cfg)} - unlogged
    yield from against_modes(cfg, {metric: mode_of_known(cfg, metric) for metric in others})


def against_modes(cfg: dict, better: Mapping[str, str | None]) -> Iterator[str]:
    """Modes that take the worst value of a metric for the best.

    Args:
        cfg: the config.
        better: `min` or `max` by metric; None if nobody knows, and the user's mode counts.
    """
    said = set()
    for path, path_of_mode, metric, mode in watched(cfg):
        right = better.get(metric)
        if (right, mode) in OPPOSITE and (metric, mode) not in said:
            said.add((metric, mode))
            takes = "choose" if path in CHOOSING else "wait for"
            yield f"{path_of_mode}={mode} would {takes} the worst {metric}: {path_of_mode}={right} the best"


def mode_of_known(cfg: dict, metric: str) -> str | None:
    """`min` or `max` for a loss of Encore's tasks and for torchmetrics' classes, whose names never mislead.

    Any other metric is asked once it is built, as its class may say the opposite of its name.
    """
    if not encores_task(cfg):
        return None
    kind = class_of(cfg, metric)
    if kind is None:
        return mode_of(metric)
    return mode_of(kind.rpartition(".")[2]) if kind.startswith("torchmetrics.") else None


def mode_by_name(cfg: dict, metric: str) -> str | None:
    """`min` or `max` by the name of a metric's class, or by its own; None if neither tells."""
    return mode_of((class_of(cfg, metric) or "").rpartition(".")[2]) or mode_of(metric)


def class_of(cfg: dict, metric: str) -> str | None:
    """The class of one of a task's metrics, as the config names it."""
    recipe = ((cfg["task"].get("metrics") if encores_task(cfg) else None) or {}).get(metric.partition("/")[2])
    kind = recipe.get("_target_") if isinstance(recipe, dict) else None
    return kind if isinstance(kind, str) else None
