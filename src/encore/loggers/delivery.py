"""Guards a third-party logger: no step is logged twice, and a failing logger does not end the run."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from encore.config.packages import installs
from encore.errors import ConfigError
from encore.loggers.contract import Identity
from encore.loggers.journal import Journal
from encore.loggers.services import Service

log = logging.getLogger("encore")

# Methods called while a run trains. A logger that fails in one of them is not called again.
CALLED = ("log_hyperparams", "log_graph", "save", "finalize", "after_save_checkpoint", "describe", "conclude")
# Those that show something under a name at a step: `show_image(tag, picture, step)`.
SHOWN = ("show_image", "show_histogram", "show_precision_recall", "show_text")


class Delivery:
    """Controls what reaches a logger, by overriding methods on the instance; its class stays the same.

    Args:
        logger: what the trainer logs to.
        what: the setting that names it.
        service: what is known about its kind.
        run: the run's identity.
        journal: what earlier attempts delivered.
    """

    def __init__(self, logger: Logger, what: str, service: Service, run: Identity, journal: Journal) -> None:
        self.logger, self.what, self.service, self.run, self.journal = logger, what, service, run, journal
        self.rewinds = hasattr(logger, "restore")
        self.broken = False
        self.before = dict(journal.last)
        self.plain = {name: getattr(logger, name) for name in ("log_metrics", *CALLED) if hasattr(logger, name)}
        vars(logger)["log_metrics"] = self.log_metrics
        vars(logger)["show_scalars"] = self.log_metrics
        shows = {name: getattr(logger, name) for name in SHOWN if hasattr(logger, name)}
        if service.show is not None:
            shows.setdefault("show_image", partial(service.show, logger))
        vars(logger).update({name: partial(self.show, method) for name, method in shows.items()})
        for name in self.plain.keys() & set(CALLED):
            vars(logger)[name] = self.guarded(name)

    def guarded(self, name: str) -> Callable[..., None]:
        """Wrap a method of the logger so that its failure does not end the run."""
        return lambda *args, **kwargs: self.attempt(self.plain[name], *args, **kwargs)

    def attempt(self, deed: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call the logger; if that fails, warn once and continue without it."""
        if self.broken:
            return
        try:
            deed(*args, **kwargs)
        except Exception as problem:  # anything that a network or third-party code may raise
            self.broken = True
            log.warning("%s failed; the run continues without it: %r", self.what, problem)

    @rank_zero_only
    def begin(self, cfg: dict) -> None:
        """Open the service's run, or resume the earlier attempt's, and send the config once.

        Raises:
            ConfigError: it cannot be opened.
        """
        journal = self.journal
        if journal.found and not journal.file.exists() and self.service.local:
            # The run starts over and has cleared its folder: what was delivered is gone, too.
            self.before, journal.last, journal.described = {}, {}, False
        journal.begin()
        try:
            if not journal.described and not hasattr(self.logger, "describe"):
                self.plain["log_hyperparams"]({**cfg, "encore": facts(self.run)})
            key = self.service.key(self.logger) or self.run.key
        except Exception as problem:
            reason = " ".join(str(problem).split()) or type(problem).__name__
            if isinstance(problem, ModuleNotFoundError) and problem.name:
                reason = f"{reason}: {installs(problem.name.partition('.')[0])}"
            raise ConfigError(
                f"{self.what} cannot be opened: {reason}\n{self.what}=null runs without this logger"
            ) from problem
        journal.add(key=key, described=True)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Deliver what no earlier attempt has delivered."""
        if self.rewinds or step is None:
            self.attempt(self.plain["log_metrics"], metrics=metrics, step=step)
            return
        kept = {name: value for name, value in metrics.items() if step > self.before.get(name, -1)}
        if self.journal.last.get("epoch", -1) >= step:
            kept.pop("epoch", None)  # it comes with every call of a step
        if self.broken or not kept.keys() - {"epoch"}:
            return
        self.journal.add(last=dict.fromkeys(kept, step))
        self.attempt(self.plain["log_metrics"], metrics=kept, step=step)
        self.attempt(self.service.flush, self.logger)

    @rank_zero_only
    def show(self, method: Callable[..., Any], tag: str, *shown: Any) -> None:
        """Let the logger show something, unless an earlier attempt has; the last argument is the step."""
        step = shown[-1]
        if self.broken or (not self.rewinds and step <= self.before.get(tag, -1)):
            return
        if not self.rewinds:
            self.journal.add(last={tag: step})
        self.attempt(method, tag, *shown)

    @rank_zero_only
    def close(self, well: bool) -> None:
        if hasattr(self.logger, "close"):
            self.attempt(self.logger.close)
        self.attempt(self.service.close, self.logger, well)


def facts(run: Identity) -> dict[str, str]:
    return {"name": run.name, "fingerprint": run.fingerprint, "folder": str(run.folder)}
