"""The errors that users see, each with its exit code."""


class EncoreError(Exception):
    """A problem that the user can fix: shown as a message, never as a traceback.

    Attributes:
        code: the exit code.
        status: the recorded status of a run that it ends.
    """

    code = 1
    status = "failed"


class ConfigError(EncoreError):
    """The command line or the config asks for something impossible."""

    code = 1


class NoDevice(ConfigError):
    """The config asks for a device that this machine lacks."""


class InputError(EncoreError):
    """Data, a checkpoint or a run folder cannot be used."""

    code = 3


class NotHere(InputError):
    """Data that are not on this machine but may be on another."""


class NotReproduced(EncoreError):
    """A recorded result was not reproduced."""

    code = 4


class Diverged(EncoreError):
    """The loss is no longer a finite number."""

    code = 5
    status = "diverged"


class CannotWrite(EncoreError):
    """The run's folder cannot be created or written."""

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
    """A search ended the run early."""

    code = 0
    status = "preempted"
