"""Seconds: of the CPU, of the wall's clock, and of a GPU."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Seconds:
    """What something took."""

    cpu: float  # of all threads of the process
    wall: float
    device: float | None = None  # between two events on a GPU

    @property
    def counted(self) -> float:
        """Those that ratios are taken of: the GPU's where there is one, else the CPU's."""
        return self.cpu if self.device is None else self.device


def typical(samples: list[Seconds]) -> Seconds:
    """The median of each kind of seconds."""
    device = [sample.device for sample in samples if sample.device is not None]
    return Seconds(
        median(sample.cpu for sample in samples),
        median(sample.wall for sample in samples),
        median(device) if device else None,
    )
