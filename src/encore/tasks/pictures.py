"""Metrics that are not a single number, such as a confusion matrix, as pictures for loggers that can show them."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

log = logging.getLogger("encore")


def show_tables(task: Any, splits: Sequence[str]) -> None:
    """Give the loggers a picture of each of a task's tables, drawn by the metric it comes from."""
    loggers = [logger for logger in task.loggers if shows_pictures(logger)]
    if not loggers or not task.trainer.is_global_zero:
        return
    for name, value in task.tables.items():
        split, _, metric = name.partition("/")
        scores = getattr(task, f"{split}_tally").scores
        if split not in splits or metric not in scores.keys(keep_base=True):
            continue
        figure = drawn(scores[metric], value, name)
        for logger in loggers if figure is not None else []:
            show(logger, name, figure, task.trainer)


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


def shows_pictures(logger: Logger) -> bool:
    return hasattr(type(logger), "log_image") or takes_figures(logger) or hasattr(logger, "show_image")


def takes_figures(logger: Any) -> bool:
    """Whether a logger is TensorBoard's, or works like it."""
    return hasattr(getattr(logger, "experiment", None), "add_figure")


def show(logger: Any, name: str, figure: Any, trainer: pl.Trainer) -> None:
    step = max(0, trainer.global_step - 1)
    if hasattr(type(logger), "log_image"):  # Weights & Biases
        logger.log_image(key=name, images=[figure], step=trainer.global_step)
    elif takes_figures(logger):
        logger.experiment.add_figure(name, figure, step)
    else:  # a logger of one's own, or a service's (encore.loggers.contract.Showing)
        figure.canvas.draw()
        logger.show_image(name, np.asarray(figure.canvas.buffer_rgba())[..., :3], step)
