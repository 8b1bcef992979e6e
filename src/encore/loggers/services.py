"""What is specific to each tracking service's logger."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from encore.loggers.contract import Identity


@dataclass(frozen=True)
class Service:
    """A kind of logger.

    Attributes:
        package: what it needs besides Lightning.
        against: why its recipe cannot work, in one line; None if it can.
        given: defaults for settings that its recipe leaves out.
        key_setting: the setting that resumes a run of the service.
        chosen: whether we choose the key; otherwise the service does.
        key: returns the key of the run that it logs to.
        close: closes it; its argument says whether the run ended well.
        local: whether its files are in the run's folder, and are deleted with it.
        flush: writes what it received to disk.
        show: shows a picture, uint8 [height, width, 3], under a name at a step.
    """

    package: str | None = None
    against: Callable[[dict], str | None] = lambda recipe: None
    given: Callable[[Identity], dict[str, Any]] = lambda run: {}
    key_setting: str | None = None
    chosen: bool = False
    key: Callable[[Any], str | None] = lambda logger: None
    close: Callable[[Any, bool], None] = lambda logger, well: None
    local: bool = False
    flush: Callable[[Any], None] = lambda logger: None
    show: Callable[[Any, str, np.ndarray, int], Any] | None = None


def title(run: Identity) -> str:
    """A run's name, settings and folder, in one line."""
    return " ".join(filter(None, (run.name, run.settings, run.folder.name)))


def tags(run: Identity) -> dict[str, Any]:
    """A run's identity as MLflow shows it."""
    return {
        "run_name": title(run),
        "tags": {"encore.fingerprint": run.fingerprint, "encore.folder": str(run.folder)},
    }


def wandb_run(run: Identity) -> dict[str, Any]:
    """A run's identity as W&B shows it; W&B's files for all runs are below runs_dir.

    W&B flushes every 15 seconds by default, and a killed process loses the rest. Half a second costs nothing.
    """
    import wandb

    often = {"x_transaction_log_flush_interval": 0.5}
    known = often.keys() & wandb.Settings.model_fields.keys()
    settings = {"settings": wandb.Settings(**often)} if known else {}
    return {"name": title(run), "save_dir": str(run.runs_dir), **settings}


def finish_wandb(logger: Any, well: bool) -> None:
    """End the process's W&B run, so that the next run in this process starts a new one."""
    if logger._experiment is not None:
        logger._experiment.finish(exit_code=0 if well else 1)


def ended(method: str) -> Callable[[Any, bool], None]:
    """Calls a method of the service's run, if one was started."""

    def close(logger: Any, well: bool) -> None:
        for name in ("_experiment", "_run"):
            if (own := vars(logger).get(name)) is not None:
                getattr(own, method)()
                return

    return close


def against_comet(recipe: dict) -> str | None:
    """Lightning turns Comet off where it is told to be offline: nothing would be written at all."""
    if recipe.get("online") is not False:
        return None
    return "online=false logs nothing (Lightning disables Comet): set COMET_START_ONLINE=0 in the environment instead"


def show_in_mlflow(logger: Any, tag: str, picture: np.ndarray, step: int) -> None:
    """Keep a picture as a file of the run."""
    logger.experiment.log_image(logger.run_id, picture, artifact_file=f"{tag}/{step}.png")


def show_in_aim(logger: Any, tag: str, picture: np.ndarray, step: int) -> None:
    """Track a picture."""
    import aim
    from PIL import Image

    logger.experiment.track(aim.Image(Image.fromarray(picture)), name=tag, step=step)


# By the name of the class or of a base class.
SERVICES = {
    "WandbLogger": Service(
        package="wandb",
        given=wandb_run,
        key_setting="version",
        chosen=True,
        key=lambda logger: logger.experiment.id,
        close=finish_wandb,
        show=lambda logger, tag, picture, step: logger.log_image(tag, [picture], step),
    ),
    "MLFlowLogger": Service(
        package="mlflow",
        given=tags,
        key_setting="run_id",
        key=lambda logger: logger.run_id,
        show=show_in_mlflow,
    ),
    "CometLogger": Service(
        package="comet_ml",
        against=against_comet,
        given=lambda run: {"name": title(run)},
        key_setting="experiment_key",
        chosen=True,
        key=lambda logger: logger.version,
        close=ended("end"),
        show=lambda logger, tag, picture, step: logger.experiment.log_image(picture, name=tag, step=step),
    ),
    "AimLogger": Service(
        package="aim",
        given=lambda run: {"run_name": title(run)},
        key_setting="run_hash",
        key=lambda logger: logger.experiment.hash,
        close=ended("close"),
        show=show_in_aim,
    ),
    "TensorBoardLogger": Service(
        given=lambda run: {"save_dir": str(run.folder), "name": "lightning_logs"},
        local=True,
        flush=lambda logger: logger.experiment.flush(),
        show=lambda logger, tag, picture, step: logger.experiment.add_image(tag, picture, step, dataformats="HWC"),
    ),
    "CSVLogger": Service(
        given=lambda run: {"save_dir": str(run.folder)},
        local=True,
        flush=lambda logger: logger.save(),
    ),
}
OTHER = Service()


def service_of(target: str) -> Service | None:
    """The service of a recipe's target, by name, before it is imported."""
    return SERVICES.get(target.rpartition(".")[2])


def service_for(logger: Any) -> Service:
    return next((SERVICES[kind.__name__] for kind in type(logger).__mro__ if kind.__name__ in SERVICES), OTHER)
