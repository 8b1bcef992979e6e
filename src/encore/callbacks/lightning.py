"""Lightning's callbacks in a run: each works as documented, or is refused with the reason and an alternative."""

import inspect
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
from pytorch_lightning.callbacks import (
    BackboneFinetuning,
    BasePredictionWriter,
    BatchSizeFinder,
    Callback,
    LambdaCallback,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    ModelSummary,
    OnExceptionCheckpoint,
    ProgressBar,
    StochasticWeightAveraging,
)
from pytorch_lightning.profilers import AdvancedProfiler, Profiler, SimpleProfiler
from torch import nn

from encore.callbacks.progress import Progress
from encore.config.build import build
from encore.config.facts import has_validation, logged
from encore.config.packages import needs
from encore.errors import ConfigError

log = logging.getLogger("encore")

# Callbacks that cannot be part of a run, why, and the alternative.
REFUSED: dict[type[Callback], str] = {
    LearningRateFinder: "changes optim.lr behind the config's back: the run would be recorded under a rate that it was "
    "not trained with. callbacks=lr_finder finds one that the record holds",
    BatchSizeFinder: "changes data.batch_size behind the config's back: the run would be recorded under a size that it "
    "was not trained with. encore find_batch_size says what fits; train.py -m data.batch_size=64,128,256 tries some",
    StochasticWeightAveraging: "puts the average in after the last validation: the recorded figures would not be "
    "those of best.ckpt. encore.callbacks.averaging.WeightAverage computes the same average, and validation sees it",
    OnExceptionCheckpoint: "would save within a step, where the state is inconsistent, and Lightning would resume from "
    "it. Runs resume from last.ckpt automatically; callbacks.checkpoint.every_n_steps=100 saves more often",
    ModelPruning: "renames the weights while they are trained: neither best.ckpt nor a checkpoint to resume from would "
    "fit the net. Prune the weights of a finished run",
    BasePredictionWriter: "would never be called: a run does not predict",
}
# Default subfolders of the run's folder for callbacks that save.
OWN_FOLDER = "checkpoints/{}"
PROFILERS: dict[str, type[Profiler]] = {"simple": SimpleProfiler, "advanced": AdvancedProfiler}


def build_callbacks(cfg: dict, folder: Path) -> list[Callback]:
    """Build a run's callbacks.

    Raises:
        ConfigError: one cannot be built, or cannot be part of this run.
    """
    recipes = {name: recipe for name, recipe in (cfg["callbacks"] or {}).items() if recipe}
    callbacks = [build_callback(name, recipe, cfg, folder) for name, recipe in recipes.items()]
    if shows_bar(callbacks) and any(isinstance(callback, Progress) for callback in callbacks):
        raise ConfigError("two progress bars on one terminal: callbacks.progress=null removes Encore's")
    return callbacks


def build_callback(name: str, recipe: dict, cfg: dict, folder: Path) -> Callback:
    """Build one callback and adapt it to the run."""
    what, kind = f"callbacks.{name}", str(recipe.get("_target_")).rpartition(".")[2]
    if kind in ("RichProgressBar", "RichModelSummary"):
        needs("rich", what)
    callback: Any = build(recipe, what=what, nested=True)
    if not isinstance(callback, Callback):
        raise ConfigError(f"{what}: {recipe['_target_']} is not a Lightning Callback")
    for refused, reason in REFUSED.items():
        if isinstance(callback, refused):
            raise ConfigError(f"{what}: {type(callback).__name__} {reason}")
    if isinstance(callback, ModelCheckpoint):
        callback.dirpath = place_of(callback, recipe, what, OWN_FOLDER.format(name), folder)
    check_monitor(callback, what, cfg)
    fit_in(callback, what, cfg)
    return callback


def place_of(callback: Callback, recipe: dict, what: str, default: str, folder: Path) -> str:
    """The folder a callback saves to: its path is taken within the run's folder, away from Encore's own files."""
    place = folder / Path(recipe.get("dirpath") or default).expanduser()
    if place.resolve() == (folder / "checkpoints").resolve():
        raise ConfigError(
            f"{what}.dirpath={recipe['dirpath']}: this folder holds what the run is resumed from; "
            f"without a dirpath {type(callback).__name__} saves into {default}"
        )
    return str(place)


def check_monitor(callback: Callback, what: str, cfg: dict) -> None:
    """Raise ConfigError if one of Lightning's callbacks monitors a metric that is never logged."""
    metric = getattr(callback, "monitor", None)
    if not type(callback).__module__.startswith("pytorch_lightning.") or not isinstance(metric, str):
        return
    known = logged(cfg, has_validation(cfg))
    if known and metric not in known:
        raise ConfigError(f"{what}.monitor={metric} is never logged; choose from {', '.join(known)}")


def fit_in(callback: Any, what: str, cfg: dict) -> None:
    """Make one of Lightning's callbacks work in a run as it does elsewhere, or say what is missing."""
    if isinstance(callback, ProgressBar) and not hasattr(callback, "looks_every"):
        look_once_a_call(callback)
    if isinstance(callback, LambdaCallback):
        check_hooks(callback, what)
    if hasattr(callback, "against") and (reason := callback.against(cfg)):
        raise ConfigError(f"{what}: {reason}")
    if isinstance(callback, ModelSummary) or getattr(callback, "verbose", False):
        let_speak(type(callback).__module__)


def look_once_a_call(bar: ProgressBar) -> None:
    """Let a progress bar advance by all the steps of a call; left alone, it would allow one step per call."""
    plain = bar.on_train_batch_end

    def advance(trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        plain(trainer, task, outputs, batch, trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1)

    vars(bar)["on_train_batch_end"] = advance
    vars(bar)["looks_every"] = lambda trainer: None


def check_hooks(callback: LambdaCallback, what: str) -> None:
    """Raise ConfigError for a hook that is not a function."""
    for hook in inspect.signature(LambdaCallback).parameters:
        if not callable(found := getattr(callback, hook)):
            raise ConfigError(
                f"{what}.{hook}={found}: a function is written {{_target_: my_module.my_function, _partial_: true}}"
            )


class Relay(logging.Handler):
    """Forwards messages of one of Lightning's modules to the run's own log."""

    def emit(self, record: logging.LogRecord) -> None:
        log.info(record.getMessage())


def let_speak(module: str) -> None:
    """Show messages of one of Lightning's modules; the library's notices are silenced otherwise."""
    speaker = logging.getLogger(module)
    if not any(isinstance(handler, Relay) for handler in speaker.handlers):
        speaker.addHandler(Relay())
    speaker.setLevel(logging.INFO)
    speaker.propagate = False


def check_before_training(cfg: dict) -> None:
    """Find what callbacks lack for training but not for evaluation; say what they give up.

    Raises:
        ConfigError: a package or a logger is missing.
    """
    logs = any((cfg["logger"] or {}).values())
    for name, recipe in (cfg["callbacks"] or {}).items():
        what, kind = f"callbacks.{name}", str((recipe or {}).get("_target_")).rpartition(".")[2]
        if kind in ("DeviceStatsMonitor", "LearningRateMonitor") and not logs:
            raise ConfigError(f"{what}: {kind} logs, and the run has no logger: logger=csv")
        if kind == "DeviceStatsMonitor":
            needs("psutil", what)
        if kind == "Timer":
            log.info("%s stops the run after a time: another machine may stop at another step", what)


def fit_to_task(callbacks: Sequence[Callback], task: pl.LightningModule) -> None:
    """Point callbacks at the part of a task that they work on.

    Raises:
        ConfigError: the task has no such part.
    """
    if not any(isinstance(callback, BackboneFinetuning) for callback in callbacks):
        return
    if isinstance(getattr(task, "backbone", None), nn.Module):
        return
    backbone = getattr(getattr(task, "net", None), "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise ConfigError(
            "BackboneFinetuning freezes a part that is called `backbone`, and neither the task nor its model has one: "
            "give a part of your model that name, or write a subclass of Lightning's BaseFinetuning"
        )
    vars(task)["backbone"] = backbone  # not registered: the weights keep their names


def shows_bar(callbacks: Sequence[Callback]) -> bool:
    """Whether one of the callbacks is Lightning's progress bar."""
    return any(isinstance(callback, ProgressBar) for callback in callbacks)


def build_profiler(wanted: str | dict, folder: Path) -> Profiler:
    """Build one of Lightning's profilers, with its report in the run's folder.

    Raises:
        ConfigError: there is none of that name.
    """
    if isinstance(wanted, dict):
        given = {
            name: value for name, value in (("dirpath", str(folder)), ("filename", "profile")) if name not in wanted
        }
        profiler: Profiler = build(wanted, what="trainer.profiler", nested=True, **given)
        return profiler
    if wanted not in PROFILERS:
        raise ConfigError(
            f"trainer.profiler={wanted}: choose from {', '.join(PROFILERS)}; "
            "trainer.profile=true finds where the time of a step goes, with torch's profiler"
        )
    return PROFILERS[wanted](dirpath=str(folder), filename="profile")


class ModelFiles:
    """ModelCheckpoint's files: on resume, exactly those that existed at the checkpoint."""

    beginning: ClassVar[dict[str, list[str]]] = {}

    def __init__(self, savers: list[ModelCheckpoint], folder: Path) -> None:
        self.savers, self.folder = savers, folder

    def position(self) -> dict[str, list[str]]:
        """The files' names by folder."""
        return {str(place): sorted(file.name for file in files) for place, files in self.files().items()}

    def files(self) -> dict[Path, list[Path]]:
        run = self.folder.resolve()
        # Files outside the run's folder may be those of other runs.
        places = {
            place
            for saver in self.savers
            if saver.dirpath is not None and (place := Path(saver.dirpath)).resolve().is_relative_to(run)
        }
        return {place: list(place.glob(f"*{ModelCheckpoint.FILE_EXTENSION}")) for place in places}

    def restore(self, position: dict[str, list[str]], source: Path) -> None:
        """Remove what was saved after a checkpoint: it will be saved again."""
        for place, files in self.files().items():
            for file in files:
                if file.name not in position.get(str(place), []):
                    file.unlink()


def model_files(trainer: pl.Trainer) -> list[ModelFiles]:
    savers = [part for part in trainer.callbacks if isinstance(part, ModelCheckpoint)]  # type: ignore[attr-defined]
    return [ModelFiles(savers, Path(trainer.default_root_dir))] if savers else []
