"""A finished run's net, for evaluation on any inputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from encore.analysis.ensembles.predictions import examples, outputs
from encore.analysis.results.axes import plain
from encore.config.facts import without_test
from encore.data.names import class_names, numbered
from encore.data.sources import ArraySource, Source
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import BEST, LAST
from encore.record.result import Result
from encore.runner.parts import Parts
from encore.runner.restored_run import restored_run

Weights = Literal["best", "last"]
FILES: dict[Weights, str] = {"best": BEST, "last": LAST}


@dataclass
class Learned:
    """A run with its best weights, or its last.

    Attributes:
        title: what distinguishes it from the picture's other runs.
        weights: which of the two.
    """

    run: Result
    cfg: dict
    title: str
    parts: Parts
    weights: Weights = "best"
    asked: list[Source] = field(default_factory=list)

    def outputs(self, inputs: Tensor) -> Tensor:
        """Outputs [n, num_outputs] for raw inputs [n, *shape], normalised as in the run."""
        source = ArraySource(inputs, torch.zeros(len(inputs)))
        self.asked.append(source)  # the data module identifies a source by its id, which must not be reused
        return outputs(self.parts, source, torch.arange(len(inputs)))

    def predictions(self, inputs: Tensor) -> Tensor:
        """Predictions for raw inputs [n, *shape], as the run's metrics take them: numbers in the targets' own units."""
        found: Tensor = self.parts.task.prediction(self.outputs(inputs).to(self.parts.task.device))  # type: ignore[operator]
        return found.cpu()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Class probabilities, float64 [n, classes], of outputs."""
        found: Tensor = self.parts.task.probabilities(outputs.double())  # type: ignore[operator]
        return found

    def decision(self, outputs: Tensor) -> Tensor:
        """The predicted classes, int64 [n], as in the run's metrics."""
        found: Tensor = self.parts.task.decision(outputs)  # type: ignore[operator]
        return found

    def examples(self, split: str) -> tuple[Source, Tensor]:
        """A split's source, and the indices of its examples, at least one.

        Raises:
            InputError: the run has no such split.
        """
        if not self.parts.data.sizes[split]:
            why = without_test(self.cfg) if split == "test" else f"has no {split} set"
            raise InputError(f"{self.run.folder} {why}")
        return examples(self.parts.data, split)

    def splits(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Every split of the run: its name, raw inputs [n, *shape] and targets [n, …]."""
        for split, size in self.parts.data.sizes.items():
            if size:
                source, indices = self.examples(split)
                yield split, source.read(indices.tolist()), source.targets[indices]

    def axis(self, part: str, number: int, usual: str) -> str:
        """The name that the data give to an input or a target by its number, in `data.axes`; without, the usual one."""
        names = (self.cfg["data"].get("axes") or {}).get(part) or []
        return plain(names[number]) if number < len(names) else usual

    def classes(self) -> list[str]:
        """Their names; their numbers if the dataset has no names, or names like `7 - seven`."""
        # A net may have more outputs than there are classes; a binary one has one for both.
        count = max(self.cfg["data"]["num_classes"], self.cfg["task"].get("num_outputs", 1))
        return numbered(class_names(self.cfg["data"], self.parts.data.source), count)


@contextmanager
def learned(run: Result, title: str, weights: Weights = "best") -> Iterator[Learned]:
    """Open a finished run with its best weights, or its last.

    Raises:
        InputError: the record, the checkpoint or the data cannot be used.
    """
    cfg = recorded_config(run.folder)
    with restored_run(run.folder, cfg, FILES[weights]) as parts:
        yield Learned(run, cfg, title, parts, weights)
