"""What a finished run has learned, to be asked about any inputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from encore.config import without_test
from encore.data.sources import ArraySource, Source
from encore.ensembles.predictions import examples, outputs
from encore.errors import InputError
from encore.record.checkpoint_files import BEST
from encore.record.result import Result
from encore.reopened import reopened
from encore.training import Parts
from encore.trust import recorded_config


@dataclass
class Learned:
    """A run with its best weights.

    Attributes:
        title: what tells it from the others of a picture.
    """

    run: Result
    cfg: dict
    title: str
    parts: Parts
    asked: list[Source] = field(default_factory=list)

    def outputs(self, inputs: Tensor) -> Tensor:
        """What the net makes of raw inputs [n, *shape], normalised as the run's were: [n, num_outputs]."""
        source = ArraySource(inputs, torch.zeros(len(inputs)))
        self.asked.append(source)  # the data module knows a source by its identity, which must not come again
        return outputs(self.parts, source, torch.arange(len(inputs)))

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Class probabilities, float64 [n, classes], of outputs."""
        found: Tensor = self.parts.task.probabilities(outputs.double())  # type: ignore[operator]
        return found

    def decision(self, outputs: Tensor) -> Tensor:
        """The classes that are predicted, int64 [n], as the run's metrics count them."""
        found: Tensor = self.parts.task.decision(outputs)  # type: ignore[operator]
        return found

    def examples(self, split: str) -> tuple[Source, Tensor]:
        """A split's source, and which examples of it they are, at least one.

        Raises:
            InputError: the run has no such split.
        """
        if not self.parts.data.sizes[split]:
            why = without_test(self.cfg) if split == "test" else f"has no {split} set"
            raise InputError(f"{self.run.folder} {why}")
        return examples(self.parts.data, split)

    def splits(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Every split that there is: its name, raw inputs [n, *shape] and targets [n, …]."""
        for split, size in self.parts.data.sizes.items():
            if size:
                source, indices = self.examples(split)
                yield split, source.read(indices.tolist()), source.targets[indices]

    def classes(self) -> list[str]:
        """Their names, which are their numbers where the dataset has none, or calls them `7 - seven`."""
        # A net may have more outputs than there are classes; a binary one has one for both.
        count = max(self.cfg["data"]["num_classes"], self.cfg["task"].get("num_outputs", 1))
        names = self.parts.data.source.classes
        if names is None or len(names) != count:
            return [str(number) for number in range(count)]
        return [str(number) if name.startswith(f"{number} - ") else str(name) for number, name in enumerate(names)]


@contextmanager
def learned(run: Result, title: str) -> Iterator[Learned]:
    """A finished run's best weights, opened again.

    Raises:
        InputError: the record, the checkpoint or the data cannot be used.
    """
    cfg = recorded_config(run.folder)
    with reopened(run.folder, cfg, BEST) as parts:
        yield Learned(run, cfg, title, parts)
