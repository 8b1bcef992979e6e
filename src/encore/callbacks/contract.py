"""Optional parts of a callback beside Lightning's hooks, and what it costs to leave each out.

Any of Lightning's `Callback`s works. The parts below are optional and found by name; nothing has to be inherited.
"""

from typing import Any, Protocol

import pytorch_lightning as pl


class Looking(Protocol):
    """Left out by a callback that has a hook for every batch or step: each call takes one step, as Lightning does.

    With it, up to `steps_per_execution` steps are taken in a call, which is several times as fast for small nets.
    """

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """Steps between two that the callback has to see: `on_train_batch_start` and `on_before_optimizer_step` are
        called there; None if once a call will do.
        """


class Kept(Protocol):
    """Left out: the callback begins anew where a run is resumed, which is right only if it remembers nothing.

    These are Lightning's own. The state may hold tensors and plain values only, since checkpoints are loaded without
    executing anything.
    """

    def state_dict(self) -> dict[str, Any]:
        """What the callback remembers."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember it again."""


class Choosing(Protocol):
    """Left out: it is not said what a callback chose for a setting, such as a learning rate.

    A choice has to be a function of the config, and kept in `state_dict` for a run that is resumed.
    """

    chooses: tuple[str, ...]
    """Settings that it will choose, such as ("optim.lr",), as plain values in the class's body, where they are read
    before anything is imported. The terminal says that they are to be found, and a sweep over one is refused."""

    chosen: dict[str, Any]
    """By setting, what is used in place of the config's value: the terminal, HPARAMS and manifest.json have it."""


class Stepping(Protocol):
    """Left out: `encore find_batch_size` tries its steps without the callback, unless that averages the weights."""

    changes_steps: bool
    """True, in the class's body: a step is another one with the callback, or takes more time or memory."""


class Particular(Protocol):
    """Left out: a combination that cannot work fails when training begins, or not at all."""

    def against(self, cfg: dict) -> str | None:
        """Why the callback cannot be part of a run, in one line with what to do instead; None if it can."""


class Entered(Protocol):
    """A callback with this hook of Lightning's may set up an epoch, and Lightning leaves the hook out where it
    resumes within one: checkpoints are then written at the ends of epochs only. Left out, they may be anywhere.
    """

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Called at the start of each epoch."""


class Swapping(Protocol):
    """A callback with a hook at both ends of validation may show it other weights than those that train, such as an
    average. The best weights are then copied while validation looks at them, once a validation.
    """

    averages_weights: bool
    """True, in the class's body: it shows validation an average. A run with two such callbacks is refused."""

    def on_validation_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Put the other weights in."""

    def on_validation_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Take them out again."""
