"""What can go wrong at the edge, each with its exit code (the README's table)."""


class EncoreError(Exception):
    """A mistake or obstacle that the user can mend: shown as a message, never as a traceback.

    Attributes:
        code: the exit code.
        status: what a run that it ends is recorded as.
    """

    code = 1
    status = "failed"


class ConfigError(EncoreError):
    """The command line or the config asks for something that cannot be."""

    code = 1


class NoDevice(ConfigError):
    """The config asks for a device that is not here."""


class InputError(EncoreError):
    """Data, a checkpoint or a run folder cannot be used."""

    code = 3


class NotHere(InputError):
    """Data that are not on this machine, and may be on another."""


class NotReproduced(EncoreError):
    """What was recorded did not come back."""

    code = 4


class Diverged(EncoreError):
    """The loss is no longer a finite number."""

    code = 5
    status = "diverged"


class CannotWrite(EncoreError):
    """The run's folder cannot be made or written."""

    code = 74


class Busy(EncoreError):
    """Another process holds the run."""

    code = 75


class Interrupted(EncoreError):
    """The user stopped the run (Ctrl-C)."""

    code = 130
    status = "preempted"


class Preempted(EncoreError):
    """The run was asked to end (SIGTERM)."""

    code = 143
    status = "preempted"


class Pruned(EncoreError):
    """A search has seen enough of the run."""

    code = 0
    status = "preempted"
