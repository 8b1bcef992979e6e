"""Silences library messages that a user can do nothing about; everything else is shown."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Each message, and why it does not concern the user.
UNSAID = (
    r"The number of training batches \(\d+\) is smaller than the logging interval",  # epochs are logged anyway
    r"The '\w+_dataloader' does not have many workers",  # resident data need none
    r"(MPS|GPU) available but not used",  # the config asks for the CPU
    r"Checkpoint directory .* exists and is not empty",  # when a run resumes
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # inside Lightning
)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence notices of hardware, limits reached and products, and the warnings listed here."""
    every = (logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"))
    lightning = [logger for logger in every if logger.level != logging.ERROR]  # to set it again takes a while
    levels = [logger.level for logger in lightning]
    with warnings.catch_warnings():
        for message in UNSAID:
            warnings.filterwarnings("ignore", message=message)
        for logger in lightning:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(lightning, levels, strict=True):
                logger.setLevel(level)
