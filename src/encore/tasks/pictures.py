"""Metrics that are not a single number, such as a confusion matrix, as pictures for loggers that can show them."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl

log = logging.getLogger("encore")


def show_tables(task: Any, splits: Sequence[str]) -> None:
    """Give the loggers a picture of each of a task's tables, drawn by the metric it comes from."""
    if not task.trainer.is_global_zero or not any(map(shows_pictures, task.loggers)):
        return
    for name, value in task.tables.items():
        split, _, metric = name.partition("/")
        scores = getattr(task, f"{split}_tally").scores
        if split not in splits or metric not in scores.keys(keep_base=True):
            continue
        figure = drawn(scores[metric], value, name)
        if figure is not None:
            show(task.trainer, name, figure)


def drawn(metric: Any, value: Any, name: str) -> Any:
    """A figure from torchmetrics' own `plot`; None if it cannot draw such a value."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch and matplotlib about NumPy 2, inside torchmetrics
            metric.plot(value, ax=figure.subplots())
    except Exception as problem:  # whatever a metric's plot raises; the table holds the same values
        log.info("%s has no picture: %s", name, problem)
        return None
    return figure


def shows_pictures(logger: Any) -> bool:
    """Whether a logger has `encore.loggers.contract.Showing.show_image`."""
    return hasattr(logger, "show_image")


def show(trainer: pl.Trainer, name: str, figure: Any) -> None:
    """Give a figure of matplotlib's to the loggers that show pictures, at the last optimiser step."""
    figure.canvas.draw()
    picture = np.array(figure.canvas.buffer_rgba())[..., :3]
    for logger in filter(shows_pictures, trainer.loggers):
        logger.show_image(name, picture, max(0, trainer.global_step - 1))  # type: ignore[attr-defined]
