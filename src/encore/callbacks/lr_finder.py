"""The learning-rate finder: one short trial before the first step, in which the rate grows until the loss does."""

import copy
import csv
import io
import itertools
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from encore.config.accelerator import device_count
from encore.config.facts import encores_data, encores_task
from encore.errors import ConfigError
from encore.files import replace, write_text
from encore.optim.optimizer import build_optimizer
from encore.seeding import derive, seed_everywhere
from encore.tasks.pictures import show

log = logging.getLogger("encore")

PICTURE, TABLE = "lr_finder.png", "lr_finder.csv"
SMOOTHING = 0.95  # of the loss, as an exponential moving average without bias
SKIPPED = 10  # first steps whose smoothed loss is of too few
FALLS = 0.05  # part of the loss by which it has to fall: less is noise


class LRFinder(pl.Callback):
    """Choose the learning rate where the loss falls fastest while the rate grows (Smith 2017, fast.ai's `steep`).

    A copy of the task takes `steps` steps on the first training batches, with rates from `lowest` to `highest` in equal
    ratios, and is thrown away. The run then trains as if `optim.lr` had been set to the rate chosen: as a function of
    the config alone, so that another run of the same config chooses the same. A resumed run keeps the choice.

    Args:
        lowest: the first rate.
        highest: the last one.
        steps: how many.
        stop_above: the trial ends when the smoothed loss is so many times its lowest value.

    Attributes:
        chosen: by setting, what was chosen; manifest.json has it.
    """

    chooses = ("optim.lr",)

    def __init__(self, lowest: float = 1e-6, highest: float = 1.0, steps: int = 100, stop_above: float = 4.0) -> None:
        if not 0 < lowest < highest:
            raise ValueError(f"lowest must be above 0 and below highest={highest}, not {lowest}")
        if steps < 2 * SKIPPED:
            raise ValueError(f"steps must be at least {2 * SKIPPED}, not {steps}")
        if stop_above <= 1:
            raise ValueError(f"stop_above must be above 1, not {stop_above}")
        self.lowest, self.highest, self.steps, self.stop_above = lowest, highest, steps, stop_above
        self.chosen: dict[str, float] = {}

    def against(self, cfg: dict) -> str | None:
        """Why the run cannot have a rate found; None if it can."""
        if not (encores_task(cfg) and encores_data(cfg)):
            return "tries rates with a task and data of Encore's; sweep over them: train.py -m optim.lr=1e-4,1e-3,1e-2"
        if "lr" not in cfg["optim"]:
            return f"chooses optim.lr, and optim={cfg['optim']['name']} has none"
        if str(cfg["optim"].get("_target_")).endswith(".LBFGS"):
            return "raises the rate step by step, and LBFGS searches along each step: choose another optim"
        if device_count(cfg) > 1:
            return "tries rates on one device: find one with trainer.devices=1, and set optim.lr to it"
        return None

    def on_fit_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Choose, unless that was done before the run was interrupted, and build the optimiser anew."""
        if not self.chosen:
            self.choose(trainer, task)
        use(self.chosen["optim.lr"], task)
        trainer.strategy.setup_optimizers(trainer)

    def choose(self, trainer: pl.Trainer, task: Any) -> None:
        generator = torch.get_rng_state()
        rates, losses = self.trial(trainer, task)
        torch.set_rng_state(generator)
        chosen = steepest(rates, losses)
        if chosen is None:
            raise ConfigError(
                f"callbacks.lr_finder: the loss does not fall between lr {self.lowest:g} and {self.highest:g} within "
                f"{self.steps} steps; choose optim.lr by hand, or other bounds"
            )
        self.chosen = {"optim.lr": chosen}
        log.info("lr       %.3g, where the loss falls fastest (%s); optim.lr=%g is not used", chosen, PICTURE,
                 task.optim["lr"])  # fmt: skip
        if trainer.is_global_zero:
            report(rates, losses, chosen, trainer)

    def trial(self, trainer: pl.Trainer, task: Any) -> tuple[np.ndarray, np.ndarray]:
        """The rates tried and the smoothed losses, each [steps], shorter if the loss grew too far."""
        trial = copy.deepcopy(task)
        trial.trainer = trainer
        trial.train()
        mixed = str(trainer.precision).endswith("-mixed")
        optimizer = build_optimizer({**task.optim, "lr": self.lowest}, trial.net, task.device, mixed)
        if hasattr(optimizer, "train"):  # a schedule-free one
            optimizer.train()
        factors = [group["lr"] / self.lowest for group in optimizer.param_groups]
        rates = np.geomspace(self.lowest, self.highest, self.steps)
        losses: list[float] = []
        mean, lowest = 0.0, math.inf
        for step, batch in zip(range(self.steps), again(trainer.datamodule), strict=False):  # type: ignore[attr-defined]
            seed_everywhere(derive(task.seed, "lr_finder", step), task.device)
            for group, factor in zip(optimizer.param_groups, factors, strict=True):
                group["lr"] = float(rates[step]) * factor
            optimizer.zero_grad()
            with torch.enable_grad(), trainer.precision_plugin.train_step_context():
                loss = trial.training_step(batch, step)["loss"]
                loss.backward()
            if trainer.gradient_clip_val:
                trial.configure_gradient_clipping(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
            optimizer.step()
            mean = SMOOTHING * mean + (1 - SMOOTHING) * float(loss.detach())
            losses.append(mean / (1 - SMOOTHING ** (step + 1)))
            lowest = min(lowest, losses[-1])
            if not losses[-1] <= self.stop_above * lowest:  # written so that NaN ends it, too
                break
        return rates[: len(losses)], np.array(losses)

    def state_dict(self) -> dict[str, Any]:
        return {"chosen": self.chosen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.chosen = state_dict["chosen"]


def again(data: Any) -> Iterator[Any]:
    """The first epoch's batches, over and over; the order that the run records stays as it is."""
    for _ in itertools.count():
        yield from data.loader(data.source, data.train_order())


def use(lr: float, task: Any) -> None:
    """Let a task build its optimiser with another rate, and a schedule that ends at the old one."""
    if task.scheduler.get("max_lr") == task.optim["lr"]:
        task.scheduler = {**task.scheduler, "max_lr": lr}
    task.optim = {**task.optim, "lr": lr}
    task.hparams.update(optim=task.optim, scheduler=task.scheduler)


def steepest(rates: np.ndarray, losses: np.ndarray) -> float | None:
    """The rate where the loss falls fastest over the rate's logarithm, before its lowest value; None without one.

    Beyond that a loss that has jumped may fall even faster.
    """
    held = np.isfinite(losses)
    held[:SKIPPED] = False
    rates, losses = rates[held], losses[held]
    if not len(rates):
        return None
    end = int(losses.argmin()) + 1
    rates, losses = rates[:end], losses[:end]
    if len(rates) < 2 or losses[0] - losses[-1] < FALLS * abs(losses[0]):
        return None
    return float(f"{rates[np.gradient(losses, np.log(rates)).argmin()]:.3g}")


def report(rates: np.ndarray, losses: np.ndarray, chosen: float, trainer: pl.Trainer) -> None:
    """The trial as a table and a picture in the run's folder, and in the loggers that show pictures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder, text, picture = Path(trainer.default_root_dir), io.StringIO(), io.BytesIO()
    csv.writer(text, lineterminator="\n").writerows([("lr", "loss"), *zip(rates, losses, strict=True)])
    write_text(folder / TABLE, text.getvalue())
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(rates, losses)
    axes.axvline(chosen, color="C1", linestyle="--", label=f"chosen: {chosen:g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss, smoothed")
    finite = losses[np.isfinite(losses)]
    axes.set_ylim(0, min(finite.max(), 1.5 * finite[0]) * 1.05)
    axes.legend(frameon=False)
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    replace(folder / PICTURE, picture.getvalue())
    show(trainer, "lr_finder", figure)
